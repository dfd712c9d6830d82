//! The command line: one file per command. stdout carries results, stderr carries everything else.

mod alert;
mod args;
mod backtest;
mod breaker;
mod check;
mod client;
mod completions;
mod components;
mod events;
mod exit;
mod explain;
mod notify;
mod options;
mod output;
mod preview;
mod query;
mod report;
mod routes;
mod rules;
mod run;
mod silence;
mod status;
mod store;
mod test_rules;
mod validate;

use std::process::ExitCode;

pub use args::Args;
use args::Command;
use backtest::RulesCommand;
use clap::CommandFactory as _;
pub use exit::Exit;
use test_rules::TestCommand;

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
        Command::Silence(silence) => silence::run(&silence),
        Command::Alert(alert) => alert::run(&alert),
        Command::Explain(explain) => explain::run(&explain),
        Command::Routes(routes) => routes::run(&routes),
        Command::Notify(notify) => notify::run(&notify),
        Command::Query(query) => query::run(&query),
        Command::Events(events) => events::run(&events),
        Command::Report(report) => report::run(&report),
        Command::Test(TestCommand::Rules(test)) => test_rules::run(&test),
        Command::Rules(RulesCommand::Backtest(backtest)) => backtest::run(&backtest),
        Command::Backup(args) => store::backup(&args),
        Command::Restore(args) => store::restore(&args),
        Command::Store(args) => store::run(&args),
        Command::Completions(completions) => completions::run(&completions, &mut Args::command()),
        Command::Man(man) => completions::man(&man, Args::command()),
    };
    match outcome {
        Ok(code) => code,
        Err(exit) => exit.report(),
    }
}
