//! `breaker list|reset|open|close|hold|release`.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, colour_of, paint, say, table};

/// `breaker`.
#[derive(ClapArgs, Debug)]
pub struct Breaker {
    /// What to do with breakers.
    #[command(subcommand)]
    pub command: BreakerCommand,
}

/// `breaker …`.
#[derive(Subcommand, Debug)]
pub enum BreakerCommand {
    /// List breakers with their states.
    List {
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Close a breaker and forget its window.
    Reset(BreakerTarget),
    /// Open a breaker; it probes again after its open time.
    Open(BreakerTarget),
    /// Close a breaker.
    Close(BreakerTarget),
    /// Open a breaker and keep it open until it is released.
    Hold(BreakerTarget),
    /// End a hold.
    Release(BreakerTarget),
}

/// Which breaker, and why.
#[derive(ClapArgs, Debug)]
pub struct BreakerTarget {
    /// The breaker, such as `http/website`.
    pub name: String,
    /// Why, for the audit log.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Lists or moves breakers of the running daemon.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub fn run(args: &Breaker) -> Result<ExitCode, Exit> {
    match &args.command {
        BreakerCommand::List { daemon, output } => list(daemon, *output),
        BreakerCommand::Reset(target) => act(target, "reset"),
        BreakerCommand::Open(target) => act(target, "open"),
        BreakerCommand::Close(target) => act(target, "close"),
        BreakerCommand::Hold(target) => act(target, "hold"),
        BreakerCommand::Release(target) => act(target, "release"),
    }
}

fn list(daemon: &Daemon, output: Format) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(daemon)?;
    let answer = block_on(client.get("/api/resilience/circuit-breakers", &[]))?;
    let breakers = answer["data"].as_array().cloned().unwrap_or_default();
    if output == Format::Json {
        say(&format!("{:#}", Value::Array(breakers)));
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["BREAKER", "KIND", "STATE", "FAILURES", "OPENED", "NEXT PROBE"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for breaker in &breakers {
        let word = |key: &str| breaker[key].as_str().unwrap_or("-").to_owned();
        let state = word("state");
        let held = if breaker["held"] == json!(true) { " (held)" } else { "" };
        rows.push(vec![
            word("name"),
            word("kind"),
            format!("{}{held}", paint(&state, colour_of(&state))),
            breaker["failure_count"].to_string(),
            word("opened_at"),
            word("next_probe_at"),
        ]);
    }
    say(&table(&rows));
    Ok(ExitCode::SUCCESS)
}

fn act(target: &BreakerTarget, action: &str) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(&target.daemon)?;
    let path = format!("/api/resilience/circuit-breakers/{}/{action}", target.name);
    let answer = block_on(client.post(&path, &json!({ "reason": target.reason })))?;
    let state = answer["data"]["state"].as_str().unwrap_or("-");
    say(&format!("{}: {}", target.name, paint(state, colour_of(state))));
    Ok(ExitCode::SUCCESS)
}
