//! Backup while running, restore, info, verify and export: what an operator does with the data directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::process::Command;

use breakwatch_sim::left_out;
use common::{Bench, program};

const CONFIG: &str = "
defaults: { interval: 500ms, timeout: 400ms }
checks: { memory: {}, load: {} }
store: { path: data, tick: 200ms }
";

#[test]
fn a_backup_of_the_running_daemon_becomes_another_one() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    daemon.wait("some history", |daemon| {
        daemon.query("count_over_time(probe_success{check=\"memory\"}[5m])").unwrap_or(0.0) >= 4.0
    });
    assert_eq!(daemon.post("/api/resilience/circuit-breakers/load/hold", r#"{"reason":"drill"}"#).0, 200);
    let url = daemon.url.clone();
    let args = ["backup", "copy", "--url", &url, "--token-file", "data/token"];
    let (code, stdout, stderr) = bench.run(&args);
    assert!(code == 0 && stdout.contains("files"), "{stdout}{stderr}");
    let (code, stdout, stderr) = bench.run(&["store", "info", "data"]);
    assert!(code == 0 && stdout.contains("total"), "{stdout}{stderr}");
    let (code, stdout, stderr) = bench.run(&["store", "verify", "data"]);
    assert_eq!(code, 0, "a store in use is sound: {stdout}{stderr}");
    daemon.kill();

    let (code, stdout, stderr) = bench.run(&["restore", "copy", "restored"]);
    assert!(code == 0, "{stdout}{stderr}");
    let (code, _, stderr) = bench.run(&["restore", "copy", "restored"]);
    assert!(code == 1, "a directory in use is not overwritten: {stderr}");
    bench.write("breakwatch.yml", &CONFIG.replace("path: data", "path: restored"));
    std::fs::copy(bench.path("data/token"), bench.path("restored/token")).unwrap();
    let daemon = bench.start();
    assert_eq!(daemon.json("/api/resilience/circuit-breakers/load")["data"]["held"], true);
    assert!(daemon.query("count_over_time(probe_success{check=\"memory\"}[5m])").unwrap() >= 4.0);
    daemon.stop();

    for command in ["info", "verify", "export"] {
        let (code, _, stderr) = bench.run(&["store", command, "mistyped"]);
        assert!(code == 1 && stderr.contains("mistyped"), "{command}: {stderr}");
        assert!(!bench.path("mistyped").exists(), "{command} makes nothing");
    }
    let args = ["store", "export", "restored", "--since", "1h", "--file", "samples.om"];
    let (code, _, stderr) = bench.run(&args);
    assert!(code == 0 && stderr.contains("samples exported"), "{stderr}");
    let text = std::fs::read_to_string(bench.path("samples.om")).unwrap();
    assert!(
        text.contains("probe_success{") && text.trim_end().ends_with("# EOF"),
        "{}",
        &text[..200.min(text.len())]
    );
    let Some(promtool) = program("promtool") else { return left_out("promtool (Debian package prometheus)") };
    let output = Command::new(promtool)
        .current_dir(bench.dir.path())
        .args(["tsdb", "create-blocks-from", "openmetrics", "samples.om", "blocks"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
