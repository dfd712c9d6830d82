//! Quiet restarts: nobody hears of a SIGTERM and a new start, and no alert that fired has to wait for its `for` again.
//!
//! `BREAKWATCH_RESTARTS` sets the number of restarts (10 by default; the soak run takes 100).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test may be blunt"
)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use breakwatch_sim::receiver::{Answer, Receiver};
use common::{Bench, Daemon};
use serde_json::Value;

/// Rules that fire, and one whose time has not come.
const FIRING: [&str; 3] = ["AtOnce", "AfterEight", "AfterFifteen"];
const PENDING: &str = "AfterAnHour";

const RULES: &str = r#"
groups:
  - name: quiet
    interval: 1s
    rules:
      - { alert: AtOnce, expr: 'probe_http_status_code{check="http/web"} == 200' }
      - { alert: AfterEight, expr: 'probe_http_status_code{check="http/web"} == 200', for: 8s }
      - { alert: AfterFifteen, expr: 'probe_http_status_code{check="http/web"} == 200', for: 15s }
      - { alert: AfterAnHour, expr: 'probe_http_status_code{check="http/web"} == 200', for: 1h }
"#;

fn config(web: &str, broken: &str, hook: &str) -> String {
    format!(
        r#"
defaults: {{ interval: 1s, timeout: 900ms, retries: 0, breaker: {{ failure_threshold: 2, open_for: 2s, open_for_max: 4s }} }}
checks:
  http/web: {{ url: "{web}" }}
  http/broken: {{ url: "{broken}" }}
store: {{ path: data }}
rules: {{ files: [rules.yml] }}
alerting:
  route: {{ receiver: ops, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }}
  receivers: [{{ name: ops, webhook_configs: [{{ url: "{hook}", send_resolved: true }}] }}]
"#
    )
}

/// The state of each rule's alert, and since when it is active.
fn states(daemon: &Daemon) -> BTreeMap<String, (String, String)> {
    let answer = daemon.json("/api/v1/rules");
    let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
    let mine = groups.iter().find(|group| group["name"] == "quiet").cloned().unwrap_or_default();
    let rules = mine["rules"].as_array().cloned().unwrap_or_default();
    let state = |rule: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        let alert = &rule["alerts"][0];
        (text(&rule["name"]), (text(&alert["state"]), text(&alert["activeAt"])))
    };
    let mut states: BTreeMap<_, _> = rules.iter().map(state).collect();
    // The time in which nobody looked does not count for what has not fired yet, so its beginning moves with it.
    if let Some((_, active_at)) = states.get_mut(PENDING) {
        active_at.clear();
    }
    states
}

/// Messages by alert and status.
fn messages(hook: &Receiver) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for request in hook.requests() {
        let body = request.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        *counts.entry((text(&body["groupLabels"]["alertname"]), text(&body["status"]))).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_a_restart() {
    let rounds: usize = std::env::var("BREAKWATCH_RESTARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let (web, broken) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let hook = Receiver::start().await.unwrap();
    broken.always(Answer::text(500, "out of order"));
    let bench = Bench::new(&config(&web.url("/"), &broken.url("/"), &hook.url("/")));
    bench.write("rules.yml", RULES);
    let mut daemon = bench.start();
    let once = |status: &str| {
        let names = FIRING.iter().copied().chain(["CircuitBreakerOpen"]);
        names.map(|name| ((name.to_owned(), status.to_owned()), 1)).collect::<BTreeMap<_, usize>>()
    };
    daemon.wait("everything to be told", |_| messages(&hook) == once("firing"));
    let pending_samples = |daemon: &Daemon| {
        daemon.query(r#"sum(count_over_time(ALERTS{alertstate="pending",alertname=~"AtOnce|AfterEight|AfterFifteen"}[30m]))"#)
    };
    let before = (states(&daemon), pending_samples(&daemon));
    assert_eq!(before.0[PENDING].0, "pending");

    for round in 0..rounds {
        let (status, _) = daemon.stop();
        assert!(status.success());
        daemon = bench.start();
        // One evaluation and a little more: from the first answer on, nothing is otherwise than before.
        let end = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < end {
            assert_eq!(states(&daemon), before.0, "restart {round}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let firing = r#"count(ALERTS{alertstate="firing",alertname=~"AtOnce|AfterEight|AfterFifteen"} and (time() - timestamp(ALERTS) < 5))"#;
        daemon.wait("every alert to fire anew", |daemon| daemon.query(firing) == Some(3.0));
    }
    assert_eq!(messages(&hook), once("firing"), "after {rounds} restarts");
    assert_eq!(pending_samples(&daemon), before.1, "nothing that fired was pending again");

    // What is over now is told, once.
    web.always(Answer::text(204, ""));
    broken.always(Answer::text(200, "ok"));
    let mut all = once("firing");
    all.extend(once("resolved"));
    daemon.wait("every end to be told", |_| messages(&hook) == all);
    println!("{rounds} restarts, {} messages", hook.requests().len());
}
