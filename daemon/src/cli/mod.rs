//! The command line: one file per command. stdout carries results, stderr carries everything else.

mod args;
mod breaker;
mod check;
mod client;
mod completions;
mod components;
mod exit;
mod notify;
mod output;
mod query;
mod run;
mod status;
mod validate;

use std::process::ExitCode;

pub use args::Args;
use args::Command;
pub use exit::Exit;

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.command {
        Command::Run(run) => run::run(&run),
        Command::Validate(validate) => validate::run(&validate),
        Command::PrintConfig(config) => validate::print_config(&config),
        Command::Components(components) => components::run(&components),
        Command::Status(status) => status::run(&status),
        Command::Check(check) => check::run(&check),
        Command::Breaker(breaker) => breaker::run(&breaker),
        Command::Notify(notify) => notify::run(&notify),
        Command::Query(query) => query::run(&query),
        Command::Completions(completions) => completions::run(&completions),
        Command::Man(man) => completions::man(&man),
    };
    match outcome {
        Ok(code) => code,
        Err(exit) => exit.report(),
    }
}
