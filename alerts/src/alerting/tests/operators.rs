//! Silences, acknowledgements, escalation, dependencies, a notifier's own breaker.

use breakwatch_plugin_api::TransitionKind;

use super::guarantee::silence;
use super::sim::{Sim, transition_event};
use crate::silence::{SilenceError, SilenceState};
use crate::testing::{at, labels};

const ONE: &str = "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, repeat_interval: 10m }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
";

#[test]
fn silences_follow_alertmanagers_rules() {
    let mut sim = Sim::new(ONE);
    let alerting = &mut sim.alerting;
    let id = alerting.set_silence(silence("a", "1", 0.0, 100.0), at(0.0)).unwrap();
    let pending = alerting.set_silence(silence("a", "2", 50.0, 100.0), at(0.0)).unwrap();
    let list: Vec<&str> = alerting.silences(at(10.0)).iter().map(|s| s.id.as_str()).collect();
    assert_eq!(list, [&id, &pending]);
    // Prolonged in place; other matchers make a new one and end the old.
    let mut change = silence("a", "1", 0.0, 200.0);
    change.id.clone_from(&id);
    assert_eq!(alerting.set_silence(change.clone(), at(20.0)).unwrap(), id);
    change.matchers[0].value = "9".into();
    let other = alerting.set_silence(change.clone(), at(30.0)).unwrap();
    assert_ne!(other, id);
    assert_eq!(alerting.silence(&id).unwrap().state(at(30.0)), SilenceState::Expired);
    assert_eq!(alerting.silence(&other).unwrap().starts_at, at(30.0));
    // Errors.
    assert!(matches!(alerting.expire_silence(&id, at(40.0)), Err(SilenceError::AlreadyExpired(_))));
    assert!(matches!(alerting.expire_silence("nope", at(40.0)), Err(SilenceError::NotFound(_))));
    change.id = "nope".into();
    assert!(matches!(alerting.set_silence(change, at(40.0)), Err(SilenceError::NotFound(_))));
    assert!(alerting.set_silence(silence("a", "", 0.0, 100.0), at(0.0)).is_err());
    assert!(alerting.set_silence(silence("a", "1", 100.0, 100.0), at(0.0)).is_err());
    assert!(alerting.set_silence(silence("a", "1", 0.0, 10.0), at(20.0)).is_err());
    // Kept for five days after their end, over restarts.
    sim.commit();
    sim.restart_after(100.0);
    assert_eq!(sim.alerting.silences(sim.time()).len(), 3);
    sim.run_to(6.0 * 86_400.0);
    assert_eq!(sim.alerting.silences(sim.time()).len(), 0);
}

#[test]
fn a_maintenance_window_comes_back() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, repeat_interval: 1h }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
maintenance: [ { name: backup, matchers: [service=x], schedule: '0 3 * * *', duration: 2h, location: Europe/Berlin } ]
",
    );
    sim.run_to(2.0 * 3600.0 + 60.0);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(3.0 * 3600.0);
    let view = sim.alerting.alerts(sim.time());
    assert_eq!(view[0].silenced_by, ["maintenance/backup"]);
    assert_eq!(sim.lines(), [""; 0]);
    sim.run_to(4.0 * 3600.0 + 61.0);
    assert_eq!(sim.lines(), ["14400 ops/webhook[0] firing +A"]);
}

#[test]
fn an_acknowledged_alert_is_not_repeated_and_its_end_is_told() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(1.0);
    let fingerprint = labels("alertname=A service=x").fingerprint();
    assert!(sim.alerting.acknowledge(fingerprint, "me", "on it", sim.time()));
    sim.settle();
    sim.restart_after(1.0);
    assert_eq!(sim.alerting.alerts(sim.time())[0].ack.as_ref().unwrap().by, "me");
    sim.run_to(3000.0);
    assert_eq!(sim.lines(), ["0 ops/webhook[0] firing +A"]);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(3100.0);
    assert_eq!(sim.lines(), ["3060 ops/webhook[0] resolved -A"]);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(4000.0);
    assert_eq!(sim.lines().len(), 2, "an acknowledgement ends with its alert");
}

const ESCALATING: &str = "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, repeat_interval: 10h, escalation: [ { after: 15m, receiver: boss }, { after: 30m, receiver: all } ] }
receivers:
  - { name: ops, webhook_configs: [ {} ] }
  - { name: boss, email_configs: [ { send_resolved: true } ] }
  - { name: all, slack_configs: [ { send_resolved: true } ] }
";

#[test]
fn what_nobody_acknowledges_escalates_and_all_hear_the_end() {
    let mut sim = Sim::new(ESCALATING);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(1000.0);
    sim.restart_after(1.0);
    sim.run_to(4000.0);
    assert_eq!(
        sim.lines(),
        ["0 ops/webhook[0] firing +A", "900 boss/email[0] firing +A", "1800 all/slack[0] firing +A"]
    );
    assert_eq!(sim.sent[1].message.notes, ["Nobody has acknowledged this yet."]);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(4100.0);
    assert_eq!(sim.lines().len(), 3);
}

#[test]
fn what_is_acknowledged_does_not_escalate() {
    let mut sim = Sim::new(ESCALATING);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(100.0);
    sim.alerting.acknowledge(labels("alertname=A service=x").fingerprint(), "me", "", sim.time());
    sim.run_to(4000.0);
    assert_eq!(sim.lines(), ["0 ops/webhook[0] firing +A"]);
}

#[test]
fn dependants_are_quiet_and_named_with_the_root_cause() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [check], group_wait: 1s, group_interval: 1m }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
",
    );
    let causes = [("http/api", "database/main"), ("http/web", "database/main")];
    sim.alerting
        .set_dependency_silences(causes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
    sim.breaker("http/api", TransitionKind::Opened);
    sim.breaker("database/main", TransitionKind::Opened);
    sim.run_to(300.0);
    assert_eq!(sim.lines(), ["1 ops/webhook[0] firing +database/main open"]);
    assert_eq!(sim.sent[0].message.notes, ["Checks that depend on this are kept quiet: http/api, http/web."]);
    let annotations = &sim.sent[0].message.alerts[0].annotations;
    assert_eq!(
        (annotations.value("affected"), annotations.value("affected_count")),
        ("http/api, http/web", "2")
    );
    sim.alerting.set_dependency_silences(Default::default());
    sim.run_to(400.0);
    assert_eq!(sim.lines(), ["301 ops/webhook[0] firing +http/api open"]);
}

#[test]
fn a_root_cause_names_those_it_takes_along_later_and_no_more_than_twenty() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [check], group_wait: 10s, group_interval: 1m }
receivers: [ { name: ops, webhook_configs: [ { send_resolved: true } ] } ]
",
    );
    sim.breaker("database/main", TransitionKind::Opened);
    let causes = (10..60).map(|i| (format!("http/{i}"), "database/main".to_owned()));
    sim.alerting.set_dependency_silences(causes.collect());
    sim.run_to(60.0);
    let listed =
        |sim: &Sim, nth: usize| sim.sent[nth].message.alerts[0].annotations.value("affected").to_owned();
    assert!(listed(&sim, 0).starts_with("http/10, http/11, "), "{}", listed(&sim, 0));
    assert!(listed(&sim, 0).ends_with("http/29 and 30 more"), "{}", listed(&sim, 0));
    // Over at the moment at which its breaker closes: the message about the end says what it was about.
    sim.alerting.set_dependency_silences(Default::default());
    sim.breaker("database/main", TransitionKind::Closed);
    sim.run_to(200.0);
    assert_eq!(sim.lines().len(), 2, "{:?}", sim.lines());
    assert_eq!(listed(&sim, 1), listed(&sim, 0));
}

#[test]
fn a_notifier_is_not_told_of_its_own_breaker() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_wait: 0s }
receivers: [ { name: ops, webhook_configs: [ {} ], slack_configs: [ { send_resolved: true } ] } ]
",
    );
    let mut event = transition_event("ops/slack[0]", TransitionKind::Opened, sim.time());
    event.kind = "notifier".into();
    event.integration = Some("ops/slack[0]".into());
    sim.alerting.transition(&event, sim.time());
    sim.run_to(1.0);
    assert_eq!(sim.lines(), ["0 ops/webhook[0] firing +CircuitBreakerOpen open"]);
    let labels = &sim.sent[0].message.alerts[0].labels;
    assert_eq!((labels.value("kind"), labels.value("name")), ("notifier", "ops/slack[0]"));
}

#[test]
fn breakers_that_are_gone_end_their_alerts() {
    let mut sim = Sim::new(ONE);
    sim.breaker("http/a", TransitionKind::Opened);
    sim.breaker("http/b", TransitionKind::Opened);
    sim.run_to(10.0);
    sim.alerting.reconcile_breakers(|_, name| name == "http/b", sim.time());
    sim.run_to(100.0);
    assert_eq!(sim.lines().last().unwrap(), "60 ops/webhook[0] firing -http/a +http/b");
}
