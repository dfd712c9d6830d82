//! Why somebody was told, and why somebody was not.

use std::cell::Cell;
use std::rc::Rc;

use breakwatch_plugin_api::{NotifyError, TransitionKind};

use super::super::Explanation;
use super::guarantee::silence;
use super::sim::{Sim, flaky};
use crate::ledger::Record;
use crate::matchers::parse_matchers;

const ONE: &str = "
route: { receiver: ops, group_by: [service], group_wait: 10s, group_interval: 1m }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
inhibit_rules: [ { source_matchers: [alertname=Root], target_matchers: [alertname=B], equal: [service] } ]
";

fn explain(sim: &Sim, matchers: &str) -> String {
    let records = sim.store.ledger.iter().map(|r| serde_json::from_slice::<Record>(&r.value).unwrap());
    let records: Vec<Record> = records.collect();
    let matchers = parse_matchers(matchers).unwrap();
    let others = super::super::labels_in(&records, &matchers);
    let mut found = sim.alerting.explain(&matchers, &others, sim.time());
    Explanation::tell_history(&mut found, &records);
    found.iter().flat_map(Explanation::lines).collect::<Vec<_>>().join("\n")
}

/// Checks that an explanation says each of these.
#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\nnot in\n{text}");
    }
}

#[test]
fn the_whole_way_is_told() {
    let mut sim = Sim::new(ONE);
    let down = Rc::new(Cell::new(true));
    let seen = Rc::clone(&down);
    sim.answer = flaky(move || seen.get());
    sim.post(&["alertname=A service=x"]);
    let waits = "ops/webhook[0] is to be told at 2024-01-01T00:00:10.000Z: the first wait of its group (group_wait) is not over";
    says(&explain(&sim, "alertname=A"), &[waits]);
    sim.run_to(12.0);
    let text = explain(&sim, "alertname=A");
    assert!(text.contains("has a message waiting since 2024-01-01T00:00:10.000Z, tried 3 times, last error: connection refused"), "{text}");
    down.set(false);
    sim.run_to(60.0);
    let text = explain(&sim, "service=x");
    for line in [
        "{alertname=\"A\", service=\"x\"} (",
        "  firing since 2024-01-01T00:00:00.000Z, active",
        "  route {} to ops, group {}:{service=\"x\"}",
        "    ops/webhook[0] was told that it fires",
        "  2024-01-01T00:00:00.000Z raised, began at 2024-01-01T00:00:00.000Z",
        "  2024-01-01T00:00:10.000Z ops/webhook[0]: to be told (first of this group): 1 firing, 0 over",
        "  2024-01-01T00:00:10.000Z ops/webhook[0]: attempt 1",
        "ops/webhook[0]: failed: connection refused; tried again at",
        "ops/webhook[0]: delivered after",
    ] {
        assert!(text.contains(line), "{line}\nnot in\n{text}");
    }
}

#[test]
fn who_was_not_told_and_why() {
    let mut sim = Sim::new(ONE);
    let id = sim.alerting.set_silence(silence("alertname", "A", 0.0, 3600.0), sim.time()).unwrap();
    sim.post(&["alertname=A service=x", "alertname=Root service=x", "alertname=B service=x"]);
    sim.run_to(20.0);
    let text = explain(&sim, "alertname=A");
    assert!(text.contains(&format!("ops/webhook[0] is not told: silenced by {id}")), "{text}");
    assert!(text.contains("suppressed") && text.contains(&format!("kept quiet: silenced by {id}")), "{text}");
    assert!(explain(&sim, "alertname=B").contains("is not told: inhibited by Root"));
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(200.0);
    let text = explain(&sim, "alertname=A");
    assert!(text.contains("not firing") && text.contains("over since"), "{text}");
    assert_eq!(explain(&sim, "alertname=Z"), "");
}

#[test]
fn a_change_waits_for_the_interval_of_its_group() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(20.0);
    sim.post(&["alertname=C service=x"]);
    let waits = "ops/webhook[0] is to be told at 2024-01-01T00:01:10.000Z: changes wait for the interval of its group (group_interval)";
    says(&explain(&sim, "alertname=C"), &[waits]);
    sim.run_to(71.0);
    sim.post(&["-alertname=A service=x"]);
    says(&explain(&sim, "alertname=A"), &["was told that it fires, and is to be told that it is over"]);
}

#[test]
fn muted_by_time_and_outside_of_the_active_time() {
    let mut sim = Sim::new(
        "
route:
  receiver: ops
  group_wait: 0s
  routes:
    - { receiver: ops, matchers: [alertname=A], mute_time_intervals: [night] }
    - { receiver: ops, matchers: [alertname=B], active_time_intervals: [noon] }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
time_intervals:
  - { name: night, time_intervals: [ { times: [ { start_time: '00:00', end_time: '06:00' } ] } ] }
  - { name: noon, time_intervals: [ { times: [ { start_time: '12:00', end_time: '13:00' } ] } ] }
",
    );
    sim.post(&["alertname=A", "alertname=B"]);
    sim.run_to(10.0);
    says(&explain(&sim, "alertname=A"), &["is not told: muted by time interval night", "suppressed"]);
    says(&explain(&sim, "alertname=B"), &["is not told: outside of the active time intervals noon"]);
    assert_eq!(sim.lines(), [""; 0]);
}

#[test]
fn a_dependency_that_fails_is_named() {
    let mut sim = Sim::new(ONE);
    let causes = [("http/api".to_owned(), "database/main".to_owned())];
    sim.alerting.set_dependency_silences(causes.into_iter().collect());
    sim.breaker("http/api", TransitionKind::Opened);
    sim.run_to(20.0);
    says(&explain(&sim, "check=http/api"), &["is not told: database/main is the root cause"]);
}

#[test]
fn an_acknowledged_alert_is_not_told_again_and_does_not_escalate() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_wait: 0s, escalation: [ { after: 15m, receiver: boss } ] }
receivers: [ { name: ops, webhook_configs: [ {} ] }, { name: boss, email_configs: [ {} ] } ]
",
    );
    sim.post(&["alertname=A"]);
    sim.run_to(60.0);
    says(
        &explain(&sim, "alertname=A"),
        &["then boss is told at 2024-01-01T00:15:00.000Z unless somebody acknowledges"],
    );
    let fingerprint = crate::testing::labels("alertname=A").fingerprint();
    sim.alerting.acknowledge(fingerprint, "anna", "on it", sim.time());
    sim.settle();
    let told = [
        "  acknowledged by anna at 2024-01-01T00:01:00.000Z",
        "ops/webhook[0] was told that it fires, and is not told again: acknowledged by anna",
        "then boss is not told: acknowledged by anna",
        "2024-01-01T00:01:00.000Z acknowledged by anna: on it",
    ];
    says(&explain(&sim, "alertname=A"), &told);
}

#[test]
fn a_superseded_message_and_one_that_was_given_up() {
    let mut sim = Sim::new(ONE);
    sim.answer = flaky(|| true);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(30.0);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(75.0);
    let text = explain(&sim, "alertname=A");
    says(&text, &["replaced by the newer message", "replaces 1 undelivered"]);
    sim.run_to(86_500.0);
    says(&explain(&sim, "alertname=A"), &["ops/webhook[0]: given up: connection refused"]);
}

#[test]
fn a_receiver_that_refuses_and_one_whose_breaker_is_open() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_wait: 0s }
receivers:
  - { name: ops, webhook_configs: [ {} ], slack_configs: [ {} ], fallback: mail }
  - { name: mail, email_configs: [ {} ] }
",
    );
    sim.alerting.hold("ops/slack[0]", crate::testing::at(600.0));
    sim.answer = Box::new(|to, _| match to {
        "ops/webhook[0]" => Err(NotifyError::Rejected("status 400: no such field".into())),
        _ => Ok(Default::default()),
    });
    sim.post(&["alertname=A"]);
    sim.run_to(5.0);
    let told = [
        "ops/webhook[0] has a message waiting since 2024-01-01T00:00:00.000Z, tried 1 times, refused: status 400: no such field, the fallback receiver was told instead",
        "ops/slack[0] has a message waiting since 2024-01-01T00:00:00.000Z, tried 0 times, its circuit breaker is open until 2024-01-01T00:10:00.000Z, the fallback receiver was told instead",
        "mail/email[0] was told in the place of a receiver that could not be reached",
        "ops/webhook[0]: refused: status 400: no such field",
    ];
    says(&explain(&sim, "alertname=A"), &told);
    let mails = sim.lines().into_iter().filter(|line| line.contains("mail/")).count();
    assert_eq!(mails, 1, "it stands in for two integrations and is told once");
}

#[test]
fn many_alerts_are_bounded_and_a_large_ledger_is_read_outside() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_wait: 0s, group_by: [service] }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
",
    );
    let alerts: Vec<String> = (0..300).map(|n| format!("alertname=A n={n} service=x")).collect();
    sim.post(&alerts.iter().map(String::as_str).collect::<Vec<_>>());
    sim.run_to(1.0);
    let found = sim.alerting.explain(&parse_matchers("alertname=A").unwrap(), &[], sim.time());
    assert_eq!(found.len(), 100);
    assert!(found.iter().all(|alert| alert.history.is_empty()));
}
