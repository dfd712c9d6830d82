//! `cargo xtask bench`: figures on this machine, beside those of a peer where one is installed.

use std::process::{Command, ExitCode};

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// The history store: ingest, size, opening, reading.
    Store {
        /// Arguments of the program: `append`, `size`, `big`, `--days N`, `--series N`, `--dir DIR`.
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
        Bench::Store { arguments } => store("", arguments),
    }
}

/// Runs the bench program of the store, optimised.
///
/// # Errors
/// When cargo cannot be run.
pub fn store(what: &str, arguments: &[String]) -> Result<ExitCode, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--release", "--package", "breakwatch-store", "--example", "store_bench", "--"]);
    command.args(Some(what).filter(|what| !what.is_empty())).args(arguments);
    let status = command.status().map_err(|error| format!("cargo: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
