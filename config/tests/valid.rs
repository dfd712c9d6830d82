//! Good files: what they come to, what `print-config` makes of them, and that it reads back.
//!
//! `UPDATE_GOLDEN=1` writes the expected output anew; read the difference before committing it.

#![allow(clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod common;

use std::time::Duration;

use breakwatch_config::{
    BreakerWindow, BulkheadLimits, BulkheadsConfig, CheckKind, Config, LogFormat, LogLevel, MinHealthy,
    OtlpProtocol, ProbeWhenOpen, Role, print_check, print_config,
};
use breakwatch_model::Impact;
use breakwatch_plugin_api::{ComponentId, Diagnostics};
use common::{TABLES, environment, load, root, yaml_files};

/// What may never be printed.
const CANARIES: [&str; 5] = ["s3cr3t-c4n4ry", "hunter2", "abc", "hooks.example.org/", "0123456789abcdef"];

fn read(name: &str) -> Config {
    let dir = root().join("testdata/valid");
    let (config, found) = load(&dir, &[dir.join(name)]);
    config.unwrap_or_else(|| panic!("{name}: {found}"))
}

fn id(text: &str) -> ComponentId {
    ComponentId::parse(text).expect("a good id")
}

#[test]
fn effective_configurations_are_as_expected_and_read_back_the_same() {
    let dir = root().join("testdata/valid");
    for file in yaml_files(&dir) {
        let (config, found) = load(&dir, std::slice::from_ref(&file));
        let config = config.unwrap_or_else(|| panic!("{}: {found}", file.display()));
        let printed = print_config(&config);
        let expected_file = file.with_extension("out");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&expected_file, format!("{found}{printed}")).expect("writable");
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        assert_eq!(format!("{found}{printed}"), expected, "{}", file.display());
        for canary in CANARIES {
            assert!(!printed.contains(canary), "{}: {canary}\n{printed}", file.display());
        }
        if !printed.contains("<secret>") {
            let again = tempfile::tempdir().expect("a directory");
            let path = again.path().join("again.yml");
            std::fs::write(&path, &printed).expect("writable");
            let (config, found) = load(again.path(), &[path]);
            assert_eq!(config.map(|config| print_config(&config)), Some(printed), "{found}");
        }
    }
}

#[test]
fn every_example_is_good() {
    let dir = root().join("examples");
    // The made-up tables know the first kinds; the daemon's own tests load every example with the real ones.
    let known = ["breakwatch", "http", "command", "database", "memory", "cpu", "load", "disk"];
    let files: Vec<_> = yaml_files(&dir)
        .into_iter()
        .filter(|file| file.file_stem().is_some_and(|stem| known.iter().any(|known| stem == *known)))
        .collect();
    assert_eq!(files.len(), known.len());
    for file in files {
        let (config, found) = load(&dir, std::slice::from_ref(&file));
        assert!(config.is_some() && found.is_empty(), "{}: {found}", file.display());
    }
}

#[test]
fn every_setting_arrives() {
    let config = read("everything.yml");
    let check = &config.checks[&id("http/a")];
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(60), Duration::from_secs(10)));
    assert_eq!((check.retries, check.retry_interval), (3, Duration::from_secs(5)));
    assert_eq!(check.start_grace, Duration::from_secs(30));
    assert!(check.negate && !check.canary && check.paused);
    assert!(check.pause.as_ref().is_some_and(|windows| windows.as_list().is_some()), "for its owner");
    assert_eq!(check.probe_when_open, ProbeWhenOpen::Fast);
    assert_eq!(check.labels.to_string(), r#"{site="main", team="web"}"#);
    assert_eq!((check.impact, &*check.category), (Impact::Critical, "site"));
    assert_eq!(check.description, "Shop: the front page, 5$ and $${env:X}");
    let depends: Vec<String> = check.depends_on.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(depends, ["memory"], "the disabled check is left out");

    let breaker = &check.breaker;
    assert_eq!((breaker.preset, breaker.failure_threshold), (Some("http_api"), Some(None)));
    assert_eq!(
        (breaker.failure_rate, breaker.slow_call),
        (Some(Some(0.5)), Some(Some((Duration::from_secs(2), 0.8))))
    );
    assert_eq!((breaker.minimum_calls, breaker.window), (Some(5), Some(BreakerWindow::Count(20))));
    assert_eq!(
        (breaker.open_for, breaker.open_for_max),
        (Some(Duration::from_secs(15)), Some(Duration::from_secs(120)))
    );
    assert_eq!((breaker.backoff_multiplier, breaker.jitter), (Some(1.5), Some(0.2)));

    let memory = &config.checks[&id("memory")];
    assert_eq!(memory.probe_when_open, ProbeWhenOpen::Normal);
    assert_eq!((memory.retries, memory.interval), (1, Duration::from_secs(20)));
    assert_eq!(memory.breaker.failure_threshold, Some(Some(4)), "from the defaults");
    assert_eq!(memory.breaker.window, Some(BreakerWindow::Time(Duration::from_secs(300))));
    let cpu = &config.checks[&id("cpu")];
    assert_eq!(
        (cpu.timeout, cpu.retry_interval),
        (Duration::from_secs(1), Duration::from_secs(1)),
        "at most the interval"
    );

    let CheckKind::Group(group) = &config.checks[&id("group/all")].kind else { panic!("a group") };
    assert_eq!((group.members.len(), group.min_healthy), (3, MinHealthy::Count(2)));
    assert!(!config.checks.contains_key(&id("http/off")) && !config.exporters.contains_key(&id("otlp/off")));
    assert_eq!(config.exporters[&id("otlp/main")].breaker.preset, Some("notifications"));
}

#[test]
fn a_bulkhead_has_the_limits_of_its_class_where_it_has_none_of_its_own() {
    let limits = |max_concurrent, max_queued, queue_timeout: Option<u64>| BulkheadLimits {
        max_concurrent,
        max_queued,
        queue_timeout: queue_timeout.map(Duration::from_secs),
    };
    let bulkheads = read("everything.yml").bulkheads;
    assert_eq!(bulkheads.limits("kind/tcp"), limits(2048, 500, None));
    assert_eq!(bulkheads.limits("kind/http"), limits(64, 500, Some(2)));
    assert_eq!(bulkheads.limits("kind/command"), limits(256, 500, None), "each run is a process");
    assert_eq!(bulkheads.limits("host/a.example.org"), limits(8, 0, None));
    assert_eq!(bulkheads.limits("host/[::1]"), limits(8, 20, None));
    let untouched = read("minimal.yml").bulkheads;
    assert_eq!(untouched, BulkheadsConfig::default());
    assert_eq!(untouched.limits("host/a.example.org"), limits(32, 1000, None));
}

#[test]
fn every_section_arrives() {
    let config = read("everything.yml");
    assert!(!config.rules.shipped);
    assert_eq!(config.rules.external_labels.value("region"), "eu");
    assert_eq!(config.store.path, std::path::Path::new("/var/lib/breakwatch"));
    assert_eq!(config.store.retention_size, Some(5_000_000_000));
    assert_eq!(
        (config.store.retention_rollups, config.store.tick),
        (Duration::ZERO, Duration::from_millis(500))
    );
    assert_eq!((&*config.store.job, config.store.instance.as_deref()), ("bw", Some("a:1")));
    assert_eq!(config.server.listen.to_string(), "[::1]:9000");
    assert_eq!(config.server.external_url.as_deref(), Some("https://status.example.org/watch"));
    assert_eq!(config.server.path_prefix, "/watch", "from the external address");
    assert_eq!((config.telemetry.log_level, config.telemetry.log_format), (LogLevel::Debug, LogFormat::Json));
    let otlp = config.telemetry.otlp.expect("configured");
    assert_eq!((otlp.protocol, otlp.timeout), (OtlpProtocol::HttpProtobuf, Duration::from_secs(3)));
    assert!(otlp.traces && !otlp.logs && !otlp.metrics);
    assert!(config.receivers.contains_key(&id("otlp")));

    let config = read("secrets.yml");
    assert_eq!(config.defaults.interval, Duration::from_secs(45));
    assert!(config.server.auth.protects_reading());
    assert_eq!(config.server.auth.tokens[0].role, Role::Operate);
    assert_eq!(config.server.auth.tokens[0].token.expose(), "0123456789abcdef");
}

#[test]
fn a_reload_sees_what_changed_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.yml");
    let checks = |text: &str| {
        std::fs::write(&path, text).expect("writable");
        let (config, found) = load(dir.path(), std::slice::from_ref(&path));
        config.unwrap_or_else(|| panic!("{found}")).checks
    };
    let before = checks("checks:\n  http/a: { url: 'https://a', interval: 10s }\n  memory: { used: 90% }\n");
    let same =
        checks("# moved\nchecks:\n  memory:\n    used: 90%\n  http/a: { interval: 10s, url: 'https://a' }\n");
    assert!(before.iter().all(|(id, check)| check.same_as(&same[id])));
    for changed in [
        "{ url: 'https://b', interval: 10s }",
        "{ url: 'https://a', interval: 11s }",
        "{ url: 'https://a', interval: 10s, breaker: { failure_threshold: 9 } }",
        "{ url: 'https://a', interval: 10s, labels: { a: b } }",
        "{ url: 'https://a', interval: 10s, method: HEAD }",
        "{ url: 'https://a', interval: 10s, pause: [{ schedule: '0 2 * * *', duration: 1h }] }",
    ] {
        let after = checks(&format!("checks:\n  http/a: {changed}\n  memory: {{ used: 90% }}\n"));
        assert!(!before[&id("http/a")].same_as(&after[&id("http/a")]), "{changed}");
        assert!(before[&id("memory")].same_as(&after[&id("memory")]));
    }
}

#[test]
fn without_a_file_the_host_is_watched() {
    let diagnostics = Diagnostics::new();
    let config = Config::load(&[], &TABLES, &environment, &diagnostics);
    let found = diagnostics.into_sorted();
    let config = config.unwrap_or_else(|| panic!("{found:?}"));
    let ids: Vec<String> = config.checks.keys().map(ToString::to_string).collect();
    assert_eq!(ids, ["cpu", "disk", "http/breakwatch", "load", "memory"]);
    assert_eq!(config.store.path, std::path::Path::new("./breakwatch-data"));
    assert!(config.rules.shipped && config.files.is_empty());
    for (listen, asked) in [
        ("127.0.0.1:9475", "http://127.0.0.1:9475/-/ready"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/-/ready"),
        ("0.0.0.0:80", "http://127.0.0.1:80/-/ready"),
        ("[::]:8080", "http://[::1]:8080/-/ready"),
        ("192.0.2.7:9475", "http://192.0.2.7:9475/-/ready"),
    ] {
        let listen = listen.parse().expect("an address");
        let config = Config::embedded(listen, &TABLES, &Diagnostics::new()).expect("good");
        assert_eq!(config.server.listen, listen);
        let page = print_check(&config, &id("http/breakwatch")).expect("configured");
        assert!(page.contains(asked), "it asks its own listener: {page}");
    }

    let page = print_check(&config, &id("memory")).expect("configured");
    assert!(page.starts_with("memory:\n  category: host\n") && page.contains("  interval: 5s\n"), "{page}");
}

#[test]
fn an_alertmanager_file_is_read_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("am.yml"), "route: {receiver: a}\ntemplates: ['${env:NO}']\n")
        .expect("writable");
    let path = dir.path().join("a.yml");
    std::fs::write(&path, "alerting: {config_file: am.yml}\n").expect("writable");
    let (config, found) = load(dir.path(), &[path]);
    let config = config.unwrap_or_else(|| panic!("{found}"));
    assert_eq!(
        (config.alerting.file, config.alerting.base_dir),
        (Some(dir.path().join("am.yml")), dir.path().into())
    );
    let templates = config.alerting.node.as_ref().and_then(|node| node.get("templates"));
    let first = templates.and_then(|node| node.as_list()).and_then(<[_]>::first);
    assert_eq!(first.and_then(|node| node.as_str()), Some("${env:NO}"), "nothing is substituted");
}
