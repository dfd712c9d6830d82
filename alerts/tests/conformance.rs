//! Rule files, rule unit tests and alert generator scenarios of others.

#![expect(clippy::print_stdout, reason = "says aloud what was left out")]

use std::path::{Path, PathBuf};

use breakwatch_alerts::conformance::{run_generator, run_rules};

/// Where the data of others lies, if it is there.
fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BREAKWATCH_CONFORMANCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
    println!("LEFT OUT: {} is missing", path.display());
    None
}

#[test]
fn rule_files_and_unit_tests() {
    let Some(path) = data("rules") else { return };
    let report = run_rules(&path, &breakwatch_config::load_text).unwrap();
    println!("{}\n{}\nrules: {report}", report.refusals.join("\n"), report.failures.join("\n"));
    assert!(report.failures.is_empty());
    assert!(report.refusals.len() <= 1, "only native histograms may be refused");
}

#[test]
fn alert_generator_scenarios() {
    let Some(path) = data("alert-generator-cases.json") else { return };
    let cases = std::fs::read_to_string(path).unwrap();
    let report = run_generator(&cases, &breakwatch_config::load_text).unwrap();
    println!("{}\nalerts: {report}", report.failures.join("\n"));
    assert!(report.failures.is_empty() && report.passed > 0);
}
