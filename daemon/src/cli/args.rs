//! The commands; the options of each stand with the command itself.

use clap::{Parser, Subcommand};

use super::alert::Alert;
use super::backtest::RulesCommand;
use super::breaker::Breaker;
use super::check::Check;
use super::completions::{Completions, Man};
use super::components::Components;
use super::events::Events;
use super::explain::Explain;
use super::notify::Notify;
use super::options::ConfigFiles;
use super::query::Query;
use super::report::Report;
use super::routes::Routes;
use super::run::Run;
use super::silence::Silence;
use super::status::Status;
use super::store::{Backup, Restore, Store};
use super::test_rules::TestCommand;

/// A monitoring daemon: checks, circuit breakers, Prometheus rules, alert routing, history, OTLP.
#[derive(Parser, Debug)]
#[command(name = "breakwatch", version = crate::shared::VERSION, max_term_width = 110)]
#[command(after_help = "Without a command breakwatch runs; without a configuration it watches this host.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
    /// `breakwatch` alone means `breakwatch run`.
    #[command(flatten)]
    run: Run,
}

/// The command line as it is acted on.
#[derive(Debug)]
pub struct Parsed {
    /// What to do.
    pub command: Command,
}

impl Args {
    /// Parses the process's arguments; ends the process on `--help` and on wrong usage (code 2).
    #[must_use]
    pub fn parse() -> Parsed {
        let args = <Self as Parser>::parse();
        Parsed { command: args.command.unwrap_or(Command::Run(args.run)) }
    }
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the daemon.
    Run(Run),
    /// Check a configuration and everything it names; print every mistake with its line and column.
    #[command(alias = "check-config")]
    Validate(ConfigFiles),
    /// Print the effective configuration, merged, with secrets hidden.
    PrintConfig(ConfigFiles),
    /// List the kinds of checks, notifiers, exporters and receivers with their settings.
    Components(Components),
    /// Show checks, breakers, firing alerts and the outbox of the running daemon at a glance.
    Status(Status),
    /// Run checks of the running daemon now (ends with the Nagios code of the worst), pause them; check rule files.
    Check(Check),
    /// List, reset, force or hold circuit breakers of the running daemon.
    Breaker(Breaker),
    /// Set, list and end silences of the running daemon.
    Silence(Silence),
    /// List and acknowledge alerts of the running daemon.
    Alert(Alert),
    /// Tell the whole way of an alert, and why somebody was not told of it.
    Explain(Explain),
    /// Show and try the routing tree of a configuration.
    Routes(Routes),
    /// Send a test message to a receiver.
    Notify(Notify),
    /// Ask the running daemon a PromQL question.
    Query(Query),
    /// List what happened, or count it per step.
    Events(Events),
    /// Report availability, failures and recovery times.
    Report(Report),
    /// Run unit tests.
    #[command(subcommand)]
    Test(TestCommand),
    /// Try rules out on stored history.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Copy state and history of the running daemon into a directory.
    Backup(Backup),
    /// Make a data directory of a backup.
    Restore(Restore),
    /// Look at, check or export the data directory.
    Store(Store),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Write man pages.
    Man(Man),
}
