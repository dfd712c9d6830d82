//! Unit tests of rules, in the file format of `promtool test rules` and with its judgement.
//!
//! A test describes input series, lets the rules run over them on a grid of evaluation times, and compares what fires
//! and what expressions give with what was expected. Everything happens in memory and in simulated time.

mod diff;
mod file;
mod run;
#[cfg(test)]
mod tests;

use breakwatch_plugin_api::{Diagnostics, Node};

/// Finds the rule files that a pattern of `rule_files:` names, relative to the test file, as (path, content). Reports
/// what cannot be read.
pub type LoadRules<'a> = dyn Fn(&str, &Diagnostics) -> Vec<(String, Node)> + 'a;

/// How the tests of a file went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// The tests, in order.
    pub tests: Vec<TestReport>,
}

/// How one test went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestReport {
    /// Its name; empty if it has none.
    pub name: String,
    /// What differs, each in lines for people; empty if it passed.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether every test passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.tests.iter().all(|test| test.failures.is_empty())
    }
}

/// Runs the tests of a file. `None` if the file, or a rule file it names, cannot be read as such: `diagnostics` says
/// why. `only` restricts to tests whose name matches.
#[must_use]
pub fn run(
    node: &Node,
    load: &LoadRules<'_>,
    only: Option<&dyn Fn(&str) -> bool>,
    diagnostics: &Diagnostics,
) -> Option<Report> {
    let before = diagnostics.error_count();
    let file = file::TestFile::read(node, diagnostics)?;
    let rules = run::load_rules(&file, load, diagnostics);
    if diagnostics.error_count() > before {
        return None;
    }
    let chosen = file.tests.iter().filter(|test| only.is_none_or(|only| only(&test.name)));
    let tests =
        chosen.map(|test| TestReport { name: test.name.clone(), failures: run::run(test, &file, &rules) });
    Some(Report { tests: tests.collect() })
}
