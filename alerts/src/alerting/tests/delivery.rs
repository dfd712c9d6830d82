//! The outbox: retries, superseding, late notes, fallback, refusal, age, crashes.

use std::cell::Cell;
use std::rc::Rc;

use breakwatch_plugin_api::{NotifyError, Receipt, TransitionKind};

use super::sim::{Sim, flaky};
use crate::ledger::{Event, Record};

const ONE: &str = "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, repeat_interval: 4h }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
";

const WITH_FALLBACK: &str = "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, repeat_interval: 4h }
receivers:
  - { name: ops, slack_configs: [ { send_resolved: true } ], fallback: mail, fallback_after: 2m }
  - { name: mail, email_configs: [ { send_resolved: true } ] }
";

fn switch() -> (Rc<Cell<bool>>, impl Fn() -> bool + 'static) {
    let down = Rc::new(Cell::new(true));
    let seen = Rc::clone(&down);
    (down, move || seen.get())
}

fn events(sim: &Sim) -> Vec<Event> {
    let decode =
        |record: &breakwatch_model::Record| serde_json::from_slice::<Record>(&record.value).unwrap().event;
    sim.store.ledger.iter().map(decode).collect()
}

#[test]
fn nothing_is_sent_before_it_is_durable() {
    let mut sim = Sim::new(ONE);
    let event = super::sim::transition_event("http/a", TransitionKind::Opened, sim.time());
    sim.alerting.transition(&event, sim.time());
    sim.alerting.tick(sim.time());
    assert!(sim.alerting.due_messages(sim.time()).is_empty());
    let batch = sim.alerting.take_batch();
    assert!(!batch.is_empty() && sim.alerting.due_messages(sim.time()).is_empty());
    sim.alerting.committed();
    assert_eq!(sim.alerting.due_messages(sim.time()).len(), 1);
}

#[test]
fn a_receiver_down_for_an_hour_hears_everything_once_within_a_minute() {
    let mut sim = Sim::new(ONE);
    let (down, is_down) = switch();
    sim.answer = flaky(is_down);
    sim.post(&["alertname=A service=x", "alertname=B service=y"]);
    sim.run_to(600.0);
    sim.post(&["-alertname=A service=x", "alertname=C service=y"]);
    sim.crash();
    sim.run_to(3600.0);
    down.set(false);
    let tries = sim.sent.len();
    assert!((2 * 100..2 * 260).contains(&tries), "{tries} tries in an hour");
    sim.run_to(3700.0);
    let got = &sim.sent[tries..];
    let mut lines: Vec<String> =
        got.iter().map(|sent| sent.show().split_once(' ').unwrap().1.to_owned()).collect();
    lines.sort();
    assert_eq!(lines, ["ops/webhook[0] firing +B +C", "ops/webhook[0] resolved -A"]);
    assert!(got.iter().all(|sent| sent.at <= 3660.0));
    let notes = got.iter().find(|sent| sent.show().contains("-A")).unwrap().message.notes.join("\n");
    assert!(notes.contains("Delivered late: decided at 2024-01-01T00:00:00.000Z"), "{notes}");
    assert!(notes.contains("Replaces an earlier message"), "{notes}");
}

#[test]
fn a_retry_keeps_its_id_and_a_new_state_gets_a_new_one() {
    let mut sim = Sim::new(ONE);
    let (down, is_down) = switch();
    sim.answer = flaky(is_down);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(50.0);
    let ids: Vec<&str> = sim.sent.iter().map(|sent| sent.message.id.as_str()).collect();
    assert!(ids.len() > 3 && ids.windows(2).all(|pair| pair[0] == pair[1]));
    let first = ids[0].to_owned();
    sim.post(&["alertname=B service=x"]);
    sim.run_to(100.0);
    down.set(false);
    sim.run_to(200.0);
    assert_ne!(sim.sent.last().unwrap().message.id, first);
    assert_eq!(sim.alerting.outbox().len(), 0);
}

#[test]
fn the_resolve_of_a_page_that_may_have_arrived_is_sent_although_silenced() {
    let mut sim = Sim::new(ONE);
    let (down, is_down) = switch();
    sim.answer = flaky(is_down);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(10.0);
    let silence = super::guarantee::silence("alertname", "A", 10.0, 9000.0);
    sim.alerting.set_silence(silence, sim.time()).unwrap();
    sim.post(&["-alertname=A service=x"]);
    down.set(false);
    let tries = sim.sent.len();
    sim.run_to(20.0);
    sim.run_to(200.0);
    let lines: Vec<String> =
        sim.sent[tries..].iter().map(|sent| sent.show().split_once(' ').unwrap().1.into()).collect();
    assert_eq!(lines.last().unwrap(), "ops/webhook[0] resolved -A");
}

#[test]
fn the_resolve_of_a_page_on_its_way_at_a_crash_is_sent_although_silenced() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.alerting.tick(sim.time());
    sim.commit();
    let due = sim.alerting.due_messages(sim.time());
    sim.alerting.start(&due[0].id, sim.time()).unwrap();
    sim.restart_after(1.0);
    sim.alerting.hold("ops/webhook[0]", crate::testing::at(300.0));
    let silence = super::guarantee::silence("alertname", "A", 1.0, 9000.0);
    sim.alerting.set_silence(silence, sim.time()).unwrap();
    sim.run_to(100.0);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(400.0);
    assert_eq!(sim.lines(), ["300 ops/webhook[0] resolved -A"]);
}

#[test]
fn a_page_nobody_has_seen_is_withdrawn_when_silenced() {
    let mut sim = Sim::new(ONE);
    sim.alerting.hold("ops/webhook[0]", crate::testing::at(3000.0));
    sim.post(&["alertname=A service=x"]);
    sim.run_to(10.0);
    assert_eq!(sim.alerting.outbox().len(), 1);
    let silence = super::guarantee::silence("alertname", "A", 10.0, 9000.0);
    sim.alerting.set_silence(silence, sim.time()).unwrap();
    sim.run_to(70.0);
    assert_eq!(sim.alerting.outbox().len(), 0);
    assert!(events(&sim).iter().any(|event| matches!(event, Event::Withdrawn { .. })));
    sim.alerting.release("ops/webhook[0]");
    sim.run_to(9100.0);
    assert_eq!(sim.lines(), ["9000 ops/webhook[0] firing +A"], "told once the silence is over");
}

#[test]
fn the_fallback_receiver_takes_over_and_hears_the_end() {
    let mut sim = Sim::new(WITH_FALLBACK);
    let (down, is_down) = switch();
    sim.answer = Box::new(move |to, _| {
        if to.starts_with("ops/") && is_down() {
            return Err(NotifyError::Retryable { message: "503".into(), retry_after: None });
        }
        Ok(Receipt::default())
    });
    sim.post(&["alertname=A service=x"]);
    sim.run_to(119.0);
    assert!(sim.lines().iter().all(|line| line.contains("ops/slack[0]")));
    sim.run_to(300.0);
    let mail =
        |lines: Vec<String>| lines.into_iter().filter(|line| line.contains("mail/")).collect::<Vec<_>>();
    assert_eq!(mail(sim.lines()), ["120 mail/email[0] firing +A"]);
    let note = sim.sent.iter().find(|sent| sent.to.starts_with("mail")).unwrap().message.notes.join(" ");
    assert!(note.contains("Sent here because ops could not be reached."), "{note}");
    sim.crash();
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(600.0);
    assert_eq!(mail(sim.lines()), ["300 mail/email[0] resolved -A"]);
    down.set(false);
    sim.run_to(700.0);
    let lines = sim.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ops/slack[0] resolved -A"));
}

#[test]
fn an_open_breaker_hands_over_at_once() {
    let mut sim = Sim::new(WITH_FALLBACK);
    sim.alerting.hold("ops/slack[0]", crate::testing::at(600.0));
    sim.post(&["alertname=A service=x"]);
    sim.run_to(1.0);
    assert_eq!(sim.lines(), ["0 mail/email[0] firing +A"]);
    sim.run_to(700.0);
    assert_eq!(sim.lines(), ["600 ops/slack[0] firing +A"], "the outbox kept it");
}

#[test]
fn a_fallback_that_is_told_anyway_is_not_told_twice() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [service], group_wait: 0s, escalation: [ { after: 1m, receiver: mail } ] }
receivers:
  - { name: ops, slack_configs: [ { send_resolved: true } ], fallback: mail, fallback_after: 2m }
  - { name: mail, email_configs: [ { send_resolved: true } ] }
",
    );
    sim.answer = Box::new(|to, _| {
        if to.starts_with("ops/") {
            return Err(NotifyError::Retryable { message: "503".into(), retry_after: None });
        }
        Ok(Receipt::default())
    });
    sim.post(&["alertname=A service=x"]);
    sim.run_to(600.0);
    let mail = sim.lines().into_iter().filter(|line| line.contains("mail/")).collect::<Vec<_>>();
    assert_eq!(mail, ["60 mail/email[0] firing +A"]);
}

#[test]
fn a_refused_message_goes_to_the_fallback_and_is_not_hammered() {
    let mut sim = Sim::new(WITH_FALLBACK);
    sim.answer = Box::new(|to, _| {
        if to.starts_with("ops/") {
            Err(NotifyError::Rejected("invalid_payload".into()))
        } else {
            Ok(Receipt::default())
        }
    });
    sim.post(&["alertname=A service=x"]);
    sim.run_to(1000.0);
    let lines = sim.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("mail/")).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.contains("ops/")).count(), 4, "{lines:?}");
    assert!(
        events(&sim)
            .iter()
            .any(|event| matches!(event, Event::Refused { error } if error.contains("invalid")))
    );
}

#[test]
fn retry_after_is_honoured_and_capped() {
    for (asked, expected) in [(20, 20.0), (7200, 900.0)] {
        let mut sim = Sim::new(ONE);
        let first = Cell::new(true);
        sim.answer = Box::new(move |_, _| {
            if first.replace(false) {
                let retry_after = Some(std::time::Duration::from_secs(asked));
                return Err(NotifyError::Retryable { message: "429".into(), retry_after });
            }
            Ok(Receipt::default())
        });
        sim.post(&["alertname=A service=x"]);
        sim.run_to(2000.0);
        let times: Vec<f64> = sim.sent.iter().map(|sent| sent.at).collect();
        assert_eq!(times, [0.0, expected]);
    }
}

#[test]
fn after_a_day_a_message_is_given_up_and_what_still_fires_starts_afresh() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1h, repeat_interval: 1000h }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
",
    );
    let (down, is_down) = switch();
    sim.answer = flaky(is_down);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(86_399.0);
    assert_eq!(sim.alerting.outbox().len(), 1);
    sim.run_to(86_410.0);
    assert!(
        events(&sim)
            .iter()
            .any(|event| matches!(event, Event::Expired { error } if error == "connection refused"))
    );
    down.set(false);
    let tries = sim.sent.len();
    sim.run_to(2.0 * 86_400.0);
    assert_eq!(sim.sent.len() - tries, 1);
}

#[test]
fn a_receiver_without_ends_that_was_down_gets_its_page_late() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m }
receivers: [ { name: ops, webhook_configs: [ { send_resolved: false } ] } ]
",
    );
    let (down, is_down) = switch();
    sim.answer = flaky(is_down);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(100.0);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(300.0);
    down.set(false);
    let tries = sim.sent.len();
    sim.run_to(400.0);
    let got = &sim.sent[tries..];
    assert_eq!(got.len(), 1);
    assert!(got[0].show().ends_with("ops/webhook[0] firing +A"), "{}", got[0].show());
    assert!(
        got[0].message.notes.iter().any(|note| note.contains("A has ended since")),
        "{:?}",
        got[0].message.notes
    );
}

#[test]
fn a_quiet_restart_says_nothing() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.breaker("http/a", TransitionKind::Opened);
    sim.run_to(10.0);
    assert_eq!(sim.lines().len(), 2);
    for round in 0..100 {
        sim.restart_after(f64::from(round % 7));
        sim.run_to(sim.now + f64::from(round % 13));
    }
    assert_eq!(sim.lines(), [""; 0]);
    sim.post(&["-alertname=A service=x"]);
    sim.breaker("http/a", TransitionKind::Closed);
    sim.run_to(sim.now + 100.0);
    assert_eq!(sim.lines().len(), 2);
}

#[test]
fn an_alert_with_a_timeout_does_not_end_because_the_daemon_was_down() {
    let mut sim = Sim::new(ONE);
    let labels = crate::testing::labels("alertname=A service=x");
    sim.alerting.receive(vec![crate::PostedAlert { labels, ..Default::default() }], sim.time()).unwrap();
    sim.run_to(10.0);
    sim.restart_after(3600.0);
    sim.run_to(sim.now + 200.0);
    assert_eq!(sim.lines(), ["0 ops/webhook[0] firing +A"]);
    sim.run_to(sim.now + 300.0);
    assert_eq!(sim.lines().len(), 1, "and ends when its full time has passed without a word");
}

#[test]
fn damaged_records_do_not_stop_the_start() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(1.0);
    let mut store = sim.store.clone();
    for table in store.tables.values_mut() {
        for value in table.values_mut() {
            value.truncate(value.len() / 2);
        }
    }
    let config = super::sim::config(ONE);
    let mut alerting = crate::Alerting::new(config, crate::Settings::default(), store.restored(), sim.time());
    assert_eq!(alerting.take_problems().len(), 3);
    alerting.tick(sim.time());
}

#[test]
fn a_rate_limit_spreads_messages() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: ['...'], group_wait: 0s }
receivers: [ { name: ops, webhook_configs: [ {} ], rate_limit: 2/1m } ]
",
    );
    sim.post(&["alertname=A", "alertname=B", "alertname=C", "alertname=D"]);
    sim.run_to(200.0);
    let times: Vec<f64> = sim.sent.iter().map(|sent| sent.at).collect();
    assert_eq!(times, [0.0, 0.0, 30.0, 60.0]);
}

#[test]
fn a_digest_tells_people_what_a_rate_limit_holds_back() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1m }
receivers: [ { name: ops, slack_configs: [ { send_resolved: true } ], rate_limit: 1/1m } ]
",
    );
    let (down, is_down) = switch();
    down.set(false);
    sim.answer = flaky(is_down);
    sim.post(&["alertname=A"]);
    sim.run_to(1.0);
    sim.post(&["alertname=B", "alertname=C", "alertname=D", "alertname=E"]);
    sim.run_to(59.0);
    assert_eq!(sim.lines(), ["0 ops/slack[0] firing +A"]);
    down.set(true);
    sim.run_to(61.0);
    down.set(false);
    sim.run_to(200.0);
    assert_eq!(sim.lines(), ["60 ops/slack[0] firing +B +C +D +E", "120 ops/slack[0] firing +B +C +D +E"]);
    let digest = "Digest of 4 messages: the rate limit of this receiver is reached.";
    assert_eq!(sim.sent[2].message.notes[0], digest);
    assert_eq!(sim.alerting.outbox().len(), 0);
    sim.post(&["-alertname=B", "-alertname=C", "-alertname=A"]);
    sim.run_to(400.0);
    let over = "240 ops/slack[0] resolved -A|300 ops/slack[0] resolved -B|360 ops/slack[0] resolved -C";
    assert_eq!(sim.lines().join("|"), over, "two that wait are no digest yet");
}

#[test]
fn what_was_never_sent_is_no_attempt_and_its_end_is_not_owed() {
    let mut sim = Sim::new(ONE);
    sim.post_without_settling(&["alertname=A service=x"]);
    sim.alerting.tick(sim.time());
    sim.commit();
    let due = sim.alerting.due_messages(sim.time());
    sim.alerting.start(&due[0].id, sim.time()).unwrap();
    let until = crate::testing::at(200.0);
    sim.alerting.put_back(&due[0].id, "its circuit breaker is open", until, sim.time());
    sim.commit();
    assert_eq!((sim.alerting.outbox()[0].attempts, sim.alerting.outbox()[0].next_at), (0, until));
    let silence = super::guarantee::silence("alertname", "A", 0.0, 9000.0);
    sim.alerting.set_silence(silence, sim.time()).unwrap();
    sim.run_to(70.0);
    assert_eq!(sim.alerting.outbox().len(), 0, "nobody has seen it: it can be withdrawn");
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(1000.0);
    assert_eq!(sim.lines(), [""; 0]);
}

#[test]
fn receipts_carry_a_thread_through_an_incident_and_not_into_the_next() {
    for crash in [false, true] {
        let mut sim = Sim::new(ONE);
        let step = |sim: &mut Sim, alerts: &[&str], until: f64| {
            sim.post(alerts);
            sim.run_to(until);
            if crash {
                sim.crash();
            }
        };
        step(&mut sim, &["alertname=A service=x"], 100.0);
        step(&mut sim, &["alertname=B service=x"], 200.0);
        step(&mut sim, &["-alertname=A service=x", "-alertname=B service=x"], 300.0);
        step(&mut sim, &["alertname=A service=x"], 400.0);
        let references: Vec<(Option<&str>, Option<&str>)> = sim
            .sent
            .iter()
            .map(|sent| {
                let of =
                    |receipt: &Option<Receipt>| receipt.as_ref().map(|receipt| receipt.reference.clone());
                (of(&sent.message.first), of(&sent.message.previous))
            })
            .map(|(first, previous)| {
                let name = |reference: String| {
                    let place = sim.sent.iter().position(|sent| sent.message.id == reference);
                    ["1st", "2nd", "3rd", "4th"][place.unwrap()]
                };
                (first.map(name), previous.map(name))
            })
            .collect();
        let expected = [(None, None), (Some("1st"), Some("1st")), (Some("1st"), Some("2nd")), (None, None)];
        assert_eq!(references, expected, "crash: {crash}");
    }
}
