//! `check run|pause|resume`; `check rules` is in `rules`.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::say;
use super::rules::CheckRules;

/// `check`.
#[derive(ClapArgs, Debug)]
pub struct Check {
    /// What to do with checks.
    #[command(subcommand)]
    pub command: CheckCommand,
}

/// `check …`.
#[derive(Subcommand, Debug)]
pub enum CheckCommand {
    /// Run a check now and print what it found; 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    Run {
        /// The check, such as `http/website`.
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Run every check.
        #[arg(long)]
        all: bool,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Suspend a check; kept across restarts.
    Pause {
        /// The check.
        name: String,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Check rule files as the daemon would read them; 0 good, 1 mistakes, 3 findings with `--lint-fatal`.
    Rules(CheckRules),
    /// Let a suspended check run again.
    Resume {
        /// The check.
        name: String,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// Runs, suspends or resumes checks of the running daemon.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub fn run(args: &Check) -> Result<ExitCode, Exit> {
    match &args.command {
        CheckCommand::Run { name, all, daemon } => run_now(name.as_deref(), *all, daemon),
        CheckCommand::Pause { name, daemon } => act(name, "pause", daemon),
        CheckCommand::Rules(rules) => super::rules::check(rules),
        CheckCommand::Resume { name, daemon } => act(name, "resume", daemon),
    }
}

fn act(name: &str, action: &str, daemon: &Daemon) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(daemon)?;
    block_on(client.post(&format!("/api/v1/checks/{name}/{action}"), &json!({})))?;
    say(&format!("{name}: {action}d"));
    Ok(ExitCode::SUCCESS)
}

fn run_now(name: Option<&str>, all: bool, daemon: &Daemon) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(daemon)?;
    let names: Vec<String> = match name {
        Some(name) if !all => vec![name.to_owned()],
        _ => {
            let checks = block_on(client.get("/api/v1/checks", &[]))?;
            let checks = checks["data"].as_array().cloned().unwrap_or_default();
            checks.iter().filter_map(|check| check["id"].as_str().map(str::to_owned)).collect()
        }
    };
    let mut worst = 0;
    for name in names {
        let (line, code) = match block_on(client.post(&format!("/api/v1/checks/{name}/run"), &json!({}))) {
            Ok(answer) => describe(&answer["data"]),
            Err(Exit::Failed(error)) => (format!("UNKNOWN: {name}: {error}"), 3),
            Err(other) => return Err(other),
        };
        say(&line);
        worst = worse(worst, code);
    }
    Ok(ExitCode::from(worst))
}

/// A line in a Nagios plugin's form, and its code.
fn describe(check: &Value) -> (String, u8) {
    let (word, code) = match check["status"].as_str() {
        Some("healthy") => ("OK", 0),
        Some("degraded") => ("WARNING", 1),
        Some("unhealthy") => ("CRITICAL", 2),
        _ => ("UNKNOWN", 3),
    };
    let last = &check["last"];
    let message = last["message"].as_str().unwrap_or("works");
    let seconds = last["duration_seconds"].as_f64().unwrap_or(0.0);
    let name = check["id"].as_str().unwrap_or("-");
    (format!("{word}: {name}: {message} | duration={seconds:.6}s"), code)
}

/// Critical is worse than unknown, unknown is worse than warning, as Nagios orders a cluster's members.
fn worse(a: u8, b: u8) -> u8 {
    let rank = |code| match code {
        0 => 0,
        1 => 1,
        3 => 2,
        _ => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_a_code_as_a_plugin_gives_them() {
        let check = json!({
            "id": "http/a", "status": "unhealthy",
            "last": { "message": "status 500, expected 2xx", "duration_seconds": 0.25 },
        });
        let expected = "CRITICAL: http/a: status 500, expected 2xx | duration=0.250000s";
        assert_eq!(describe(&check), (expected.to_owned(), 2));
        assert_eq!(worse(3, 1), 3);
        assert_eq!(worse(3, 2), 2);
    }
}
