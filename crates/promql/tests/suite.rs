//! Prometheus' own query suite and recorded answers of a real Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests may be blunt")]

use breakwatch_promql::conformance as cases;
use breakwatch_sim::conformance;

#[test]
fn tier_1_passes_whole() {
    let Some(path) = conformance("promql/tier1") else { return };
    let report = cases::run_path(&path).unwrap();
    println!("{}\n{}\ntier 1: {report}", report.failures.join("\n"), report.refusals.join("\n"));
    assert!(report.failures.is_empty() && report.refusals.is_empty());
}

#[test]
fn tier_2_is_right_or_refused() {
    let Some(path) = conformance("promql/tier2") else { return };
    let report = cases::run_path(&path).unwrap();
    println!("{}\n{}\ntier 2: {report}", report.refusals.join("\n"), report.failures.join("\n"));
    assert!(report.failures.is_empty());
}

#[test]
fn recorded_answers_are_given_again() {
    use std::io::Read;
    let Some(folder) = conformance("promql-compliance") else { return };
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let packed = std::fs::File::open(folder.join("demo.om.txt.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let report = cases::run_queries(&expected, &text).unwrap();
    println!("{}\nqueries: {report}", report.failures.join("\n"));
    assert!(report.failures.is_empty() && report.refusals.is_empty());
}
