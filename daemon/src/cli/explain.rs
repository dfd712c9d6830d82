//! `explain`: the whole way of an alert.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, say};

/// `explain`.
#[derive(ClapArgs, Debug)]
pub struct Explain {
    /// Which alert: matchers such as `check=http/web` or `alertname=DiskFull`.
    #[arg(required = true)]
    pub labels: Vec<String>,
    /// From when on the ledger is read, as RFC 3339; by default the last 24 hours.
    #[arg(long)]
    pub since: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// Asks the running daemon and prints what it knows.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub(super) fn run(args: &Explain) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(&args.daemon)?;
    let mut query: Vec<(&str, &str)> = args.labels.iter().map(|label| ("label", label.as_str())).collect();
    query.extend(args.since.iter().map(|since| ("since", since.as_str())));
    let answer = block_on(client.get("/api/v1/explain", &query))?;
    if args.output == Format::Json {
        say(&format!("{:#}", answer["data"]));
        return Ok(ExitCode::SUCCESS);
    }
    for line in answer["data"]["lines"].as_array().map(Vec::as_slice).unwrap_or_default() {
        say(line.as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}
