//! Runs other people's cases against this engine: the `.test` scripts of Prometheus' own suite, and recorded
//! answers of a real Prometheus over a fixed data set.
//!
//! A case passes, fails, or is refused: refused means that the engine said clearly that it does not support
//! what the case needs. A wrong answer is a failure, never a refusal.

mod at_variants;
mod compare;
mod open_metrics;
mod queries;
mod run;
mod script;

use std::fmt;
use std::path::{Path, PathBuf};

pub use queries::run_queries;

use crate::{Engine, EngineOptions};

/// What became of some cases.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Cases with the expected outcome.
    pub passed: usize,
    /// What did not come out as expected, one text per case: where it stands, expected, got.
    pub failures: Vec<String>,
    /// What the engine does not support, one text per case: where it stands, why.
    pub refusals: Vec<String>,
}

impl Report {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.refusals.extend(other.refusals);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, refused) = (self.failures.len(), self.refusals.len());
        write!(f, "{} passed, {failed} failed, {refused} refused", self.passed)
    }
}

/// Runs a script, or every script of a folder and its sub-folders.
///
/// # Errors
/// Files that cannot be read or are not scripts.
pub fn run_path(path: &Path) -> Result<Report, String> {
    let mut files = Vec::new();
    collect(path, &mut files)?;
    if files.is_empty() {
        return Err(format!("{}: no .test file here", path.display()));
    }
    files.sort();
    let mut report = Report::default();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        report.add(run_script(&file.display().to_string(), &text)?);
    }
    Ok(report)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(told)? {
        let entry = entry.map_err(told)?.path();
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "test") {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// Runs the text of a script; `name` is what messages call it.
///
/// # Errors
/// Lines that are no command.
pub fn run_script(name: &str, text: &str) -> Result<Report, String> {
    let commands = script::parse(text).map_err(|(line, message)| format!("{name}:{line}: {message}"))?;
    Ok(run::run(name, &commands, &Engine::new(suite_options())))
}

/// The options Prometheus' own runner uses.
fn suite_options() -> EngineOptions {
    EngineOptions { delayed_name_removal: true, max_samples: 10_000_000, ..EngineOptions::default() }
}
