//! `cargo xtask conformance`: any files of the forms other people keep their cases in. The cases are judged by the same
//! code as in the tests of the crates.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use breakwatch_alerts::conformance::{run_generator, run_rules};
use breakwatch_promql::conformance::{Report, run_path, run_queries};
use clap::Subcommand;

use crate::print::say;

/// Which cases.
#[derive(Subcommand, Debug)]
pub enum Cases {
    /// Prometheus' PromQL scripts: `.test` files, or folders of them.
    Promql {
        /// Files and folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Queries with the answers of a real Prometheus, a JSON object a line.
    Queries {
        /// The file with the answers.
        expected: PathBuf,
        /// The data set, in OpenMetrics text; `demo.om.txt.gz` beside the answers if not said.
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
    },
    /// Rule files and rule unit tests: a folder with `good`, `bad`, `lint`, `unittest-pass`, `unittest-fail`.
    Rules {
        /// The folder.
        dir: PathBuf,
    },
    /// Scenarios of the alert generator compliance suite.
    Alerts {
        /// The file with the scenarios.
        cases: PathBuf,
    },
}

/// What became of the cases.
#[derive(Debug)]
pub struct Outcome(pub Report);

impl Outcome {
    /// Prints refusals and failures and the sum; the exit code says whether nothing failed.
    #[must_use]
    pub fn print(&self) -> ExitCode {
        let Self(report) = self;
        report.refusals.iter().for_each(|refusal| say(&format!("REFUSED {refusal}")));
        report.failures.iter().for_each(|failure| say(&format!("FAILED {failure}")));
        say(&report.to_string());
        if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs cases.
///
/// # Errors
/// Files that cannot be read or are not of the form asked for, and runs without any case.
pub fn run(cases: &Cases) -> Result<Outcome, String> {
    let report = match cases {
        Cases::Promql { paths } => scripts(paths)?,
        Cases::Queries { expected, data } => {
            let beside = || expected.with_file_name("demo.om.txt.gz");
            run_queries(&text(expected)?, &text(&data.clone().unwrap_or_else(beside))?)?
        }
        Cases::Rules { dir } => run_rules(dir, &breakwatch_config::load_text)?,
        Cases::Alerts { cases } => run_generator(&text(cases)?, &breakwatch_config::load_text)?,
    };
    if report.passed + report.failures.len() + report.refusals.len() == 0 {
        return Err("there is no case here".to_owned());
    }
    Ok(Outcome(report))
}

fn scripts(paths: &[PathBuf]) -> Result<Report, String> {
    let mut all = Report::default();
    for path in paths {
        let report = run_path(path)?;
        all.passed += report.passed;
        all.failures.extend(report.failures);
        all.refusals.extend(report.refusals);
    }
    Ok(all)
}

/// A text file, unpacked if its name says that it is packed.
fn text(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(told)?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).map_err(told)?;
    } else {
        std::io::BufReader::new(file).read_to_string(&mut text).map_err(told)?;
    }
    Ok(text)
}
