//! Events and recovery by API and command line, from a real daemon, across a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use common::Bench;

/// A check that fails from the start, fast enough to open its breaker within seconds.
const CONFIG: &str = "\
defaults: { interval: 1s, timeout: 900ms, retries: 0 }
server: { listen: 127.0.0.1:0 }
store: { path: data }
checks:
  command/down: { argv: [/bin/false], breaker: { failure_threshold: 2, open_for: 1h } }
  command/up: { argv: [/bin/true] }
";

#[test]
fn what_happened_is_known_after_a_restart() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let opened = "/api/v1/events?type=circuit_opened&check=command/down&since=1h";
    let count = |answer: &serde_json::Value| answer["data"]["events"].as_array().map_or(0, Vec::len);
    daemon.wait("the opening", |daemon| count(&daemon.json(opened)) == 1);
    let event = daemon.json(opened)["data"]["events"][0].clone();
    assert_eq!((event["from"].as_str(), event["to"].as_str()), (Some("closed"), Some("open")));
    let per_step = daemon.json("/api/v1/events?type=circuit_opened&since=1h&step=10m");
    let total = per_step["data"]["counts"].as_array().expect("counts").iter();
    assert_eq!(total.filter_map(|count| count["total"].as_u64()).sum::<u64>(), 1);
    assert_eq!(daemon.get("/api/v1/events?type=nonsense").0, 400);
    assert_eq!(daemon.get("/api/v1/events?since=yesterday").0, 400);
    let summary = daemon.json("/api/resilience/dashboard/summary");
    assert_eq!(summary["data"]["circuit_breakers"]["open"].as_u64(), Some(1));
    let bulkhead = daemon.json("/api/resilience/bulkheads/kind/command");
    assert!(bulkhead["data"]["calls"].as_u64() >= Some(2), "{bulkhead}");
    assert_eq!(daemon.get("/api/resilience/bulkheads/kind/none").0, 404);
    assert_eq!(daemon.post("/api/resilience/bulkheads/kind/command/reset", "").0, 200);
    assert!(daemon.metric(r#"breakwatch_bulkhead_max_concurrent{name="kind/command"}"#) == Some(256.0));
    let (status, _) = daemon.stop();
    assert!(status.success());

    let daemon = bench.start();
    assert_eq!(count(&daemon.json(opened)), 1, "kept, and not told again");
    daemon.wait("a measurement", |daemon| {
        let figures =
            &daemon.json("/api/v1/recovery?check=command/up")["data"]["subjects"][0]["windows"]["1h"];
        figures["availability"].as_f64() == Some(1.0)
    });
    let report = daemon.json("/api/v1/recovery?check=command/down");
    let figures = &report["data"]["subjects"][0]["windows"]["1h"];
    assert_eq!((figures["episodes"].as_u64(), figures["recovered"].as_u64()), (Some(1), Some(0)));
    assert_eq!(figures["grade"].as_str(), Some("critical"));
    assert_eq!(daemon.get("/api/v1/recovery?check=command/none").0, 404);
    let labels = r#"{kind="check",name="command/down",window="24h"}"#;
    assert_eq!(daemon.metric(&format!("breakwatch_recovery_episodes{labels}")), Some(1.0));

    let (code, csv, error) = bench.run(&["report", "--url", &daemon.url, "--since", "1h", "--output", "csv"]);
    assert_eq!(code, 0, "{error}");
    assert!(csv.lines().any(|line| line.starts_with("command/down,check,")), "{csv}");
    let (code, list, error) = bench.run(&["events", "--url", &daemon.url, "--type", "daemon_started"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(list.lines().count(), 3, "a head and two starts: {list}");
}
