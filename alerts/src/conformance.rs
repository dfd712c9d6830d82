//! Runs other people's cases against this crate: rule files that must load or be refused, rule unit tests that must
//! pass or fail, and the scenarios of the alert generator compliance suite in simulated time.
//!
//! This is the one module that reads files: it serves the test runs and nothing else.

mod generator;
mod live;

use std::path::{Path, PathBuf};

use breakwatch_plugin_api::{Diagnostics, Node};
pub use breakwatch_promql::conformance::Report;
use breakwatch_promql::{Engine, EngineOptions};

pub use generator::run_generator;
pub use live::{LiveCases, Seen};

use crate::rules::{RuleFile, duplicates};
use crate::unittest;

/// Turns a YAML text into a node; the first argument names the file in findings.
pub type LoadText<'a> = dyn Fn(&str, &str, &Diagnostics) -> Option<Node> + 'a;

/// Runs a folder with the sub-folders `good`, `bad`, `lint`, `unittest-pass` and `unittest-fail`, as far as they are
/// there.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn run_rules(dir: &Path, load: &LoadText<'_>) -> Result<Report, String> {
    let mut report = Report::default();
    for (name, judge) in [
        ("good", good as fn(&Path, &LoadText<'_>) -> Verdict),
        ("bad", bad),
        ("lint", lint),
        ("unittest-pass", unittest_passes),
        ("unittest-fail", unittest_fails),
    ] {
        for file in files(&dir.join(name))? {
            match judge(&file, load) {
                Verdict::Passed => report.passed += 1,
                Verdict::NoCase => {}
                Verdict::Failed(why) => report.failures.push(format!("{}: {why}", file.display())),
                Verdict::Refused(why) => report.refusals.push(format!("{}: {why}", file.display())),
            }
        }
    }
    Ok(report)
}

enum Verdict {
    Passed,
    Failed(String),
    Refused(String),
    /// A file that only belongs to another case.
    NoCase,
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let told = |error: std::io::Error| format!("{}: {error}", dir.display());
    let entries = std::fs::read_dir(dir).map_err(told)?.collect::<Result<Vec<_>, _>>().map_err(told)?;
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|e| e == "yml" || e == "yaml");
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    Ok(files)
}

fn node(path: &Path, load: &LoadText<'_>, diagnostics: &Diagnostics) -> Option<Node> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => load(&name, &text, diagnostics),
        Err(error) => {
            let place = breakwatch_plugin_api::Place { file: name.into(), ..Default::default() };
            diagnostics.error(&place, format!("cannot be read: {error}"));
            None
        }
    }
}

fn rule_file(path: &Path, load: &LoadText<'_>) -> Result<RuleFile, String> {
    let diagnostics = Diagnostics::new();
    let engine = Engine::new(EngineOptions::default());
    let node = node(path, load, &diagnostics);
    let file =
        node.and_then(|node| RuleFile::read(&path.display().to_string(), &node, &engine, &diagnostics));
    file.ok_or_else(|| texts(diagnostics))
}

fn texts(diagnostics: Diagnostics) -> String {
    let lines: Vec<String> = diagnostics.into_sorted().iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn good(path: &Path, load: &LoadText<'_>) -> Verdict {
    match rule_file(path, load) {
        Ok(_) => Verdict::Passed,
        Err(why) if why.contains("not supported") => Verdict::Refused(why),
        Err(why) => Verdict::Failed(format!("must load: {why}")),
    }
}

/// A bad file must be refused, and every finding must have a place.
fn bad(path: &Path, load: &LoadText<'_>) -> Verdict {
    match rule_file(path, load) {
        Ok(_) => Verdict::Failed("must be refused, but loads".to_owned()),
        Err(why) if why.contains(":0:") => Verdict::Failed(format!("refused without a place: {why}")),
        Err(_) => Verdict::Passed,
    }
}

fn lint(path: &Path, load: &LoadText<'_>) -> Verdict {
    match rule_file(path, load) {
        Ok(file) if !duplicates(&file).is_empty() => Verdict::Passed,
        Ok(_) => Verdict::Failed("has duplicate rules, none was found".to_owned()),
        Err(why) => Verdict::Failed(format!("must load: {why}")),
    }
}

fn unittest_passes(path: &Path, load: &LoadText<'_>) -> Verdict {
    match run_unittest(path, load) {
        None => Verdict::NoCase,
        Some(Ok(report)) if report.passed() => Verdict::Passed,
        Some(Ok(report)) => {
            let failures = report.tests.iter().flat_map(|test| test.failures.clone());
            Verdict::Failed(failures.collect::<Vec<_>>().join("\n"))
        }
        Some(Err(why)) if why.contains("not supported") => Verdict::Refused(why),
        Some(Err(why)) => Verdict::Failed(why),
    }
}

fn unittest_fails(path: &Path, load: &LoadText<'_>) -> Verdict {
    match run_unittest(path, load) {
        None => Verdict::NoCase,
        Some(Ok(report)) if report.passed() => Verdict::Failed("must fail, but passes".to_owned()),
        Some(_) => Verdict::Passed,
    }
}

/// Runs a file of unit tests; `None` if it is none. An error if it, or a rule file it names, cannot be read.
fn run_unittest(path: &Path, load: &LoadText<'_>) -> Option<Result<unittest::Report, String>> {
    let diagnostics = Diagnostics::new();
    let node_of_file = node(path, load, &diagnostics);
    if node_of_file.as_ref().is_some_and(|node| node.get("tests").is_none()) {
        return None;
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let load_rules = |pattern: &str, diagnostics: &Diagnostics| {
        let path = folder.join(pattern);
        let node = node(&path, load, diagnostics);
        node.map(|node| (path.display().to_string(), node)).into_iter().collect()
    };
    let report = node_of_file.and_then(|node| unittest::run(&node, &load_rules, None, &diagnostics));
    Some(report.ok_or_else(|| texts(diagnostics)))
}
