//! Start, reload, stop, refusal: the binary as an operator meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::time::Duration;

use common::Bench;

const CONFIG: &str = "
defaults: { interval: 1s, timeout: 1s }
checks:
  memory: {}
  load: {}
store: { path: data }
server: { enable_lifecycle: true }
";

#[test]
fn starts_serves_and_stops_within_ten_seconds() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    daemon.wait("a first result", |daemon| {
        daemon.metric(r#"probe_success{check="memory",target="memory",type="memory"}"#) == Some(1.0)
    });
    assert_eq!(daemon.get("/-/healthy").0, 200);
    assert_eq!(daemon.json("/health")["overall"], "healthy");
    assert_eq!(daemon.json("/health/circuit-breakers")["total"], 3, "two checks and the store");
    let (status, page) = daemon.get("/");
    assert!(status == 200 && page.contains("memory") && page.contains("Everything works"), "{page}");
    assert_eq!(
        daemon.metric(r#"breakwatch_breaker_state{kind="check",name="load",state="closed"}"#),
        Some(1.0)
    );
    daemon.wait("a stored sample", |daemon| daemon.query("probe_success{check=\"memory\"}") == Some(1.0));
    let (status, took) = daemon.stop();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_reload_keeps_what_has_not_changed_and_refuses_what_is_wrong() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let runs =
        r#"breakwatch_check_runs_total{check="memory",status="healthy",target="memory",type="memory"}"#;
    daemon.wait("some runs", |daemon| daemon.metric(runs).unwrap_or(0.0) >= 2.0);
    let before = daemon.metric(runs).unwrap();

    bench.write("breakwatch.yml", &CONFIG.replace("load: {}", "lode: {}"));
    daemon.signal("HUP");
    daemon
        .wait("the refusal", |daemon| daemon.metric("breakwatch_config_last_reload_successful") == Some(0.0));
    assert!(daemon.log().contains("breakwatch.yml:5:3"), "{}", daemon.log());
    assert!(daemon.get("/api/v1/checks/load").0 == 200, "the old configuration must stay in force");
    let (status, body) = daemon.post("/-/reload", "");
    assert!(status == 500 && body.contains("lode"), "{status} {body}");

    bench.write("breakwatch.yml", &CONFIG.replace("load: {}", "cpu: {}"));
    assert_eq!(daemon.post("/-/reload", "").0, 200);
    assert_eq!(daemon.metric("breakwatch_config_last_reload_successful"), Some(1.0));
    assert_eq!(daemon.get("/api/v1/checks/load").0, 404);
    assert_eq!(daemon.get("/api/v1/checks/cpu").0, 200);
    assert!(daemon.metric(runs).unwrap() >= before, "an unchanged check must keep its counts");
}

#[test]
fn tls_is_spoken_where_it_is_configured() {
    let identity = breakwatch_sim::TestIdentity::loopback().unwrap();
    let tls = "tls: { cert_file: server.crt, key_file: server.key }";
    let bench = Bench::new(&CONFIG.replace("enable_lifecycle: true", tls));
    bench.write("server.crt", &identity.certificate_pem);
    bench.write("server.key", &identity.key_pem);
    let daemon = bench.start();
    assert!(daemon.url.starts_with("https://"), "{}", daemon.url);
    assert_eq!(daemon.get("/-/ready").0, 200);
    let (status, _) = common::request(common::ureq("GET", &daemon.url.replace("https", "http"), &[], None));
    assert_eq!(status, 0, "plain HTTP on a TLS port must not be answered");
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused() {
    let bench = Bench::new(CONFIG);
    let _daemon = bench.start();
    let log = bench.try_start().err().expect("the second daemon must not start");
    assert!(log.contains("data directory") && log.contains("another"), "{log}");
}

#[test]
fn changing_anything_needs_the_token() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let reset = "/api/resilience/circuit-breakers/memory/reset";
    assert_eq!(daemon.post_with(reset, &[], "").0, 401);
    assert_eq!(daemon.post_with(reset, &[("Authorization", "Bearer wrong")], "").0, 401);
    assert_eq!(daemon.get_with("/health", &[("Host", "evil.invalid")]).0, 421);
    let (status, body) = daemon.post("/api/resilience/circuit-breakers/memory/open", r#"{"reason":"drill"}"#);
    assert!(status == 200 && body.contains(r#""state":"open""#), "{body}");
    assert_eq!(
        daemon.metric(r#"breakwatch_breaker_state{kind="check",name="memory",state="open"}"#),
        Some(1.0)
    );
    assert_eq!(daemon.post(reset, "").0, 200);
    assert_eq!(
        daemon.metric(r#"breakwatch_breaker_state{kind="check",name="memory",state="closed"}"#),
        Some(1.0)
    );
    assert_eq!(daemon.post("/api/resilience/circuit-breakers/nothing/reset", "").0, 404);
}

#[test]
fn a_held_breaker_is_unknown_and_survives_a_restart() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    assert_eq!(daemon.post("/api/resilience/circuit-breakers/memory/hold", r#"{"reason":"drill"}"#).0, 200);
    daemon.wait("unknown", |daemon| daemon.json("/api/v1/checks/memory")["data"]["status"] == "unknown");
    daemon.kill();
    let daemon = bench.start();
    assert_eq!(daemon.json("/api/resilience/circuit-breakers/memory")["data"]["held"], true);
    assert_eq!(daemon.post("/api/resilience/circuit-breakers/memory/reset", "").0, 200);
    daemon.wait("healthy", |daemon| daemon.json("/api/v1/checks/memory")["data"]["status"] == "healthy");
}

#[test]
fn wrong_configuration_and_wrong_usage_have_their_exit_codes() {
    let bench = Bench::new("checks: { memory: { intreval: 5s } }");
    let (code, _, stderr) = bench.run(&["validate", "--config", "breakwatch.yml"]);
    assert_eq!(code, 78, "{stderr}");
    assert!(
        stderr.contains("breakwatch.yml:1:21") && stderr.contains("did you mean `interval`?"),
        "{stderr}"
    );
    assert_eq!(bench.run(&["run", "--config", "breakwatch.yml"]).0, 78);
    assert_eq!(bench.run(&["validate", "--config", "missing.yml"]).0, 78);
    assert_eq!(bench.run(&["frobnicate"]).0, 2);
    assert_eq!(bench.run(&["--version"]).0, 0);
    let (code, help, _) = bench.run(&["--help"]);
    assert!(code == 0 && help.contains("validate"));
    bench.write(
        "breakwatch.yml",
        "server: { listen: '0.0.0.0:0' }\nstore: { path: data }\nchecks: { memory: {} }",
    );
    let (code, _, stderr) = bench.run(&["run", "--config", "breakwatch.yml"]);
    assert!(code == 78 && stderr.contains("nobody needs a password"), "{code} {stderr}");
}

#[test]
fn the_command_line_reads_the_running_daemon() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    daemon.wait("results", |daemon| daemon.json("/health")["overall"] == "healthy");
    let url = daemon.url.clone();
    let args = |words: &[&str]| {
        let mut args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        args.extend(["--url".to_owned(), url.clone(), "--token-file".to_owned(), "data/token".to_owned()]);
        args
    };
    let run = |words: &[&str]| {
        let args = args(words);
        bench.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (code, stdout, stderr) = run(&["status"]);
    assert!(code == 0 && stdout.contains("memory") && stdout.contains("2 healthy"), "{stdout}{stderr}");
    let (code, stdout, _) = run(&["check", "run", "memory"]);
    assert!(code == 0 && stdout.starts_with("OK: memory"), "{stdout}");
    let (code, stdout, _) = run(&["breaker", "open", "load", "--reason", "drill"]);
    assert!(code == 0 && stdout.contains("load: open"), "{stdout}");
    let (code, stdout, _) = run(&["breaker", "list"]);
    assert!(code == 0 && stdout.contains("load"), "{stdout}");
    let (code, stdout, stderr) = run(&["query", "1 + 1"]);
    assert!(code == 0 && stdout.trim() == "2", "{stdout}{stderr}");
    let (code, _, _) = run(&["check", "pause", "memory"]);
    assert_eq!(code, 0);
    drop(daemon);
    let daemon = bench.start();
    assert_eq!(
        daemon.json("/api/v1/checks/memory")["data"]["paused"],
        true,
        "a pause must survive a restart"
    );
}

#[test]
fn without_a_configuration_it_watches_the_host_and_itself_at_the_address_it_really_has() {
    let bench = Bench::new("");
    let daemon = bench.try_start_with(&[]).unwrap_or_else(|log| panic!("{log}"));
    let itself = daemon.json("/api/v1/checks/http/breakwatch")["data"].clone();
    assert_eq!(itself["target"].as_str(), Some(format!("{}/-/ready", daemon.url).as_str()));
    daemon.wait("its own answer", |daemon| {
        daemon.json("/api/v1/checks/http/breakwatch")["data"]["status"] == "healthy"
    });
}

#[test]
fn it_takes_as_many_open_files_as_it_is_allowed() {
    let Some(prlimit) = common::program("prlimit") else {
        assert!(std::env::var_os("CI").is_none(), "prlimit(1) is missing");
        println!("LEFT OUT: prlimit(1) is missing");
        return;
    };
    let bench = Bench::new("store: { path: data }\n");
    let mut child = std::process::Command::new(prlimit)
        .args(["--nofile=256:4096", env!("CARGO_BIN_EXE_breakwatch"), "run", "--listen", "127.0.0.1:0"])
        .args(["--config", "breakwatch.yml"])
        .current_dir(bench.dir.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let raised = || {
        let text = std::fs::read_to_string(&limits).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Max open files")).map(str::to_owned);
        let words: Vec<String> =
            line.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect();
        words.get(3..5).is_some_and(|limits| limits == ["4096", "4096"])
    };
    common::wait_until("the raised limit", raised);
    child.kill().unwrap();
    child.wait().unwrap();
}
