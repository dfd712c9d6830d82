//! `cargo xtask bench`: figures on this machine, beside those of a peer where one is installed.

mod pages;
mod process;
mod promql;
mod servers;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// The query engine and rules, through HTTP, beside Debian's Prometheus on the same samples; 0 only when every
    /// figure is reached.
    Promql {
        /// The daemon to measure, instead of an optimised build of this tree.
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
        /// Times each query is asked.
        #[arg(long, default_value_t = 9)]
        rounds: usize,
        /// Series of an hour at 15 s.
        #[arg(long, default_value_t = 10_000)]
        series: usize,
    },
    /// How soon a page is out, beside Debian's Prometheus, blackbox_exporter and Alertmanager, and in a storm; 0 only
    /// when every figure is reached.
    Pages {
        /// The daemon to measure, instead of an optimised build of this tree.
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
        /// Incidents of single checks, for the tail; 0 leaves this part out.
        #[arg(long, default_value_t = 200)]
        incidents: usize,
        /// Incidents seen by both; 0 leaves this part out.
        #[arg(long, default_value_t = 15)]
        rounds: usize,
        /// Checks that fail at once; 0 leaves this part out.
        #[arg(long, default_value_t = 10_000)]
        checks: usize,
    },
    /// The history store: ingest, size, opening, reading; beside Debian's Prometheus on the same samples.
    Store {
        /// The daemon for `ingest`, instead of an optimised build of this tree.
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
        /// Parts (`start`, `append`, `codecs`, `size`, `ingest`, `index`, `big`; all of them by default), then `--days
        /// N`, `--series N`, `--dir DIR`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Measures.
///
/// # Errors
/// When a program cannot be run.
pub fn run(bench: &Bench) -> Result<ExitCode, String> {
    match bench {
        Bench::Promql { binary, rounds, series } => {
            // The parser is timed in this very program.
            if cfg!(debug_assertions) {
                return optimised(binary.as_deref(), *rounds, *series);
            }
            let binary = binary.clone().map_or_else(build, Ok)?;
            promql::run(&binary, *rounds, *series)
        }
        Bench::Pages { binary, incidents, rounds, checks } => {
            let binary = binary.clone().map_or_else(build, Ok)?;
            let amount = pages::Amount { incidents: *incidents, rounds: *rounds, checks: *checks };
            pages::run(&binary, &amount)
        }
        Bench::Store { binary, arguments } => {
            let mut arguments = arguments.clone();
            let parts = arguments.iter().take_while(|argument| !argument.starts_with("--"));
            if arguments.first().is_none_or(|first| first.starts_with("--"))
                || parts.into_iter().any(|part| part == "ingest")
            {
                let binary = binary.clone().map_or_else(build, Ok)?;
                arguments.extend(["--daemon".to_owned(), binary.display().to_string()]);
            }
            store("", &arguments)
        }
    }
}

/// The same bench by an optimised build of this program.
fn optimised(binary: Option<&Path>, rounds: usize, series: usize) -> Result<ExitCode, String> {
    let mut command = cargo();
    command.args(["run", "--release", "--quiet", "--package", "xtask", "--", "bench", "promql"]);
    command.args(["--rounds", &rounds.to_string(), "--series", &series.to_string()]);
    if let Some(binary) = binary {
        command.arg("--binary").arg(binary);
    }
    let status = command.status().map_err(|error| format!("cargo: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An optimised daemon of this tree.
fn build() -> Result<PathBuf, String> {
    let status = cargo().args(["build", "--release", "--package", "breakwatch"]).status();
    if !status.map_err(|error| format!("cargo: {error}"))?.success() {
        return Err("the daemon does not build".to_owned());
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/breakwatch"))
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs the bench program of the store, optimised.
///
/// # Errors
/// When cargo cannot be run.
pub fn store(what: &str, arguments: &[String]) -> Result<ExitCode, String> {
    let mut command = cargo();
    command.args(["run", "--release", "--package", "breakwatch-store", "--example", "store_bench", "--"]);
    command.args(Some(what).filter(|what| !what.is_empty())).args(arguments);
    let status = command.status().map_err(|error| format!("cargo: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
