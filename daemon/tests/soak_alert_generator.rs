//! The scenarios of the alert generator compliance suite against the real daemon, in real time: samples by remote write,
//! states by the API every five seconds, messages at a webhook. Takes the three quarters of an hour the scenarios take.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may be blunt"
)]
#![expect(clippy::disallowed_methods, reason = "this one is about real time")]

mod common;
mod remote;

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use breakwatch_alerts::conformance::{LiveCases, Seen};
use breakwatch_alerts::rules::ActiveState;
use breakwatch_model::Labels;
use breakwatch_sim::conformance;
use breakwatch_sim::receiver::Receiver;
use breakwatch_sim::remote_write::{Series, encode};
use common::{Bench, Daemon};
use remote::{token, write};
use serde_json::Value;

/// How often the suite looks at the alerts.
const POLL: Duration = Duration::from_secs(5);

fn millis() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn labels(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap()
}

/// The alerts of rules as `/api/v1/alerts` shows them.
fn shown(daemon: &Daemon) -> HashMap<Labels, Seen> {
    let answer = daemon.json("/api/v1/alerts");
    let alerts = answer["data"]["alerts"].as_array().unwrap().iter().map(|alert| {
        let state = match alert["state"].as_str().unwrap() {
            "firing" => ActiveState::Firing,
            _ => ActiveState::Pending,
        };
        let value = alert["value"].as_str().unwrap().parse().unwrap();
        (labels(&alert["labels"]), Seen { state, value })
    });
    alerts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 45 minutes: scripts/soak runs it"]
async fn alert_generator_scenarios_in_real_time() {
    let Some(path) = conformance("alert-generator-cases.json") else { return };
    let cases = LiveCases::read(&std::fs::read_to_string(path).unwrap()).unwrap();
    let receiver = Receiver::start().await.unwrap();
    let url = receiver.url("/hook");
    let bench = Bench::new(&format!(
        "checks: {{ memory: {{ interval: 1h }} }}\nstore: {{ path: data }}\nrules: {{ shipped: false, files: [rules.yml] }}\n\
         alerting:\n  route: {{ receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1m }}\n  \
         receivers: [{{ name: hook, webhook_configs: [{{ url: '{url}' }}] }}]\n"
    ));
    bench.write("rules.yml", &cases.rule_file());
    let done = tokio::task::spawn_blocking(move || play(&cases, &bench, &receiver));
    let wrong = done.await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn play(cases: &LiveCases, bench: &Bench, receiver: &Receiver) -> Vec<String> {
    let daemon = bench.start();
    let (token, begun) = (token(bench), millis());
    let interval = i64::try_from(cases.interval().as_millis()).unwrap();
    let length = i64::try_from(cases.length().as_millis()).unwrap();
    let (mut written, mut seen, mut wrong, mut sent) = (0, 0, Vec::new(), Vec::new());
    while millis() - begun < length {
        while begun + written * interval <= millis() {
            let samples = cases.samples(usize::try_from(written).unwrap());
            let at = begun + written * interval;
            let series: Vec<Series> = samples
                .into_iter()
                .map(|(labels, value)| Series::new(labels.iter(), [(at, value)]))
                .collect();
            if !series.is_empty() {
                assert_eq!(write(&daemon.url, Some(&token), &encode(&series, &[])).0, 204);
            }
            written += 1;
        }
        let at = (millis() - begun) as f64 / 1e3;
        for message in receiver.requests().iter().skip(seen) {
            seen += 1;
            let message: Value = serde_json::from_slice(&message.body).unwrap();
            let alerts = message["alerts"].as_array().unwrap();
            sent.extend(
                alerts.iter().map(|alert| (at, labels(&alert["labels"]), alert["status"] == "firing")),
            );
        }
        let found = cases.judge(at, &shown(&daemon));
        found.iter().for_each(|finding| println!("{finding}"));
        wrong.extend(found);
        let next_sample = begun + written * interval - millis();
        std::thread::sleep(POLL.min(Duration::from_millis(u64::try_from(next_sample).unwrap_or(0))));
    }
    println!("{} samples, {} alerts sent", written, sent.len());
    wrong.extend(cases.judge_messages(&sent));
    wrong
}
