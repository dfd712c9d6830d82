//! Everything fails at once: every group is told of once, and nobody is left out. How soon and at what cost is measured by
//! `cargo xtask bench pages`; a test on a busy machine can only ask whether.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use breakwatch_sim::receiver::{Answer, Receiver};
use common::Bench;
use serde_json::Value;

const CHECKS: usize = 1000;
const GROUPS: usize = 5;

fn config(target: &str, hook: &str) -> String {
    let check = |number| {
        let group = number % GROUPS;
        format!("  http/c{number}: {{ url: \"{target}/{number}\", labels: {{ cluster: \"k{group}\" }} }}\n")
    };
    let checks: String = (0..CHECKS).map(check).collect();
    format!(
        "
defaults: {{ interval: 10s, timeout: 8s, breaker: {{ failure_threshold: 1, failure_rate: off, open_for: 5m, open_for_max: 5m }} }}
checks:
{checks}rules: {{ shipped: false }}
store: {{ path: data }}
alerting:
  route: {{ receiver: hook, group_by: [cluster], group_wait: 30s, group_interval: 5m }}
  receivers: [{{ name: hook, webhook_configs: [{{ url: \"{hook}\" }}] }}]
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_failures_are_a_message_for_each_group() {
    let (target, hook) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let bench = Bench::new(&config(&target.url(""), &hook.url("/")));
    target.always(Answer::status(500));
    let daemon = bench.start();
    let told = || {
        let mut told: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
        for request in hook.requests() {
            let body: Value = request.json();
            let group = body["groupLabels"]["cluster"].as_str().unwrap().to_owned();
            let (messages, checks) = told.entry(group).or_default();
            *messages += 1;
            let alerts = body["alerts"].as_array().unwrap().iter();
            checks.extend(alerts.map(|alert| alert["labels"]["check"].as_str().unwrap().to_owned()));
        }
        told
    };
    let count = |told: &BTreeMap<String, (usize, BTreeSet<String>)>| -> usize {
        told.values().map(|(_, checks)| checks.len()).sum()
    };
    daemon.wait("word of every check", |_| count(&told()) == CHECKS);
    let told = told();
    assert_eq!(told.len(), GROUPS);
    assert!(told.values().all(|(messages, _)| *messages == 1), "{:?}", told.values().map(|(n, _)| n));
    daemon.wait("an empty outbox", |daemon| daemon.metric("breakwatch_outbox_entries") == Some(0.0));
}
