//! How long alerting itself takes when 10,000 checks fail at once and every message is taken at once, in one group
//! and in a group each: `cargo run --release -p breakwatch-alerts --example storm`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, for people")]

use std::sync::Arc;
use std::time::Instant;

use breakwatch_alerts::{Alerting, Config, IntegrationKind, Restored, Settings, TransitionEvent};
use breakwatch_model::{Evidence, FailureReason, Impact, Labels, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Node, NodeKind, Place, Receipt, TransitionKind};

const CHECKS: usize = 10_000;

fn event(number: usize, transition: TransitionKind, at: Timestamp) -> TransitionEvent {
    TransitionEvent {
        name: format!("http/check-{number}"),
        kind: "check".to_owned(),
        check_type: "http".to_owned(),
        target: format!("https://host-{number}.example.org/health"),
        transition,
        at,
        impact: Impact::High,
        labels: Labels::from_pairs([("team", "a"), ("site", "b")]),
        reason: Some(FailureReason::Status),
        message: "expected 2xx, got 500".to_owned(),
        evidence: Evidence::default(),
        failures: 3,
        failure_rate: None,
        recovery_time: None,
        open_for: None,
        runbook_url: String::new(),
        dashboard_url: String::new(),
        integration: None,
    }
}

/// A mapping as a node; the configuration crate is not needed for these few keys.
fn map(entries: Vec<(&str, Node)>) -> Node {
    let key = |name: &str| breakwatch_plugin_api::Key { name: name.into(), place: Place::default() };
    let entries = entries.into_iter().map(|(name, node)| (key(name), node)).collect();
    Node { place: Place::default(), kind: NodeKind::Map(entries), sensitive: false }
}

fn text(text: &str) -> Node {
    let kind = NodeKind::Scalar { text: text.to_owned(), quoted: false };
    Node { place: Place::default(), kind, sensitive: false }
}

fn list(items: Vec<Node>) -> Node {
    Node { place: Place::default(), kind: NodeKind::List(items), sensitive: false }
}

fn config(group_by: &str) -> Arc<Config> {
    let route = map(vec![
        ("receiver", text("ops")),
        ("group_by", list(vec![text(group_by)])),
        ("group_wait", text("0s")),
    ]);
    let receiver = map(vec![("name", text("ops")), ("webhook_configs", list(vec![map(Vec::new())]))]);
    let node = map(vec![("route", route), ("receivers", list(vec![receiver]))]);
    let kinds = [IntegrationKind { kind: "webhook", section: "webhook_configs" }];
    Arc::new(Config::read(&node, &kinds, &Diagnostics::new()).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    for group_by in ["check", "alertname"] {
        let settings = Settings { seed: 1, ..Settings::default() };
        let start = Timestamp::from_secs(1_700_000_000);
        let mut alerting = Alerting::new(config(group_by), settings, Restored::default(), start);
        for (transition, seconds) in [(TransitionKind::Opened, 0), (TransitionKind::Closed, 600)] {
            let at = Timestamp::from_secs(1_700_000_000 + seconds);
            let begun = now();
            for number in 0..CHECKS {
                alerting.transition(&event(number, transition, at), at);
            }
            let taken = begun.elapsed();
            alerting.tick(at);
            let ticked = begun.elapsed();
            let bytes: usize = alerting.take_batch().ops.len();
            alerting.committed();
            let mut sent = 0;
            loop {
                let due = alerting.due_messages(at);
                if due.is_empty() {
                    break;
                }
                for due in due {
                    let message = alerting.start(&due.id, at).unwrap();
                    sent += 1;
                    alerting.finish(&message.id, Ok(Receipt::default()), at);
                }
                let _ = alerting.take_batch();
                alerting.committed();
                let _ = alerting.next_due();
            }
            println!(
                "group_by {group_by}, {}: {CHECKS} transitions {:.0} ms, tick {:.0} ms, {bytes} records, {sent} messages {:.0} ms",
                transition.as_str(),
                taken.as_secs_f64() * 1e3,
                (ticked - taken).as_secs_f64() * 1e3,
                (begun.elapsed() - ticked).as_secs_f64() * 1e3,
            );
        }
    }
}
