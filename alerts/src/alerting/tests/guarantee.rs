//! What was told is taken back, whatever keeps it quiet meanwhile; what was never told is not.

use breakwatch_plugin_api::TransitionKind;

use super::sim::Sim;
use crate::silence::{SilenceMatcher, SilenceRequest};
use crate::testing::at;

const ONE: &str = "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, repeat_interval: 10m }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
inhibit_rules: [ { source_matchers: [alertname=Root], target_matchers: [alertname!=Root], equal: [service] } ]
";

pub(super) fn silence(name: &str, value: &str, from: f64, to: f64) -> SilenceRequest {
    SilenceRequest {
        id: String::new(),
        matchers: vec![SilenceMatcher {
            name: name.into(),
            value: value.into(),
            is_regex: false,
            is_equal: true,
        }],
        starts_at: at(from),
        ends_at: at(to),
        created_by: "me".into(),
        comment: "why".into(),
        recurrence: None,
    }
}

#[test]
fn the_end_is_told_although_silenced() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(10.0);
    sim.alerting.set_silence(silence("alertname", "A", 10.0, 3600.0), sim.time()).unwrap();
    sim.post(&["alertname=A service=y"]);
    sim.run_to(1000.0);
    assert_eq!(
        sim.lines(),
        ["0 ops/webhook[0] firing +A"],
        "silenced: no repeat, and nothing of the new one"
    );
    sim.post(&["-alertname=A service=x", "-alertname=A service=y"]);
    sim.run_to(1100.0);
    assert_eq!(sim.lines(), ["1020 ops/webhook[0] resolved -A"]);
    assert_eq!(sim.sent[1].message.alerts[0].labels.value("service"), "x");
}

#[test]
fn the_end_is_told_although_silenced_and_the_rest_was_repeated_meanwhile() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x", "alertname=B service=x"]);
    sim.run_to(10.0);
    sim.alerting.set_silence(silence("alertname", "A", 10.0, 36_000.0), sim.time()).unwrap();
    sim.run_to(700.0);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(800.0);
    assert_eq!(
        sim.lines(),
        ["0 ops/webhook[0] firing +A +B", "600 ops/webhook[0] firing +B", "720 ops/webhook[0] firing -A +B",]
    );
}

#[test]
fn the_end_is_told_although_inhibited_or_muted_by_time() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(10.0);
    sim.post(&["alertname=Root service=x"]);
    sim.run_to(100.0);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(200.0);
    assert_eq!(
        sim.lines(),
        [
            "0 ops/webhook[0] firing +A",
            "60 ops/webhook[0] firing +Root",
            "120 ops/webhook[0] firing -A +Root"
        ]
    );

    let mut sim = Sim::new(
        "
route: { receiver: ops, group_wait: 0s, group_interval: 1m, routes: [ { receiver: ops, matchers: [alertname=A], mute_time_intervals: [noon] } ] }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
time_intervals: [ { name: noon, time_intervals: [ { times: [ { start_time: '00:05', end_time: '24:00' } ] } ] } ]
",
    );
    sim.post(&["alertname=A"]);
    sim.run_to(600.0);
    sim.post(&["-alertname=A"]);
    sim.run_to(700.0);
    assert_eq!(sim.lines(), ["0 ops/webhook[0] firing +A", "660 ops/webhook[0] resolved -A"]);
    sim.post(&["alertname=A"]);
    sim.run_to(3700.0);
    assert_eq!(sim.lines(), [""; 0]);
}

#[test]
fn rule_alerts_of_a_check_stay_quiet_while_its_breaker_is_open_and_shortly_after() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [check, alertname], group_wait: 0s, group_interval: 10s }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
",
    );
    sim.breaker("http/web", TransitionKind::Opened);
    let twin = "alertname=CircuitBreakerOpen check=http/web name=http/web kind=check severity=warning";
    sim.post(&["alertname=ProbeFailing check=http/web", "alertname=Other check=http/b", twin]);
    sim.run_to(60.0);
    sim.breaker("http/web", TransitionKind::Closed);
    sim.run_to(90.0);
    sim.post(&["-alertname=ProbeFailing check=http/web", &format!("-{twin}")]);
    sim.run_to(500.0);
    assert_eq!(
        sim.lines(),
        [
            "0 ops/webhook[0] firing +http/web open",
            "0 ops/webhook[0] firing +http/b",
            "60 ops/webhook[0] resolved -http/web closed",
        ]
    );
}

#[test]
fn the_lingering_quiet_survives_a_restart() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [check, alertname], group_wait: 0s, group_interval: 10s }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
",
    );
    sim.breaker("http/web", TransitionKind::Opened);
    sim.post(&["alertname=ProbeFailing check=http/web"]);
    sim.run_to(60.0);
    sim.breaker("http/web", TransitionKind::Closed);
    sim.run_to(61.0);
    sim.restart_after(5.0);
    sim.run_to(150.0);
    assert_eq!(sim.lines().len(), 2);
    sim.run_to(200.0);
    assert_eq!(
        sim.lines(),
        ["186 ops/webhook[0] firing +http/web"],
        "a rule that goes on firing is told at last"
    );
}

#[test]
fn a_reload_that_moves_an_alert_still_tells_its_end_where_it_was_told() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(10.0);
    sim.reload(
        "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, routes: [ { matchers: [service=x], receiver: other } ] }
receivers: [ { name: ops, webhook_configs: [ {} ] }, { name: other, slack_configs: [ { send_resolved: true } ] } ]
",
    );
    sim.run_to(300.0);
    sim.crash();
    sim.run_to(310.0);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(1000.0);
    let mut lines = sim.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "0 ops/webhook[0] firing +A",
            "10 other/slack[0] firing +A",
            "360 ops/webhook[0] resolved -A",
            "360 other/slack[0] resolved -A",
        ]
    );
    assert!(sim.store.tables.values().all(std::collections::BTreeMap::is_empty), "{:?}", sim.store.tables);
}

#[test]
fn a_reload_that_changes_nothing_repeats_nothing() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x", "alertname=B service=y"]);
    sim.run_to(10.0);
    assert_eq!(sim.lines().len(), 2);
    for _ in 0..10 {
        sim.reload(ONE);
        sim.run_to(sim.now + 7.0);
    }
    assert_eq!(sim.lines(), [""; 0]);
}

#[test]
fn a_rule_with_several_sources_holds_while_one_of_every_kind_fires() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [alertname, app], group_wait: 0s, group_interval: 10s }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
inhibit_rules:
  - target_matchers: [alertname=NoData]
    sources:
      - { matchers: [alertname=Down, app=parser], equal: [cluster] }
      - { matchers: [alertname=Down, app=writer], equal: [zone] }
",
    );
    let writer = "alertname=Down app=writer cluster=b zone=z";
    sim.post(&["alertname=Down app=parser cluster=a", writer]);
    sim.post(&["alertname=NoData cluster=a zone=z", "alertname=NoData cluster=b zone=z app=x"]);
    sim.run_to(20.0);
    let lines =
        |sim: &mut Sim| sim.lines().into_iter().filter(|line| line.contains("NoData")).collect::<Vec<_>>();
    assert_eq!(lines(&mut sim), ["0 ops/webhook[0] firing +NoData"], "no parser is down in cluster b");
    sim.post(&[&format!("-{writer}")]);
    sim.run_to(60.0);
    assert_eq!(lines(&mut sim), ["30 ops/webhook[0] firing +NoData"], "a source of one kind is not enough");
}
