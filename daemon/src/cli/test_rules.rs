//! `test rules`: unit tests of rules in promtool's file format, with its judgement and with readable differences.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use breakwatch_alerts::unittest::{self, Report};
use breakwatch_model::{MatchOp, Matcher};
use breakwatch_plugin_api::{Diagnostics, Node, Place, Severity};
use clap::{Args as ClapArgs, Subcommand};

use super::exit::Exit;
use super::output::{note, say};

/// `test …`.
#[derive(Subcommand, Debug)]
pub enum TestCommand {
    /// Run unit tests of rules, in the file format of promtool; 0 if all pass.
    Rules(TestRules),
}

/// `test rules`.
#[derive(ClapArgs, Debug)]
pub struct TestRules {
    /// The files with tests.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Only tests whose name matches this pattern.
    #[arg(long, value_name = "PATTERN")]
    pub run: Option<String>,
}

/// Runs every test of the files.
///
/// # Errors
/// When `--run` is no pattern.
pub(super) fn run(args: &TestRules) -> Result<ExitCode, Exit> {
    let only = args.run.as_deref().map(pattern).transpose()?;
    let mut failed = false;
    for path in &args.files {
        say(&format!("Unit Testing:  {}", path.display()));
        match run_file(path, only.as_ref()) {
            Ok(report) if report.passed() => say("  SUCCESS"),
            Ok(report) => {
                failed = true;
                note(&format!("  FAILED:\n{}", describe(&report)));
            }
            Err(findings) => {
                failed = true;
                note(&format!("  FAILED:\n{}", findings.join("\n")));
            }
        }
        say("");
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A pattern that may match anywhere in a test's name.
fn pattern(text: &str) -> Result<Matcher, Exit> {
    Matcher::new(MatchOp::Regex, "name", format!(".*(?:{text}).*"))
        .map_err(|error| Exit::Failed(format!("--run {text:?}: {error}")))
}

fn run_file(path: &Path, only: Option<&Matcher>) -> Result<Report, Vec<String>> {
    let diagnostics = Diagnostics::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    // Patterns of rule files are relative to the test file.
    let load = |pattern: &str, diagnostics: &Diagnostics| -> Vec<(String, Node)> {
        let place = Place { file: path.display().to_string().into(), ..Place::default() };
        let files = breakwatch_config::expand_patterns(&[(folder.join(pattern), place)], diagnostics);
        let load = |file: PathBuf| {
            Some((file.display().to_string(), breakwatch_config::load_file(&file, diagnostics)?))
        };
        files.into_iter().filter_map(load).collect()
    };
    let chosen = only.map(|matcher| move |name: &str| matcher.matches(name));
    let only = chosen.as_ref().map(|chosen| chosen as &dyn Fn(&str) -> bool);
    let node = breakwatch_config::load_file(path, &diagnostics);
    let report = node.and_then(|node| unittest::run(&node, &load, only, &diagnostics));
    report.ok_or_else(|| {
        let findings = diagnostics.into_sorted();
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(ToString::to_string).collect()
    })
}

/// Tests that failed, each difference indented under its test.
fn describe(report: &Report) -> String {
    let mut text = String::new();
    for (number, test) in report.tests.iter().enumerate().filter(|(_, test)| !test.failures.is_empty()) {
        let name = if test.name.is_empty() { format!("test {}", number + 1) } else { test.name.clone() };
        text.push_str(&format!("    {name}\n"));
        for line in test.failures.iter().flat_map(|failure| failure.lines()) {
            text.push_str(&format!("      {line}\n"));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_stands_under_its_test() {
        let dir = tempfile::tempdir().unwrap();
        let rules = "groups:\n- name: g\n  rules:\n  - { record: twice, expr: a * 2 }\n";
        std::fs::write(dir.path().join("rules.yml"), rules).unwrap();
        let test = |value: &str| {
            format!(
                "rule_files: ['*les.yml']\ntests:\n- name: doubling\n  interval: 1m\n  input_series:\n  - {{ series: a, values: '1 2' }}\n  promql_expr_test:\n  - {{ expr: twice, eval_time: 1m, exp_samples: [{{ labels: twice, value: {value} }}] }}\n"
            )
        };
        let path = dir.path().join("test.yml");
        std::fs::write(&path, test("4")).unwrap();
        assert!(run_file(&path, None).unwrap().passed());
        std::fs::write(&path, test("5")).unwrap();
        let expected =
            "    doubling\n      expression \"twice\" at 1m:\n        - twice 5\n        + twice 4";
        assert_eq!(describe(&run_file(&path, None).unwrap()), expected);
        let other = pattern("^none$").unwrap();
        assert!(run_file(&path, Some(&other)).unwrap().tests.is_empty());
        std::fs::write(&path, "tests: [{ intervall: 1m }]").unwrap();
        assert!(run_file(&path, None).unwrap_err()[0].contains(":1:"));
    }
}
