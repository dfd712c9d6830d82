//! What operators filter the log for: a breaker's way, event by event, under the component `circuit_breaker`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::collections::HashMap;

use common::{Bench, Daemon};

/// Healthy while the file `up` is there; open for a moment after two failures.
const CONFIG: &str = "\
store: { path: data }
checks:
  command/switch:
    argv: [/usr/bin/test, -f, up]
    cwd: .
    interval: 300ms
    timeout: 300ms
    probe_when_open: fast
    breaker: { failure_threshold: 2, success_threshold: 2, open_for: 400ms, open_for_max: 400ms }
";

type Event = HashMap<String, String>;

/// The events of the check's breaker so far, from the log in logfmt.
fn events(daemon: &Daemon) -> Vec<Event> {
    let pair = |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let parsed =
        daemon.log().lines().map(|line| line.split(' ').filter_map(pair).collect()).collect::<Vec<Event>>();
    parsed
        .into_iter()
        .filter(|event| event.get("component").is_some_and(|name| name == "command/switch"))
        .collect()
}

fn has(daemon: &Daemon, name: &str) -> bool {
    events(daemon).iter().any(|event| event["msg"] == name)
}

#[test]
fn a_breakers_way_can_be_read_from_the_log() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    daemon.wait("the opening", |daemon| has(daemon, "circuit_opened"));
    daemon.wait("a probe that fails", |daemon| has(daemon, "circuit_reopened"));
    bench.write("up", "");
    daemon.wait("the closing", |daemon| has(daemon, "circuit_closed"));
    let events = events(&daemon);
    for (name, level, from, to) in [
        ("circuit_opened", "warn", "closed", "open"),
        ("circuit_half_open", "info", "open", "half_open"),
        ("circuit_reopened", "info", "half_open", "open"),
        ("circuit_closed", "info", "half_open", "closed"),
        ("circuit_state_change", "info", "closed", "open"),
    ] {
        let event = events.iter().find(|event| event["msg"] == name).expect(name);
        assert_eq!(event["target"], "circuit_breaker", "{event:?}");
        let said = ["level", "old_state", "new_state"].map(|key| event[key].as_str());
        assert_eq!(said, [level, from, to], "{event:?}");
    }
    let opened = events.iter().find(|event| event["msg"] == "circuit_opened").unwrap();
    assert_eq!((&*opened["failure_count"], &*opened["reason"]), ("2", "consecutive_failures"));
    let closed = events.iter().find(|event| event["msg"] == "circuit_closed").unwrap();
    assert_eq!(closed["success_count"], "2", "{closed:?}");
    let changes = events.iter().filter(|event| event["msg"] == "circuit_state_change").count();
    assert_eq!(changes * 2, events.len(), "every event has its companion: {events:#?}");
}
