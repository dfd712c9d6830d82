//! The conformance runs over the data of others, by the code of `cargo xtask conformance`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests may be blunt, and say aloud what was left out"
)]

use breakwatch_sim::conformance;
use xtask::conformance::{Cases, run};

/// Passed, failed, refused.
fn counts(cases: &Cases) -> (usize, usize, usize) {
    let report = run(cases).unwrap().0;
    println!("{}\n{report}", report.failures.join("\n"));
    (report.passed, report.failures.len(), report.refusals.len())
}

#[test]
fn scripts_of_the_first_tier_pass_whole_and_of_the_second_are_never_wrong() {
    let (Some(first), Some(second)) = (conformance("promql/tier1"), conformance("promql/tier2")) else {
        return;
    };
    let (passed, failed, refused) = counts(&Cases::Promql { paths: vec![first] });
    assert!(passed > 0 && (failed, refused) == (0, 0));
    let (passed, failed, _) = counts(&Cases::Promql { paths: vec![second] });
    assert!(passed > 0 && failed == 0);
}

#[test]
fn recorded_answers_are_given_again() {
    let Some(expected) = conformance("promql-compliance/expected.jsonl") else { return };
    let (passed, failed, refused) = counts(&Cases::Queries { expected, data: None });
    assert!(passed > 0 && (failed, refused) == (0, 0));
}

#[test]
fn rule_files_rule_tests_and_alert_scenarios() {
    let (Some(dir), Some(cases)) = (conformance("rules"), conformance("alert-generator-cases.json")) else {
        return;
    };
    let (passed, failed, refused) = counts(&Cases::Rules { dir });
    // One file needs native histograms.
    assert!(passed > 0 && failed == 0 && refused <= 1);
    let (passed, failed, refused) = counts(&Cases::Alerts { cases });
    assert!(passed > 0 && (failed, refused) == (0, 0));
}

#[test]
fn a_run_without_cases_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(&Cases::Rules { dir: dir.path().to_owned() }).is_err());
    assert!(run(&Cases::Promql { paths: vec![dir.path().to_owned()] }).is_err());
    let wrong = dir.path().join("wrong.test");
    std::fs::write(&wrong, "load 1m\n  a 1\n\neval instant at 0m a\n  a 2\n").unwrap();
    let report = run(&Cases::Promql { paths: vec![wrong] }).unwrap().0;
    assert_eq!((report.passed, report.failures.len()), (0, 1));
}
