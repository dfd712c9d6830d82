//! The rule files we ship: they load, their unit tests pass here and in promtool, and they name only metrics that exist.

#![expect(clippy::unwrap_used, reason = "helpers of tests may be blunt")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use breakwatch_alerts::rules::{RuleFile, duplicates};
use breakwatch_alerts::unittest;
use breakwatch_plugin_api::{Diagnostics, Node};
use breakwatch_promql::{Engine, EngineOptions};

/// Every metric the shipped rules read. The daemon's tests hold it against what is exposed.
const METRICS: &str = include_str!("shipped_metrics.txt");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yml")).collect();
    files.sort();
    files
}

fn load(path: &Path, diagnostics: &Diagnostics) -> Option<Node> {
    let text = std::fs::read_to_string(path).unwrap();
    breakwatch_config::load_text(&path.display().to_string(), &text, diagnostics)
}

#[test]
fn they_load_and_name_only_known_metrics() {
    let mut names = BTreeSet::new();
    for path in yaml_files(&folder()) {
        let diagnostics = Diagnostics::new();
        let engine = Engine::new(EngineOptions::default());
        let node = load(&path, &diagnostics).unwrap();
        let file = RuleFile::read(&path.display().to_string(), &node, &engine, &diagnostics);
        let file = file.unwrap_or_else(|| panic!("{:#?}", diagnostics.into_sorted()));
        assert_eq!(duplicates(&file), []);
        names.extend(file.metric_names());
    }
    let known: BTreeSet<String> = METRICS.lines().map(str::to_owned).collect();
    assert_eq!(names, known);
}

#[test]
fn their_unit_tests_pass() {
    for path in yaml_files(&folder().join("tests")) {
        let diagnostics = Diagnostics::new();
        let node = load(&path, &diagnostics).unwrap();
        let load_rules = |pattern: &str, diagnostics: &Diagnostics| {
            let path = path.parent().unwrap().join(pattern);
            load(&path, diagnostics).map(|node| (pattern.to_owned(), node)).into_iter().collect()
        };
        let report = unittest::run(&node, &load_rules, None, &diagnostics);
        let report = report.unwrap_or_else(|| panic!("{:#?}", diagnostics.into_sorted()));
        assert!(report.passed(), "{}: {:#?}", path.display(), report.tests);
        assert!(!report.tests.is_empty());
    }
}

#[test]
fn promtool_agrees() {
    if Command::new("promtool").arg("--version").output().is_err() {
        println!("LEFT OUT: there is no promtool here");
        return;
    }
    let run = |arguments: &[&str], files: Vec<PathBuf>| {
        let output = Command::new("promtool").args(arguments).args(files).output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
    };
    run(&["check", "rules", "--lint-fatal"], yaml_files(&folder()));
    run(&["test", "rules"], yaml_files(&folder().join("tests")));
}
