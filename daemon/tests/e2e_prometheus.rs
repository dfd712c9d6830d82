//! The daemon before Debian's Prometheus, promtool and systemd's own judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::process::Command;
use std::time::Duration;

use breakwatch_sim::left_out;
use breakwatch_sim::servers::free_port;
use common::{Bench, PATIENCE, program, request, ureq, workspace};

const CONFIG: &str = "
defaults: { interval: 1s, timeout: 1s }
checks: { memory: {}, cpu: {}, load: {}, disk: {} }
store: { path: data }
";

#[test]
fn promtool_finds_nothing_to_complain_about_in_metrics() {
    let Some(promtool) = program("promtool") else { return left_out("promtool (Debian package prometheus)") };
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    daemon.wait("results of every check", |daemon| daemon.json("/health")["overall"] != "unknown");
    let (status, body) = daemon.get("/metrics");
    assert_eq!(status, 200);
    bench.write("metrics.txt", &body);
    let file = std::fs::File::open(bench.path("metrics.txt")).unwrap();
    let output = Command::new(promtool).args(["check", "metrics"]).stdin(file).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn promtool_accepts_the_shipped_rules() {
    let Some(promtool) = program("promtool") else { return left_out("promtool (Debian package prometheus)") };
    let rules = workspace().join("alerts/rules");
    let files: Vec<_> = std::fs::read_dir(&rules)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    let output = Command::new(&promtool).args(["check", "rules"]).args(&files).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let tests: Vec<_> = std::fs::read_dir(rules.join("tests")).unwrap().map(|e| e.unwrap().path()).collect();
    let output = Command::new(promtool).args(["test", "rules"]).args(&tests).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn a_real_prometheus_scrapes_the_daemon() {
    let Some(prometheus) = program("prometheus") else { return left_out("prometheus (Debian package)") };
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let target = daemon.url.trim_start_matches("http://");
    bench.write(
        "prometheus.yml",
        &format!("scrape_configs: [{{ job_name: breakwatch, scrape_interval: 1s, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n"),
    );
    let port = free_port();
    let mut child = Command::new(prometheus)
        .current_dir(bench.dir.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=prom", "--log.level=error"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .spawn()
        .unwrap();
    let ask = |expr: &str| -> Option<f64> {
        let query: String = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect();
        let (_, body) =
            request(ureq("GET", &format!("http://127.0.0.1:{port}/api/v1/query?query={query}"), &[], None));
        let body: serde_json::Value = serde_json::from_str(&body).ok()?;
        body["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    };
    let pause = Duration::from_millis(100);
    let mut seen = None;
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        seen = ask("count(probe_success == 1) and on() up == 1 and on() scrape_samples_scraped > 100");
        if seen.is_some_and(|count| count >= 3.0) {
            break;
        }
        std::thread::park_timeout(pause);
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(seen.is_some_and(|count| count >= 3.0), "{seen:?}");
}

#[test]
fn systemd_finds_the_unit_sound_and_well_confined() {
    let Some(analyze) = program("systemd-analyze") else {
        return left_out("systemd-analyze (Debian package systemd)");
    };
    let dir = tempfile::tempdir().unwrap();
    // `verify` wants the program it starts to exist.
    let unit = std::fs::read_to_string(workspace().join("systemd/breakwatch.service")).unwrap();
    let here = unit.replace("/usr/bin/breakwatch", env!("CARGO_BIN_EXE_breakwatch"));
    let path = dir.path().join("breakwatch.service");
    std::fs::write(&path, here).unwrap();
    let verify = Command::new(&analyze).args(["verify", "--man=no"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&verify.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("breakwatch.service")).collect();
    assert!(verify.status.success() && ours.is_empty(), "{said}");
    let security = Command::new(analyze).args(["security", "--offline=true"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&security.stdout);
    let line = said.lines().find(|line| line.contains("Overall exposure level")).unwrap_or("").to_owned();
    let score: f64 =
        line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!(score <= 2.0, "{line}");
}
