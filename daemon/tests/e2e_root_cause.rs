//! An outage with a root cause, through the real daemon: one message names the root and what it takes along, and the
//! API says the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use breakwatch_sim::receiver::{Answer, Receiver};
use common::{Bench, Daemon, PATIENCE};
use serde_json::Value;

fn config(url: &str, file: &str) -> String {
    format!(
        r#"
defaults: {{ interval: 1s, timeout: 900ms, breaker: {{ open_for: 1s, open_for_max: 1s }} }}
store: {{ path: data }}
checks:
  command/database: {{ argv: [test, -e, {file}] }}
  command/api: {{ argv: [test, -e, {file}], depends_on: [command/database] }}
  command/web: {{ argv: [test, -e, {file}], depends_on: [command/api] }}
alerting:
  route: {{ receiver: ops, group_by: [check], group_wait: 2s, group_interval: 1s }}
  receivers: [{{ name: ops, webhook_configs: [{{ url: "{url}", send_resolved: true }}] }}]
"#
    )
}

fn explain(daemon: &Daemon, check: &str) -> String {
    let lines = daemon.json(&format!("/api/v1/explain?label=check%3D%22{check}%22"))["data"]["lines"].clone();
    lines.as_array().unwrap().iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_names_the_root_cause_and_what_it_takes_along() {
    let ops = Receiver::start().await.unwrap();
    ops.always(Answer::text(200, "ok"));
    let bench = Bench::new("");
    let file = bench.path("alive");
    std::fs::write(&file, "").unwrap();
    bench.write("breakwatch.yml", &config(&ops.url("/"), &file.display().to_string()));
    let daemon = bench.start();
    let all = |daemon: &Daemon, status: &str| {
        let checks = daemon.json("/api/v1/checks");
        checks["data"].as_array().unwrap().iter().all(|check| check["status"] == status)
    };
    daemon.wait("all checks", |daemon| all(daemon, "healthy"));
    std::fs::remove_file(&file).unwrap();
    let told = ops.wait_for(1, PATIENCE).await.expect("a message");
    let breaker = |daemon: &Daemon, name: &str| {
        daemon.json(&format!("/api/v1/checks/{name}"))["data"]["breaker"].clone()
    };
    daemon.wait("every breaker", |daemon| {
        ["command/api", "command/web"].iter().all(|name| breaker(daemon, name) == "open")
    });
    let message = told[0].json();
    let alerts = message["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1, "{message}");
    assert_eq!(alerts[0]["labels"]["check"], "command/database");
    assert_eq!(alerts[0]["annotations"]["affected"], "command/api, command/web");
    assert_eq!(alerts[0]["annotations"]["affected_count"], "2");

    let root: Value = daemon.json("/api/v1/checks/command/database")["data"].clone();
    assert_eq!(root["affects"], serde_json::json!(["command/api", "command/web"]));
    assert_eq!(root["root_cause"], Value::Null);
    let web: Value = daemon.json("/api/v1/checks/command/web")["data"].clone();
    assert_eq!((&web["status"], &web["root_cause"]), (&"unhealthy".into(), &"command/database".into()));
    let why = explain(&daemon, "command/web");
    assert!(why.contains("command/web: the root cause is command/database"), "{why}");
    assert!(why.contains("is not told: command/database is the root cause"), "{why}");
    let why = explain(&daemon, "command/database");
    assert!(
        why.contains("is the root cause of 2 others, kept quiet for it: command/api, command/web"),
        "{why}"
    );

    std::fs::write(&file, "").unwrap();
    daemon.wait("recovery", |daemon| {
        ["database", "api", "web"].iter().all(|name| breaker(daemon, &format!("command/{name}")) == "closed")
    });
    ops.wait_for(2, PATIENCE).await.expect("the end");
    // Whatever was still held back has had its group's time and more.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let told: Vec<String> = ops
        .requests()
        .iter()
        .flat_map(|request| {
            let body = request.json();
            let alerts = body["alerts"].as_array().unwrap().clone();
            alerts.into_iter().map(|alert| format!("{} {}", alert["status"], alert["labels"]["check"]))
        })
        .collect();
    assert_eq!(told, [r#""firing" "command/database""#, r#""resolved" "command/database""#]);
}
