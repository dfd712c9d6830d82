//! `silence add|list|expire`, by Alertmanager's API v2.

use std::process::ExitCode;

use breakwatch_alerts::SilenceMatcher;
use breakwatch_alerts::matchers::parse_matchers;
use breakwatch_model::{Clock as _, SystemClock, Timestamp};
use breakwatch_plugin_api::parse_duration;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, say, table};

/// `silence`.
#[derive(ClapArgs, Debug)]
pub struct Silence {
    /// What to do.
    #[command(subcommand)]
    pub command: SilenceCommand,
}

/// `silence …`.
#[derive(Subcommand, Debug)]
pub enum SilenceCommand {
    /// Silence alerts: all matchers must hold; prints the silence's id.
    Add(SilenceAdd),
    /// List silences in force and to come.
    List {
        /// Those that are over too.
        #[arg(long)]
        expired: bool,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// End silences now.
    Expire {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// The daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// `silence add`.
#[derive(ClapArgs, Debug)]
pub struct SilenceAdd {
    /// Matchers such as `check=http/web` or `alertname=~"Disk.*"`.
    #[arg(required = true)]
    pub matchers: Vec<String>,
    /// How long it holds from its start.
    #[arg(long, short, default_value = "1h")]
    pub duration: String,
    /// When it begins, as RFC 3339; by default now.
    #[arg(long)]
    pub start: Option<String>,
    /// When it ends, as RFC 3339; wins over `--duration`.
    #[arg(long)]
    pub end: Option<String>,
    /// Why.
    #[arg(long, short)]
    pub comment: String,
    /// Who; by default the user's name.
    #[arg(long, env = "USER", default_value = "")]
    pub author: String,
    /// Hold only inside windows that open by this schedule (`0 2 * * sun`) until the end.
    #[arg(long, value_name = "CRON", requires = "window")]
    pub schedule: Option<String>,
    /// How long each window stays open.
    #[arg(long, value_name = "DURATION", requires = "schedule")]
    pub window: Option<String>,
    /// The time zone of the schedule.
    #[arg(long, value_name = "ZONE", requires = "schedule", default_value = "UTC")]
    pub zone: String,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Sets, lists or ends silences of the running daemon.
///
/// # Errors
/// When the request makes no sense, or the daemon cannot be reached or says no.
pub(super) fn run(args: &Silence) -> Result<ExitCode, Exit> {
    match &args.command {
        SilenceCommand::Add(add) => self::add(add),
        SilenceCommand::List { expired, daemon, output } => list(*expired, daemon, *output),
        SilenceCommand::Expire { ids, daemon } => expire(ids, daemon),
    }
}

fn add(args: &SilenceAdd) -> Result<ExitCode, Exit> {
    let body = request(args, SystemClock.now())?;
    let client = ApiClient::new(&args.daemon)?;
    let answer = block_on(client.post("/api/v2/silences", &body))?;
    say(answer["silenceID"].as_str().unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

/// The request's body.
fn request(args: &SilenceAdd, now: Timestamp) -> Result<Value, Exit> {
    let mut matchers = Vec::new();
    for text in &args.matchers {
        let parsed = parse_matchers(text).map_err(|error| Exit::Failed(format!("{text}: {error}")))?;
        matchers.extend(parsed.iter().map(SilenceMatcher::from));
    }
    let starts_at = args.start.as_deref().map(time).transpose()?.unwrap_or(now);
    let ends_at = match &args.end {
        Some(end) => time(end)?,
        None => {
            let duration = parse_duration(&args.duration);
            starts_at
                + duration.ok_or_else(|| {
                    Exit::Failed(format!("{}: expected a duration such as 2h", args.duration))
                })?
        }
    };
    let mut body = json!({
        "matchers": matchers,
        "startsAt": starts_at.to_rfc3339(),
        "endsAt": ends_at.to_rfc3339(),
        "createdBy": args.author,
        "comment": args.comment,
    });
    if let (Some(schedule), Some(window)) = (&args.schedule, &args.window) {
        body["recurrence"] = json!({ "schedule": schedule, "duration": window, "location": args.zone });
    }
    Ok(body)
}

fn time(text: &str) -> Result<Timestamp, Exit> {
    let wrong = || Exit::Failed(format!("{text}: expected a time such as 2026-01-31T08:00:00Z"));
    Timestamp::parse_rfc3339(text).ok_or_else(wrong)
}

fn list(expired: bool, daemon: &Daemon, output: Format) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(daemon)?;
    let wanted = if expired { "true" } else { "false" };
    let answer = block_on(client.get("/api/v2/silences", &[("expired", wanted)]))?;
    if output == Format::Json {
        say(&format!("{answer:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["ID", "STATE", "MATCHERS", "ENDS", "BY", "COMMENT"].map(str::to_owned).to_vec()];
    for silence in answer.as_array().map(Vec::as_slice).unwrap_or_default() {
        let word = |key: &str| silence[key].as_str().unwrap_or("-").to_owned();
        let state = silence["status"]["state"].as_str().unwrap_or("-");
        let recurs = if silence.get("recurrence").is_some() { " (recurring)" } else { "" };
        let matchers = silence["matchers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let matchers: Vec<String> = matchers.iter().map(describe_matcher).collect();
        rows.push(vec![
            word("id"),
            format!("{state}{recurs}"),
            matchers.join(","),
            word("endsAt"),
            word("createdBy"),
            word("comment"),
        ]);
    }
    say(&table(&rows));
    Ok(ExitCode::SUCCESS)
}

fn describe_matcher(matcher: &Value) -> String {
    let operator = match (matcher["isEqual"] == json!(false), matcher["isRegex"] == json!(true)) {
        (false, false) => "=",
        (true, false) => "!=",
        (false, true) => "=~",
        (true, true) => "!~",
    };
    format!("{}{operator}{}", matcher["name"].as_str().unwrap_or_default(), matcher["value"])
}

fn expire(ids: &[String], daemon: &Daemon) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(daemon)?;
    for id in ids {
        let path: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        block_on(client.delete(&format!("/api/v2/silence/{path}"), &Value::Null))?;
    }
    Ok(ExitCode::SUCCESS)
}
