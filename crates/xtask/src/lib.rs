//! Work on the project that is no part of the product: runs of other people's test cases, and benches.

pub mod bench;
pub mod conformance;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Work on the project.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask", max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run other people's test cases; 0 only when nothing failed.
    #[command(subcommand)]
    Conformance(conformance::Cases),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Fill a data directory with history: generated days up to yesterday, or the samples of OpenMetrics text.
    Load {
        /// `--dir DIR`, then `--days N`, `--series N` or `--openmetrics FILE`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Conformance(cases) => conformance::run(&cases).map(|report| report.print()),
        Command::Bench(bench) => bench::run(&bench),
        Command::Load { arguments } => bench::store("load", &arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            print::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// The module that prints.
pub(crate) mod print {
    #![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the module that prints")]

    /// A result.
    pub(crate) fn say(text: &str) {
        println!("{text}");
    }

    /// What went wrong.
    pub(crate) fn complain(text: &str) {
        eprintln!("xtask: {text}");
    }
}
