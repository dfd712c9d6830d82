//! Pausing checks: by a schedule, by a person, across restarts and reloads of a real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use common::{Bench, Daemon};
use serde_json::Value;

/// A window that is open the whole month, one that never is, and one for everything with a label.
const CONFIG: &str = "\
defaults: { interval: 1s, timeout: 900ms }
server: { enable_lifecycle: true }
store: { path: data }
checks:
  command/always: { argv: [/bin/true], pause: [{ schedule: '@monthly', duration: 31d, location: Europe/Berlin }] }
  command/never: { argv: [/bin/true], pause: [{ schedule: 0 0 30 2 *, duration: 1h }] }
  command/labelled: { argv: [/bin/true], labels: { site: old } }
  command/off: { argv: [/bin/true], paused: true }
alerting:
  route: { receiver: none }
  receivers: [{ name: none }]
  maintenance:
    - { name: move, matchers: [site=old], schedule: '@monthly', duration: 31d, pause_checks: true }
    - { name: quiet, matchers: ['check=~\".+\"'], schedule: '@monthly', duration: 31d }
";

fn check(daemon: &Daemon, name: &str) -> Value {
    daemon.json(&format!("/api/v1/checks/command/{name}"))["data"].clone()
}

/// Who paused a check: nothing if nobody did.
fn by(daemon: &Daemon, name: &str) -> String {
    check(daemon, name)["paused_by"]["by"].as_str().unwrap_or_default().to_owned()
}

fn everybody(daemon: &Daemon) -> [String; 4] {
    ["always", "never", "labelled", "off"].map(|name| by(daemon, name))
}

#[test]
fn pauses_hold_across_restarts_and_follow_the_configuration() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    daemon.wait("a result", |daemon| check(daemon, "never")["status"] == "healthy");
    assert_eq!(everybody(&daemon), ["schedule", "", "schedule", "user"]);
    let always = check(&daemon, "always");
    assert_eq!((always["status"].as_str(), always["paused"].as_bool()), (Some("unknown"), Some(true)));
    assert!(always["last"].is_null(), "it was never looked at: {always}");
    assert_eq!(always["paused_by"]["window"], "@monthly for 31d Europe/Berlin");
    assert!(always["paused_by"]["until"].is_string());
    assert_eq!(daemon.metric(r#"breakwatch_checks_paused{by="schedule"}"#), Some(2.0));
    assert_eq!(daemon.metric(r#"breakwatch_checks_paused{by="user"}"#), Some(1.0));

    let url = ["--url", &daemon.url, "--token-file", "data/token"];
    for (action, name) in
        [("pause", "command/never"), ("resume", "command/off"), ("resume", "command/labelled")]
    {
        let (code, _, error) = bench.run(&[&["check", action, name][..], &url].concat());
        assert_eq!(code, 0, "{error}");
    }
    daemon.wait("what was resumed", |daemon| {
        ["off", "labelled"].iter().all(|name| check(daemon, name)["status"] == "healthy")
    });
    assert_eq!(everybody(&daemon), ["schedule", "user", "", ""]);
    let (status, _) = daemon.stop();
    assert!(status.success());

    let daemon = bench.start();
    daemon.wait("what was resumed", |daemon| {
        ["off", "labelled"].iter().all(|name| check(daemon, name)["status"] == "healthy")
    });
    assert_eq!(everybody(&daemon), ["schedule", "user", "", ""]);

    // The configuration takes its windows back, and says of one check the opposite of before.
    let changed = CONFIG.replace(", pause_checks: true", "").replace(", paused: true", "");
    let changed = changed
        .replace("schedule: '@monthly', duration: 31d, loc", "schedule: 0 0 30 2 *, duration: 2h, loc");
    bench.write("breakwatch.yml", &changed);
    assert_eq!(daemon.post("/-/reload", "").0, 200);
    daemon.wait("the reload", |daemon| everybody(daemon) == ["", "user", "", ""]);
    daemon.wait("a result", |daemon| check(daemon, "always")["status"] == "healthy");
    bench.write("breakwatch.yml", &changed.replace("command/off: { ", "command/off: { paused: true, "));
    assert_eq!(daemon.post("/-/reload", "").0, 200);
    daemon.wait("the reload", |daemon| everybody(daemon) == ["", "user", "", "user"]);
}

#[test]
fn wrong_windows_are_refused_at_their_place() {
    let wrong = "\
store: { path: data }
checks:
  command/a:
    argv: [/bin/true]
    pause:
      - { schedule: 0 25 * * *, duration: 1h }
      - { schedule: 0 2 * * *, duration: 40d }
      - { schedule: 0 2 * * *, location: Europe/Berln, duration: 1h }
      - { scedule: 0 2 * * *, duration: 1h }
      - nightly
";
    let bench = Bench::new(wrong);
    let (code, _, error) = bench.run(&["validate", "--config", "breakwatch.yml"]);
    assert_eq!(code, 78, "{error}");
    for expected in [
        "breakwatch.yml:6:21: checks.command/a.pause[0].schedule: expected a schedule field from 0 to 23",
        "breakwatch.yml:7:42: checks.command/a.pause[1].duration: expected a duration of more than nothing",
        "breakwatch.yml:8:42: checks.command/a.pause[2].location: ",
        "did you mean `schedule`?",
        "breakwatch.yml:10:9: checks.command/a.pause[4]: expected a mapping",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
}
