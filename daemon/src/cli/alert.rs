//! `alert list|ack`.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Colour, Format, paint, say, table};

/// `alert`.
#[derive(ClapArgs, Debug)]
pub struct Alert {
    /// What to do.
    #[command(subcommand)]
    pub command: AlertCommand,
}

/// `alert …`.
#[derive(Subcommand, Debug)]
pub enum AlertCommand {
    /// List firing alerts, those that are kept quiet too.
    List {
        /// Matchers that must hold.
        matchers: Vec<String>,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Acknowledge an alert: it is not repeated and does not escalate until it ends.
    Ack {
        /// Its fingerprint, as `alert list` shows it.
        fingerprint: String,
        /// What to say.
        #[arg(long, short, default_value = "")]
        comment: String,
        /// Who; by default the user's name.
        #[arg(long, env = "USER", default_value = "")]
        author: String,
        /// Take the acknowledgement back.
        #[arg(long)]
        undo: bool,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// Lists or acknowledges alerts of the running daemon.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub(super) fn run(args: &Alert) -> Result<ExitCode, Exit> {
    match &args.command {
        AlertCommand::List { matchers, daemon, output } => list(matchers, daemon, *output),
        AlertCommand::Ack { fingerprint, comment, author, undo, daemon } => {
            let client = ApiClient::new(daemon)?;
            let path: String = url::form_urlencoded::byte_serialize(fingerprint.as_bytes()).collect();
            let path = format!("/api/v1/alerts/{path}/ack");
            let body = json!({ "by": author, "comment": comment });
            if *undo {
                block_on(client.delete(&path, &body))?;
                say(&format!("{fingerprint}: no longer acknowledged"));
            } else {
                let answer = block_on(client.post(&path, &body))?;
                let by = answer["data"]["acknowledged_by"].as_str().unwrap_or("-");
                say(&format!("{fingerprint}: acknowledged by {by}"));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(matchers: &[String], daemon: &Daemon, output: Format) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(daemon)?;
    let filters: Vec<(&str, &str)> = matchers.iter().map(|text| ("filter", text.as_str())).collect();
    let answer = block_on(client.get("/api/v2/alerts", &filters))?;
    if output == Format::Json {
        say(&format!("{answer:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["FINGERPRINT", "STATE", "SINCE", "LABELS", "RECEIVERS"].map(str::to_owned).to_vec()];
    for alert in answer.as_array().map(Vec::as_slice).unwrap_or_default() {
        let word = |key: &str| alert[key].as_str().unwrap_or("-").to_owned();
        rows.push(vec![
            word("fingerprint"),
            state(&alert["status"]),
            word("startsAt"),
            labels(alert),
            receivers(alert),
        ]);
    }
    say(&table(&rows));
    Ok(ExitCode::SUCCESS)
}

/// `suppressed (silenced)`.
fn state(status: &Value) -> String {
    let state = status["state"].as_str().unwrap_or("-");
    let reasons = [("silencedBy", "silenced"), ("inhibitedBy", "inhibited"), ("mutedBy", "muted")];
    let holds = |key: &str| status[key].as_array().is_some_and(|list| !list.is_empty());
    let why: Vec<&str> = reasons.iter().filter(|(key, _)| holds(key)).map(|(_, word)| *word).collect();
    let colour = if state == "suppressed" { Colour::Grey } else { Colour::Red };
    let text = if why.is_empty() { state.to_owned() } else { format!("{state} ({})", why.join(", ")) };
    paint(&text, colour)
}

fn labels(alert: &Value) -> String {
    let labels = alert["labels"].as_object().into_iter().flatten();
    labels.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

fn receivers(alert: &Value) -> String {
    let receivers = alert["receivers"].as_array().map(Vec::as_slice).unwrap_or_default();
    receivers.iter().filter_map(|receiver| receiver["name"].as_str()).collect::<Vec<_>>().join(",")
}
