//! Breakers and bulkheads by API, from a real daemon: what is shown, what can be done, and who did it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;
mod hung;

use common::{Bench, Daemon};
use serde_json::{Value, json};

const BREAKERS: &str = "/api/resilience/circuit-breakers";
const BULKHEADS: &str = "/api/resilience/bulkheads";

/// A check that fails from the start, one that works, and an operator with a token of a name.
const CONFIG: &str = "\
defaults: { interval: 1s, timeout: 900ms }
server:
  enable_lifecycle: true
  auth:
    anonymous_read: true
    tokens: [{ name: night-shift, token: 0123456789abcdef, role: operate }]
store: { path: data }
bulkheads:
  kind/command: { max_concurrent: 7, max_queued: 3, queue_timeout: 500ms }
checks:
  command/down: { argv: [/bin/false], breaker: { failure_threshold: 2, open_for: 1h } }
  command/up: { argv: [/bin/true] }
";

fn operate(daemon: &Daemon, path: &str, body: &str) -> (u16, Value) {
    let (status, text) = daemon.post_with(path, &[("Authorization", "Bearer 0123456789abcdef")], body);
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn breaker(daemon: &Daemon, name: &str) -> Value {
    daemon.json(&format!("{BREAKERS}/{name}"))["data"].clone()
}

#[test]
fn breakers_are_shown_and_moved_and_it_is_written_down_by_whom() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    daemon.wait("the opening", |daemon| breaker(daemon, "command/down")["state"] == "open");

    let list = daemon.json(BREAKERS)["data"].clone();
    let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"command/down") && names.contains(&"command/up") && names.contains(&"store"));
    assert_eq!(daemon.get(&format!("{BREAKERS}/command/none")).0, 404);
    let health = daemon.json("/health/circuit-breakers");
    let down = &health["circuit_breakers"]["command/down"];
    assert_eq!((down["state"].as_str(), down["healthy"].as_bool()), (Some("open"), Some(false)), "{health}");
    assert!(down["failure_count"].as_u64() >= Some(2) && down["last_failure_time"].is_string(), "{down}");
    assert_eq!(down["configuration"]["failure_threshold"].as_u64(), Some(2));

    let act =
        |name: &str, action: &str, body: &str| operate(&daemon, &format!("{BREAKERS}/{name}/{action}"), body);
    for (name, action, body, state, held) in [
        ("command/up", "open", r#"{"reason":"drill"}"#, "open", false),
        ("command/up", "close", "", "closed", false),
        ("command/up", "hold", r#"{"reason":"moving house"}"#, "open", true),
        ("command/up", "release", "", "open", false),
        ("command/up", "hold", r#"{"state":"closed"}"#, "closed", true),
        ("command/up", "release", "", "closed", false),
        ("command/down", "reset", r#"{"reason":"fixed the disk"}"#, "closed", false),
    ] {
        let (status, answer) = act(name, action, body);
        assert_eq!(status, 200, "{action}: {answer}");
        let shown = &answer["data"];
        assert_eq!((shown["state"].as_str(), shown["held"].as_bool()), (Some(state), Some(held)), "{action}");
    }
    assert_eq!(act("command/up", "release", "").0, 409, "not held");
    assert_eq!(act("command/up", "explode", "").0, 404);
    assert_eq!(act("command/none", "reset", "").0, 404);
    assert_eq!(act("command/up", "hold", r#"{"state":"ajar"}"#).0, 400);
    assert_eq!(act("command/up", "reset", r#"{"why":"?"}"#).0, 400);
    assert_eq!(daemon.post_with(&format!("{BREAKERS}/command/up/open"), &[], "").0, 401);

    assert_eq!(daemon.get("/api/v1/audit").0, 401, "reasons are not for everybody");
    let (status, text) =
        daemon.get_with("/api/v1/audit?since=1h", &[("Authorization", "Bearer 0123456789abcdef")]);
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let entries = answer["data"]["entries"].as_array().unwrap();
    let written = |action: &str, subject: &str, reason: &str| {
        entries.iter().any(|entry| {
            entry["actor"] == "night-shift"
                && entry["action"] == action
                && entry["subject"] == subject
                && entry["reason"] == reason
                && entry["at"].is_string()
        })
    };
    assert!(written("breaker.open", "command/up", "drill"), "{text}");
    assert!(written("breaker.hold", "command/up", "moving house"), "{text}");
    assert!(written("breaker.reset", "command/down", "fixed the disk"), "{text}");
    assert!(!text.contains("0123456789abcdef"));
    // The daemon's own token has a name of its own.
    assert_eq!(daemon.post("/api/v1/checks/command/up/pause", r#"{"reason":"quiet"}"#).0, 200);
    let (_, text) = daemon.get_with("/api/v1/audit", &[("Authorization", "Bearer 0123456789abcdef")]);
    assert!(text.contains(r#""actor":"local token""#) && text.contains("quiet"), "{text}");
}

#[test]
fn bulkheads_have_the_configured_limits_and_follow_a_reload() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let one = |daemon: &Daemon| daemon.json(&format!("{BULKHEADS}/kind/command"))["data"].clone();
    daemon.wait("runs", |daemon| one(daemon)["calls"].as_u64() >= Some(2));
    let shown = one(&daemon);
    assert_eq!(
        (&shown["max_concurrent"], &shown["max_queued"], &shown["queue_timeout"]),
        (&json!(7), &json!(3), &json!(0.5))
    );
    let list = daemon.json(BULKHEADS)["data"].clone();
    let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["kind/command"], "{list}");
    assert_eq!(daemon.get(&format!("{BULKHEADS}/kind/none")).0, 404);
    for metric in [
        "active",
        "queued",
        "max_concurrent",
        "max_queued",
        "calls_total",
        "rejected_total",
        "timeouts_total",
    ] {
        let series = format!(r#"breakwatch_bulkhead_{metric}{{name="kind/command"}}"#);
        assert!(daemon.metric(&series).is_some(), "{series}");
    }
    let waits = r#"breakwatch_bulkhead_queue_duration_seconds_count{name="kind/command"}"#;
    assert!(daemon.metric(waits) >= Some(2.0));

    assert_eq!(
        operate(&daemon, &format!("{BULKHEADS}/kind/command/reset"), r#"{"reason":"new day"}"#).0,
        200
    );
    assert_eq!(operate(&daemon, &format!("{BULKHEADS}/kind/command/explode"), "").0, 404);
    assert_eq!(operate(&daemon, &format!("{BULKHEADS}/kind/none/reset"), "").0, 404);
    let summary = daemon.json("/api/resilience/dashboard/summary")["data"].clone();
    assert_eq!(summary["bulkheads"]["total"], 1);
    let statuses = summary["checks"].as_object().unwrap().values();
    assert_eq!(statuses.filter_map(Value::as_u64).sum::<u64>(), 2, "{summary}");

    let changed =
        CONFIG.replace("max_concurrent: 7, max_queued: 3, queue_timeout: 500ms", "max_concurrent: 2");
    bench.write("breakwatch.yml", &changed);
    assert_eq!(daemon.post("/-/reload", "").0, 200);
    let shown = one(&daemon);
    assert_eq!(
        (&shown["max_concurrent"], &shown["max_queued"], &shown["queue_timeout"]),
        (&json!(2), &json!(10_000), &Value::Null)
    );
    bench.write("breakwatch.yml", &changed.replace("max_concurrent: 2", "max_concurrent: 0"));
    let (status, text) = daemon.post("/-/reload", "");
    assert!(status == 500 && text.contains("bulkheads.kind/command.max_concurrent"), "{text}");
    assert_eq!(one(&daemon)["max_concurrent"], 2, "the old configuration stays in force");
}

#[test]
fn what_is_tried_again_and_what_falls_back_is_counted() {
    let targets = hung::Targets::start();
    let config = format!(
        "defaults: {{ interval: 1s, timeout: 900ms }}\n\
         store: {{ path: data }}\n\
         checks:\n  \
           command/down:\n    \
             {{ argv: [/bin/false], retries: 1, retry_interval: 100ms, breaker: {{ failure_threshold: 1 }} }}\n\
         exporters:\n  \
           otlp/main: {{ endpoint: 'http://127.0.0.1:1', retry_on_failure: {{ initial_interval: 100ms }} }}\n\
         alerting:\n  \
           route: {{ receiver: ops, group_wait: 0s }}\n  \
           receivers:\n    \
             - {{ name: ops, webhook_configs: [{{ url: 'http://127.0.0.1:1/' }}], fallback: mail, fallback_after: 0s }}\n    \
             - {{ name: mail, webhook_configs: [{{ url: 'http://127.0.0.1:{}/' }}] }}\n",
        targets.healthy
    );
    let bench = Bench::new(&config);
    let daemon = bench.start();
    for series in [
        r#"breakwatch_retries_total{kind="check",type="command"}"#,
        r#"breakwatch_retries_total{kind="notifier",type="webhook"}"#,
        r#"breakwatch_retries_total{kind="exporter",type="otlp"}"#,
        r#"breakwatch_fallbacks_total{kind="notifier",type="webhook"}"#,
    ] {
        daemon.wait(series, |daemon| daemon.metric(series) >= Some(1.0));
    }
    daemon.wait("the fallback's message", |_| !targets.take_arrivals().is_empty());
}
