//! `events`: what happened, as a list or counted per step.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, say, table};

/// `events`.
#[derive(ClapArgs, Debug)]
pub struct Events {
    /// From when on: a span such as `24h`, RFC 3339, or seconds since the epoch.
    #[arg(long, default_value = "24h", value_name = "TIME")]
    pub since: String,
    /// Only this type, such as `circuit_opened`; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    pub kinds: Vec<String>,
    /// Only this check or breaker.
    #[arg(long, value_name = "NAME")]
    pub check: Option<String>,
    /// Count per step of this length instead of listing.
    #[arg(long, value_name = "DURATION")]
    pub step: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// Lists or counts events of the running daemon.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub fn run(args: &Events) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(&args.daemon)?;
    let kinds = args.kinds.join(",");
    let mut query = vec![("since", args.since.as_str())];
    for (name, value) in [("check", &args.check), ("step", &args.step)] {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    if !kinds.is_empty() {
        query.push(("type", &kinds));
    }
    let answer = block_on(client.get("/api/v1/events", &query))?;
    let data = &answer["data"];
    say(&match args.output {
        Format::Json => format!("{data:#}"),
        Format::Table if args.step.is_some() => counts(data),
        Format::Table => list(data),
    });
    Ok(ExitCode::SUCCESS)
}

fn list(data: &Value) -> String {
    let mut rows = vec![["TIME", "TYPE", "NAME", "FROM", "TO", "WHY"].map(str::to_owned).to_vec()];
    for event in data["events"].as_array().into_iter().flatten() {
        let word = |key: &str| event[key].as_str().unwrap_or("").to_owned();
        let why = if word("message").is_empty() { word("reason") } else { word("message") };
        rows.push(vec![word("at"), word("type"), word("name"), word("from"), word("to"), why]);
    }
    table(&rows)
}

fn counts(data: &Value) -> String {
    let mut rows = vec![["FROM", "EVENTS", "TYPES"].map(str::to_owned).to_vec()];
    for count in data["counts"].as_array().into_iter().flatten() {
        let types = count["types"].as_object().into_iter().flatten();
        let types: Vec<String> = types.map(|(name, number)| format!("{name}={number}")).collect();
        let start = count["start"].as_str().unwrap_or("").to_owned();
        rows.push(vec![start, count["total"].to_string(), types.join(" ")]);
    }
    table(&rows)
}
