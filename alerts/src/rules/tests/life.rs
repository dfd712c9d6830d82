//! The life of an alert, and what a group writes.

use super::sim::Sim;
use crate::rules::{ActiveState, Health};
use crate::testing::at;

const DOWN: &str = "
groups:
  - name: g
    labels: { team: ops, tier: all }
    rules:
      - { alert: Down, expr: up == 0, for: 1m, labels: { severity: page, tier: one, where: '{{ $labels.job }}' }, annotations: { summary: '{{ $labels.job }} at {{ $externalLabels.site }}: {{ $value }}', bad: '{{ query }}{{ .Nope.x }}' } }
      - { record: job:down, expr: count by (job) (up == 0) }
      - { alert: Many, expr: 'job:down > 0' }
      - { alert: Meta, expr: 'ALERTS{alertname=\"Down\", alertstate=\"firing\"}' }
";

#[test]
fn pending_firing_over_and_what_others_see() {
    let mut sim = Sim::new(&DOWN.replace("bad: '{{ query }}{{ .Nope.x }}'", "bad: '{{ .Nope.x }}'"));
    sim.load("up{job=\"api\"} 1x3 0x20 1x30");
    sim.run(0.0, 60.0);
    assert_eq!(
        sim.states(),
        [
            r#"Down{job="api", severity="page", team="ops", tier="one", where="api"} pending"#,
            r#"Many{job="api", team="ops", tier="all"} firing"#
        ]
    );
    sim.run(90.0, 120.0);
    assert!(sim.states().iter().any(|state| state.starts_with("Meta")), "seen within the same evaluation");
    assert_eq!(
        sim.query("ALERTS{alertname=\"Down\"}", 130.0),
        [
            r#"ALERTS{alertname="Down", alertstate="firing", job="api", severity="page", team="ops", tier="one", where="api"} 1"#
        ]
    );
    let for_state = sim.query("ALERTS_FOR_STATE{alertname=\"Down\"} - 1704067200", 130.0);
    assert!(for_state[0].ends_with(" 60"), "{for_state:?}");
    let alert = sim.sent.iter().find(|(_, alert)| alert.name() == "Down").unwrap().1.clone();
    assert_eq!(alert.starts_at, at(120.0));
    assert_eq!(alert.ends_at, Some(at(120.0 + 240.0)));
    assert_eq!(alert.annotations.value("summary"), "api at a: 0");
    assert!(
        alert
            .annotations
            .value("bad")
            .starts_with("<error expanding template: error executing template __alert_Down:")
    );
    assert_eq!(alert.generator_url, "http://bw/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
    sim.run(150.0, 300.0);
    assert_eq!(sim.states(), [""; 0]);
    assert_eq!(sim.query("ALERTS", 301.0), [""; 0], "ended by a staleness marker");
    assert_eq!(sim.query("job:down", 301.0), [""; 0]);
    let lines: Vec<String> = sim.lines().into_iter().filter(|line| line.contains("Down")).collect();
    assert_eq!(lines, ["120 Down firing", "210 Down firing", "270 Down over"]);
    sim.run(330.0, 1500.0);
    let lines: Vec<String> = sim.lines().into_iter().filter(|line| line.contains("Down")).collect();
    assert_eq!(lines.first().unwrap(), "360 Down over");
    assert_eq!(lines.last().unwrap(), "1170 Down over", "for a quarter of an hour");
    assert!(sim.records.is_empty(), "{:?}", sim.records.keys());
}

#[test]
fn keep_firing_for_bridges_a_gap() {
    let mut sim = Sim::new(
        "
groups: [ { name: g, rules: [ { alert: A, expr: x > 0, keep_firing_for: 1m } ] } ]
",
    );
    sim.load("x 1x5 0x5 1x5 0x30");
    sim.run(0.0, 300.0);
    assert_eq!(sim.lines(), ["0 A firing", "90 A firing", "180 A firing", "240 A over"]);
}

#[test]
fn a_pending_alert_that_goes_away_is_never_sent() {
    let mut sim = Sim::new("groups: [ { name: g, rules: [ { alert: A, expr: x > 0, for: 2m } ] } ]");
    sim.load("x 1x11 0x5 1x5 0x30");
    sim.run(0.0, 600.0);
    assert_eq!(sim.lines(), [""; 0]);
    assert!(sim.records.is_empty());
}

#[test]
fn the_same_labels_twice_fail_the_rule_and_change_nothing() {
    let mut sim = Sim::new(
        "groups: [ { name: g, rules: [ { alert: A, expr: x > 0, labels: { i: '' } }, { record: r, expr: 'label_replace(x, \"__name__\", \"q\", \"\", \"\")', labels: { i: same } } ] } ]",
    );
    sim.load("x{i=\"1\"} 1x20");
    sim.run(0.0, 0.0);
    assert_eq!(sim.states(), ["A{} firing"]);
    sim.load("x{i=\"2\"} 1x20");
    let outcome = sim.evaluate(30.0);
    let errors: Vec<&str> = outcome.failures.iter().map(|failure| failure.error.as_str()).collect();
    assert_eq!(errors[0], "vector contains metrics with the same labelset after applying alert labels");
    assert_eq!(errors[1], "vector contains metrics with the same labelset after applying rule labels");
    assert_eq!(sim.states(), ["A{} firing"]);
    assert!(outcome.alerts.is_empty());
    let rules = sim.groups.iter().next().unwrap().rules();
    assert!(matches!(&rules[0].health, Health::Failed(error) if error.contains("same labelset")));
    assert_eq!(rules[0].last_evaluation, at(30.0));
}

#[test]
fn a_limit_drops_everything_of_its_rule() {
    let mut sim = Sim::new(
        "groups: [ { name: g, limit: 2, rules: [ { alert: A, expr: x > 0 }, { record: r, expr: x } ] } ]",
    );
    sim.load("x{i=\"1\"} 1x20");
    sim.load("x{i=\"2\"} 1x20");
    sim.run(0.0, 0.0);
    sim.load("x{i=\"3\"} 1x20");
    let outcome = sim.evaluate(30.0);
    let errors: Vec<&str> = outcome.failures.iter().map(|failure| failure.error.as_str()).collect();
    assert_eq!(errors, ["exceeded limit of 2 with 3 alerts", "exceeded limit of 2 with 3 series"]);
    assert_eq!(sim.states(), [""; 0]);
    assert!(sim.records.is_empty());
}

#[test]
fn an_offset_looks_back_and_writes_back() {
    let mut sim = Sim::new(
        "groups: [ { name: g, query_offset: 1m, rules: [ { record: r, expr: x } , { alert: A, expr: x == 6 } ] } ]",
    );
    sim.load("x 0+1x20");
    sim.evaluate(120.0);
    assert_eq!(sim.query("r", 120.0), ["r 6"]);
    assert_eq!(sim.query("timestamp(r) - 1704067200", 120.0), ["{} 60"]);
    assert_eq!(sim.sent[0].1.starts_at, at(120.0));
}

#[test]
fn the_state_of_a_rule_is_the_highest_of_its_alerts() {
    let mut sim = Sim::new("groups: [ { name: g, rules: [ { alert: A, expr: x > 0, for: 1m } ] } ]");
    sim.load("x{i=\"1\"} 1x20");
    sim.run(0.0, 30.0);
    sim.sample(60.0, "x{i=\"2\"}", 1.0);
    sim.evaluate(60.0);
    let rule = sim.groups.iter().next().unwrap().rules().remove(0).alerting.unwrap();
    assert_eq!((rule.state(), rule.alerts.len()), (ActiveState::Firing, 2));
}

#[test]
fn a_reload_keeps_states_and_ends_the_series_of_rules_that_are_gone() {
    let mut sim = Sim::new(
        "groups: [ { name: g, rules: [ { alert: A, expr: x > 0, for: 1m }, { record: r, expr: x }, { record: q, expr: x } ] }, { name: h, rules: [ { alert: B, expr: x > 0 } ] } ]",
    );
    sim.load("x 1x50");
    sim.run(0.0, 90.0);
    let ended = sim.reload(
        "groups: [ { name: g, rules: [ { record: r, expr: x }, { alert: A, expr: x > 0.5, for: 2m } ] } ]",
    );
    assert_eq!(ended.len(), 2, "ALERTS and ALERTS_FOR_STATE of the group that is gone");
    assert_eq!(sim.states(), ["A{} firing"]);
    sim.run(120.0, 120.0);
    assert_eq!(sim.query("{__name__=~\"r|q\"}", 121.0), ["r 1"]);
    assert!(sim.records.keys().all(|key| key.starts_with("rule/rules.yml\ng\nA")));
    assert!(sim.groups.firing_labels().contains(&crate::testing::labels("alertname=A")));
    assert!(!sim.groups.firing_labels().contains(&crate::testing::labels("alertname=B")));
}

#[test]
fn a_store_that_refuses_keeps_no_page_back() {
    let mut sim =
        Sim::new("groups: [ { name: g, rules: [ { alert: A, expr: x > 0 }, { record: r, expr: x } ] } ]");
    sim.load("x 1x50");
    sim.disk_full = true;
    let outcome = sim.evaluate(0.0);
    assert_eq!((outcome.alerts.len(), outcome.failures.len(), outcome.samples), (1, 2, 0));
    assert!(outcome.failures[0].error.contains("the disk is full"));
    sim.disk_full = false;
    let outcome = sim.evaluate(30.0);
    assert_eq!(outcome.failures, []);
    assert_eq!(sim.query("r", 30.0), ["r 1"]);
}
