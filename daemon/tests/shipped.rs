//! What is shipped besides the binary: dashboards, rules and examples name only what there is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use breakwatch_promql::{Expr, parse};
use common::{Bench, workspace};
use serde_json::Value;

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join(directory)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "{directory} holds no .{extension} files");
    files
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Grafana's variables with something an expression can hold.
fn substituted(expr: &str) -> String {
    let mut text = expr.replace("$__rate_interval", "5m").replace("$__interval", "1m");
    for name in ["job", "instance", "check", "name"] {
        text = text.replace(&format!("${name}"), ".+");
    }
    text
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Metric names of an expression.
fn names(expr: &str) -> BTreeSet<String> {
    let parsed: Expr = parse(&substituted(expr)).unwrap_or_else(|error| panic!("{expr}: {error}"));
    let printed = parsed.to_string();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = printed.split(|c: char| !word(c)).filter(|word| {
        ["breakwatch_", "probe_", "node_", "process_"].iter().any(|prefix| word.starts_with(prefix))
    });
    words.map(str::to_owned).collect()
}

/// Names and types of what `/metrics` shows.
fn families() -> BTreeMap<String, String> {
    let bench = Bench::new(
        "defaults: { interval: 1s, timeout: 1s }\n\
         checks: { memory: {}, cpu: {}, load: {}, disk: {}, http/self: { url: 'http://127.0.0.1:1/' } }\n\
         store: { path: data }\n",
    );
    let daemon = bench.start();
    daemon.wait("results", |daemon| {
        let checks = daemon.json("/api/v1/checks");
        checks["data"].as_array().unwrap().iter().all(|check| !check["last"].is_null())
    });
    daemon.wait("a second reading of the processors", |daemon| {
        daemon.get("/metrics").1.contains("breakwatch_cpu_used_ratio{")
    });
    let (_, text) = daemon.get("/metrics");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The names `/metrics` shows, and those that only a check of a kind this test cannot run here would add.
fn exposed() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (name, kind) in families() {
        if kind == "histogram" {
            names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")));
        }
        names.insert(name);
    }
    // Counters of the SDK appear with their first event; these events do not happen here.
    let first_event =
        std::fs::read_to_string(workspace().join("daemon/src/telemetry/instruments.rs")).unwrap();
    for name in first_event.split('"').filter(|word| word.starts_with("breakwatch_") && !word.contains(' ')) {
        names.extend(
            ["_total", "_seconds", "_seconds_bucket", "_seconds_sum", "_seconds_count"]
                .map(|suffix| format!("{name}{suffix}")),
        );
    }
    // Certificates are seen only where something speaks TLS.
    names.insert("probe_ssl_earliest_cert_expiry".to_owned());
    names
}

#[test]
fn dashboards_and_rules_name_only_metrics_that_exist() {
    let exposed = exposed();
    for path in files("dashboards", "json") {
        for expr in expressions(&json(&path)) {
            for name in names(&expr) {
                assert!(
                    exposed.contains(&name),
                    "{}: {name} is exposed by nothing\n  {expr}",
                    path.display()
                );
            }
        }
    }
    for path in files("alerts/rules", "yml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let exprs = text.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
        for expr in exprs.filter(|expr| !expr.starts_with(['|', '>'])) {
            for name in names(expr.trim_matches('\'').trim_matches('"')) {
                assert!(
                    exposed.contains(&name),
                    "{}: {name} is exposed by nothing\n  {expr}",
                    path.display()
                );
            }
        }
    }
}

/// The rules of Grafana's dashboard linter, as far as they can be judged from the file.
#[test]
fn dashboards_keep_grafanas_rules() {
    let mut uids = BTreeSet::new();
    for path in files("dashboards", "json") {
        let (dashboard, file) = (json(&path), path.display());
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{file}: uid taken twice");
        assert!(dashboard["id"].is_null() && dashboard["editable"] == false, "{file}");
        assert!(dashboard.get("__inputs").is_none(), "{file}: inputs are not resolved in provisioned files");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let of_type = |kind: &str| variables.iter().filter(|v| v["type"] == kind).collect::<Vec<_>>();
        let sources = of_type("datasource");
        assert!(sources.len() == 1 && sources[0]["name"] == "datasource", "{file}");
        assert_eq!(sources[0]["label"], "Data Source", "{file}");
        for name in ["job", "instance"] {
            let variable =
                variables.iter().find(|v| v["name"] == name).unwrap_or_else(|| panic!("{file}: no {name}"));
            assert!(variable["multi"] == true && variable["allValue"] == ".+", "{file}: {name}");
        }
        for variable in of_type("query") {
            assert_eq!(variable["datasource"]["uid"], "${datasource}", "{file}");
            assert_eq!(variable["refresh"], 2, "{file}: a variable must follow the time range");
        }
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap_or_default();
            let described =
                !title.is_empty() && !panel["description"].as_str().unwrap_or_default().is_empty();
            assert!(described, "{file}: a panel needs a title and a description: {title:?}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {title} has no unit");
            for target in panel["targets"].as_array().unwrap() {
                let expr = target["expr"].as_str().unwrap();
                parse(&substituted(expr)).unwrap_or_else(|error| panic!("{file}: {title}: {error}\n{expr}"));
                let matched = expr.matches(r#"job=~"$job", instance=~"$instance""#).count();
                assert!(
                    matched >= names(expr).len(),
                    "{file}: {title}: every selector needs job and instance\n{expr}"
                );
                for function in ["rate(", "increase("] {
                    let fixed = expr.contains(function)
                        && !expr.contains("$__rate_interval")
                        && !expr.contains("[1d]");
                    assert!(!fixed, "{file}: {title}: use $__rate_interval\n{expr}");
                }
            }
        }
    }
}

#[test]
fn every_example_is_a_configuration_this_binary_takes() {
    for path in files("config/examples", "yml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut bench = Bench::new(&text);
        let wanted = text.split("${env:").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
        bench.environment = wanted.map(|name| (name.to_owned(), "example".to_owned())).collect();
        // Examples name commands and secrets of a machine that is set up; here they are made up.
        let missing = |line: &str| {
            line.contains("No such file") || line.contains("not found") || line.contains("cannot be read")
        };
        let (code, _, stderr) = bench.run(&["validate", "--config", "breakwatch.yml"]);
        let real: Vec<&str> = stderr
            .lines()
            .filter(|line| {
                line.contains("breakwatch.yml:") && !line.contains(": warning: ") && !missing(line)
            })
            .collect();
        assert!(code == 0 || real.is_empty(), "{}:\n{stderr}", path.display());
    }
}

#[test]
fn every_example_of_a_kind_is_in_the_table() {
    let bench = Bench::new("");
    let (code, table, _) = bench.run(&["components", "--output", "json"]);
    assert_eq!(code, 0);
    let table: Value = serde_json::from_str(&table).unwrap();
    let kinds: BTreeSet<&str> =
        table.as_array().unwrap().iter().filter_map(|kind| kind["kind"].as_str()).collect();
    for kind in [
        "http",
        "command",
        "database",
        "memory",
        "cpu",
        "load",
        "disk",
        "slack",
        "email",
        "pagerduty",
        "webhook",
        "otlp",
    ] {
        assert!(kinds.contains(kind), "{kind} is missing: {kinds:?}");
    }
    for kind in table.as_array().unwrap().iter().filter(|kind| kind["class"] == "check") {
        let name = kind["kind"].as_str().unwrap();
        let example = workspace().join(format!("config/examples/{name}.yml"));
        assert!(example.is_file(), "{name} has no example in config/examples");
    }
}

#[test]
fn the_reference_lists_every_metric() {
    let text = std::fs::read_to_string(workspace().join("docs/reference/metrics.md")).unwrap();
    let documented: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|');
            Some((cells.next()?.trim().trim_end_matches('`'), cells.next()?.trim()))
        })
        .collect();
    for (name, kind) in families() {
        assert_eq!(documented.get(&*name).copied(), Some(&*kind), "{name} in docs/reference/metrics.md");
    }
}

/// `UPDATE_GOLDEN=1` writes the reference anew.
#[test]
fn the_reference_of_kinds_is_what_the_binary_says() {
    let (code, text, _) = Bench::new("").run(&["components", "--output", "markdown"]);
    assert_eq!(code, 0);
    let path = workspace().join("docs/reference/components.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let difference = text.lines().zip(kept.lines()).find(|(said, kept)| said != kept);
    assert!(text == kept, "{} is not up to date (UPDATE_GOLDEN=1): {difference:?}", path.display());
}

#[test]
fn no_kind_takes_a_setting_that_every_check_has() {
    let common: BTreeSet<&str> = breakwatch_config::COMMON_FIELDS.iter().map(|field| field.name).collect();
    for entry in breakwatch_checks::CHECKS {
        let taken = entry.fields.iter().find(|field| common.contains(field.name));
        assert!(taken.is_none(), "{} and every check have {:?}", entry.key, taken.map(|field| field.name));
    }
}
