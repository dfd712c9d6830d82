//! `routes show|test`: the routing tree of a configuration, without a daemon.

use std::process::ExitCode;

use breakwatch_alerts::Config;
use breakwatch_alerts::config::{GroupBy, Route};
use breakwatch_model::{Clock as _, Labels, MatchOp, Matcher, SystemClock, Timestamp};
use breakwatch_plugin_api::format_duration;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::{ConfigFiles, Daemon};
use super::output::say;

/// `routes`.
#[derive(ClapArgs, Debug)]
pub struct Routes {
    /// What to do.
    #[command(subcommand)]
    pub command: RoutesCommand,
}

/// `routes …`.
#[derive(Subcommand, Debug)]
pub enum RoutesCommand {
    /// Draw the routing tree of a configuration; the running daemon is not needed.
    Show {
        /// Which configuration.
        #[command(flatten)]
        files: ConfigFiles,
    },
    /// Say who would be told of an alert with these labels, and when; the running daemon is not needed.
    Test {
        /// `label=value` pairs.
        #[arg(required = true)]
        labels: Vec<String>,
        /// End with code 1 unless exactly these receivers would be told, comma-separated, in order.
        #[arg(long, value_name = "RECEIVERS", value_delimiter = ',')]
        verify: Vec<String>,
        /// Ask the running daemon, too: which silences and maintenance windows hold for such an alert now.
        #[arg(long)]
        live: bool,
        /// The daemon to ask.
        #[command(flatten)]
        daemon: Daemon,
        /// Which configuration.
        #[command(flatten)]
        files: ConfigFiles,
    },
}

/// Draws the tree, or walks it.
///
/// # Errors
/// When the configuration is wrong, or the receivers are not those expected.
pub(super) fn run(args: &Routes) -> Result<ExitCode, Exit> {
    match &args.command {
        RoutesCommand::Show { files } => {
            say(draw(&load(files)?.route).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        RoutesCommand::Test { labels, verify, live, daemon, files } => {
            let labels = read_labels(labels)?;
            let outcome = test(&*load(files)?, &labels, verify);
            if *live {
                silences(&labels, daemon)?;
            }
            outcome
        }
    }
}

fn load(files: &ConfigFiles) -> Result<std::sync::Arc<Config>, Exit> {
    Ok(super::validate::load(files)?.alerting.config)
}

fn test(config: &Config, labels: &Labels, verify: &[String]) -> Result<ExitCode, Exit> {
    let routes = config.route.matching(labels);
    for route in &routes {
        say(&describe(config, route, labels, SystemClock.now()));
    }
    let receivers: Vec<&str> = routes.iter().map(|route| &*route.receiver).collect();
    if !verify.is_empty() && receivers != verify {
        let message = format!("expected {}, but {} would be told", verify.join(","), receivers.join(","));
        return Err(Exit::Failed(message));
    }
    Ok(ExitCode::SUCCESS)
}

fn read_labels(pairs: &[String]) -> Result<Labels, Exit> {
    let wrong = |pair: &str| Exit::Failed(format!("{pair}: expected label=value"));
    let split = |pair: &String| {
        let parts = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| wrong(pair));
        parts.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
    };
    let pairs: Vec<(String, String)> = pairs.iter().map(split).collect::<Result<_, _>>()?;
    Ok(Labels::from_pairs(pairs))
}

/// Says which silences of the running daemon would keep such an alert quiet.
fn silences(labels: &Labels, daemon: &Daemon) -> Result<(), Exit> {
    let client = ApiClient::new(daemon)?;
    let answer = block_on(client.get("/api/v2/silences", &[]))?;
    let list = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let holds = |silence: &&Value| {
        let matchers = silence["matchers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let matches = |m| read_matcher(m).is_some_and(|matcher| matcher.matches_labels(labels));
        silence["status"]["state"] == "active" && matchers.iter().all(matches)
    };
    let mut found = list.iter().filter(holds).peekable();
    if found.peek().is_none() {
        say("no silence holds for it now");
    }
    for silence in found {
        let text = |key: &str| silence[key].as_str().unwrap_or_default().to_owned();
        let (id, until, by, why) = (text("id"), text("endsAt"), text("createdBy"), text("comment"));
        say(&format!("silenced until {until} by {id} of {by}: {why}"));
    }
    Ok(())
}

fn read_matcher(value: &Value) -> Option<Matcher> {
    let op = match (value["isEqual"].as_bool().unwrap_or(true), value["isRegex"].as_bool()?) {
        (true, false) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (false, true) => MatchOp::NotRegex,
    };
    Matcher::new(op, value["name"].as_str()?, value["value"].as_str()?).ok()
}

/// Who is told by a route, and when.
fn describe(config: &Config, route: &Route, labels: &Labels, now: Timestamp) -> String {
    let mut lines = vec![format!("{} by {}", route.receiver, route.key)];
    let integrations =
        config.receiver(&route.receiver).map(|r| r.integrations.as_slice()).unwrap_or_default();
    let names: Vec<&str> = integrations.iter().map(|integration| &*integration.key).collect();
    let who = if names.is_empty() {
        "nobody: the receiver has no integrations".to_owned()
    } else {
        names.join(", ")
    };
    lines.push(format!("  tells {who}"));
    lines.push(format!("  in the group {}", route.group_by.group_labels(labels)));
    lines.push(format!(
        "  first after {}, changes every {}, repeated every {}",
        format_duration(route.group_wait),
        format_duration(route.group_interval),
        format_duration(route.repeat_interval)
    ));
    for (word, names) in
        [("not during", &route.mute_time_intervals), ("only during", &route.active_time_intervals)]
    {
        if !names.is_empty() {
            lines.push(format!("  {word} {}", names.join(", ")));
        }
    }
    lines.extend(config.muted_by_time(route, now).map(|why| format!("  now it would be kept quiet: {why}")));
    let windows = config.maintenance.iter().filter(|window| window.holds_for(labels, now));
    lines.extend(windows.map(|window| format!("  now it would be kept quiet: maintenance {}", window.name)));
    for step in &route.escalation {
        let after = format_duration(step.after);
        lines.push(format!("  then {} when nobody has acknowledged for {after}", step.receiver));
    }
    lines.join("\n")
}

/// The tree, a route a line.
fn draw(root: &Route) -> String {
    let mut text = format!("{}\n", line(root, "default"));
    draw_children(&mut text, root, "");
    text
}

fn draw_children(text: &mut String, route: &Route, indent: &str) {
    for (index, child) in route.routes.iter().enumerate() {
        let last = index + 1 == route.routes.len();
        let (branch, below) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let matchers = breakwatch_alerts::text::matchers(&child.matchers);
        text.push_str(&format!("{indent}{branch}{}\n", line(child, &matchers)));
        draw_children(text, child, &format!("{indent}{below}"));
    }
}

fn line(route: &Route, matchers: &str) -> String {
    let group_by = match &route.group_by {
        GroupBy::All => "...".to_owned(),
        GroupBy::Labels(names) => names.join(","),
    };
    let goes_on = if route.goes_on { ", continues" } else { "" };
    format!("{matchers}: {} (by {group_by}{goes_on})", route.receiver)
}
