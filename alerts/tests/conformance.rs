//! Rule files, rule unit tests and alert generator scenarios of others.

use breakwatch_alerts::conformance::{run_generator, run_rules};
use breakwatch_sim::conformance;

#[test]
fn rule_files_and_unit_tests() {
    let Some(path) = conformance("rules") else { return };
    let report = run_rules(&path, &breakwatch_config::load_text).unwrap();
    println!("{}\n{}\nrules: {report}", report.refusals.join("\n"), report.failures.join("\n"));
    assert!(report.failures.is_empty());
    assert!(report.refusals.len() <= 1, "only native histograms may be refused");
}

#[test]
fn alert_generator_scenarios() {
    let Some(path) = conformance("alert-generator-cases.json") else { return };
    let cases = std::fs::read_to_string(path).unwrap();
    let report = run_generator(&cases, &breakwatch_config::load_text).unwrap();
    println!("{}\nalerts: {report}", report.failures.join("\n"));
    assert!(report.failures.is_empty() && report.passed > 0);
}
