//! Grouping, waiting and repeating as Alertmanager does it.

use breakwatch_plugin_api::TransitionKind;

use super::sim::Sim;

const ONE: &str = "
route: { receiver: ops, group_by: [service], group_wait: 10s, group_interval: 1m, repeat_interval: 10m }
receivers: [ { name: ops, webhook_configs: [ { url: 'http://x' } ] } ]
";

#[test]
fn a_group_waits_then_tells_of_changes_then_repeats() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(5.0);
    sim.post(&["alertname=B service=x", "alertname=C service=y"]);
    sim.run_to(30.0);
    assert_eq!(sim.lines(), ["10 ops/webhook[0] firing +A +B", "15 ops/webhook[0] firing +C"]);
    sim.post(&["alertname=D service=x"]);
    sim.run_to(69.0);
    assert_eq!(sim.lines(), [""; 0]);
    sim.run_to(200.0);
    assert_eq!(sim.lines(), ["70 ops/webhook[0] firing +A +B +D"]);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(300.0);
    assert_eq!(sim.lines(), ["250 ops/webhook[0] firing -A +B +D"]);
    sim.run_to(1000.0);
    assert_eq!(sim.lines(), ["615 ops/webhook[0] firing +C", "850 ops/webhook[0] firing +B +D"]);
    sim.post(&["-alertname=B service=x", "-alertname=D service=x", "-alertname=C service=y"]);
    sim.run_to(10_000.0);
    assert_eq!(sim.lines(), ["1030 ops/webhook[0] resolved -B -D", "1035 ops/webhook[0] resolved -C"]);
    assert!(sim.store.tables.values().all(std::collections::BTreeMap::is_empty), "{:?}", sim.store.tables);
}

#[test]
fn what_fires_and_ends_within_the_wait_is_not_told() {
    let mut sim = Sim::new(ONE);
    sim.post(&["alertname=A service=x"]);
    sim.run_to(5.0);
    sim.post(&["-alertname=A service=x"]);
    sim.run_to(5000.0);
    assert_eq!(sim.lines(), [""; 0]);
}

#[test]
fn an_alert_without_an_end_is_believed_for_a_while() {
    let mut sim = Sim::new(&format!("global: {{ resolve_timeout: 2m }}\n{ONE}"));
    let posted =
        crate::PostedAlert { labels: crate::testing::labels("alertname=A service=x"), ..Default::default() };
    sim.alerting.receive(vec![posted.clone()], sim.time()).unwrap();
    sim.run_to(100.0);
    sim.alerting.receive(vec![posted], sim.time()).unwrap();
    sim.run_to(600.0);
    assert_eq!(sim.lines(), ["10 ops/webhook[0] firing +A", "250 ops/webhook[0] resolved -A"]);
}

#[test]
fn an_old_alert_does_not_wait_again() {
    let mut sim = Sim::new(ONE);
    sim.run_to(100.0);
    let posted = crate::PostedAlert {
        labels: crate::testing::labels("alertname=A service=x"),
        starts_at: Some(crate::testing::at(0.0)),
        ..Default::default()
    };
    sim.alerting.receive(vec![posted], sim.time()).unwrap();
    sim.run_to(101.0);
    assert_eq!(sim.lines(), ["100 ops/webhook[0] firing +A"]);
}

#[test]
fn a_tree_routes_to_several_receivers() {
    let mut sim = Sim::new(
        "
route:
  receiver: rest
  group_wait: 0s
  routes:
    - { matchers: ['severity=\"page\"'], receiver: pager, continue: true }
    - match_re: { team: 'db|web' }
      receiver: team
      group_by: ['...']
      routes: [ { match: { team: db }, receiver: dba } ]
receivers:
  - { name: rest, webhook_configs: [ { url: 'http://x' } ] }
  - { name: pager, pagerduty_configs: [ { routing_key: k } ] }
  - { name: team, webhook_configs: [ { url: 'http://x' } ] }
  - { name: dba, webhook_configs: [ { url: 'http://x' } ] }
",
    );
    sim.post(&["alertname=A severity=page team=db", "alertname=B team=web", "alertname=C"]);
    sim.run_to(1.0);
    let mut lines = sim.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "0 dba/webhook[0] firing +A",
            "0 pager/pagerduty[0] firing +A",
            "0 rest/webhook[0] firing +C",
            "0 team/webhook[0] firing +B",
        ]
    );
    let key =
        |to: &str| sim.sent.iter().find(|sent| sent.to.starts_with(to)).unwrap().message.group_key.clone();
    assert_eq!(key("pager"), "{}/{severity=\"page\"}:{}");
    assert_eq!(
        key("dba"),
        "{}/{team=~\"db|web\"}/{team=\"db\"}:{alertname=\"A\", severity=\"page\", team=\"db\"}"
    );
}

#[test]
fn a_receiver_that_does_not_want_ends_gets_none() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_wait: 0s, group_interval: 1m }
receivers: [ { name: ops, slack_configs: [ {} ], webhook_configs: [ { send_resolved: false } ], email_configs: [ { send_resolved: true } ] } ]
",
    );
    sim.post(&["alertname=A", "alertname=B"]);
    sim.run_to(10.0);
    assert_eq!(sim.lines().len(), 3);
    sim.post(&["-alertname=A"]);
    sim.run_to(70.0);
    assert_eq!(sim.lines(), ["60 ops/email[0] firing -A +B"]);
    sim.post(&["-alertname=B"]);
    sim.run_to(130.0);
    assert_eq!(sim.lines(), ["120 ops/email[0] resolved -B"]);
    sim.post(&["alertname=A"]);
    sim.run_to(200.0);
    assert_eq!(sim.lines().len(), 3, "after its end it is news again for everybody");
}

#[test]
fn a_breaker_is_told_at_once_and_its_end_too() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [check], group_wait: 0s, group_interval: 5m }
receivers:
  - { name: ops, webhook_configs: [ {} ], transitions: [open, closed, half_open, reopen], slack_configs: [ { transitions: [open, closed], send_resolved: true } ] }
",
    );
    sim.breaker("http/web", TransitionKind::Opened);
    sim.run_to(400.0);
    sim.breaker("http/web", TransitionKind::HalfOpen);
    sim.breaker("http/web", TransitionKind::Reopened);
    sim.run_to(401.0);
    sim.breaker("http/web", TransitionKind::HalfOpen);
    sim.breaker("http/web", TransitionKind::Closed);
    sim.run_to(402.0);
    let all = sim.lines();
    let to = |name: &str| all.iter().filter(|line| line.contains(name)).cloned().collect::<Vec<_>>();
    assert_eq!(
        to("webhook"),
        [
            "0 ops/webhook[0] firing +http/web open",
            "400 ops/webhook[0] firing +http/web half_open",
            "400 ops/webhook[0] firing +http/web reopen",
            "401 ops/webhook[0] firing +http/web half_open",
            "401 ops/webhook[0] resolved -http/web closed",
        ]
    );
    assert_eq!(
        to("slack"),
        ["0 ops/slack[0] firing +http/web open", "401 ops/slack[0] resolved -http/web closed"]
    );
    let alert = &sim.sent.last().unwrap().message.alerts[0];
    assert_eq!(
        alert.labels.to_string(),
        r#"{alertname="CircuitBreakerOpen", check="http/web", severity="warning", target="https://example.org/", type="http"}"#
    );
    assert_eq!(alert.annotations.value("reason"), "status");
}

#[test]
fn many_checks_failing_together_are_one_message_per_group() {
    let mut sim = Sim::new(
        "
route: { receiver: ops, group_by: [alertname], group_wait: 1s, group_interval: 5m }
receivers: [ { name: ops, webhook_configs: [ {} ] } ]
",
    );
    for i in 0..2000 {
        let event = super::sim::transition_event(&format!("http/{i}"), TransitionKind::Opened, sim.time());
        sim.alerting.transition(&event, sim.time());
    }
    sim.run_to(2.0);
    assert_eq!(sim.sent.len(), 1);
    assert_eq!(sim.sent[0].message.alerts.len(), 2000);
}
