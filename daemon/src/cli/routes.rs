//! `routes show|test`: the routing tree of a configuration, without a daemon.

use std::process::ExitCode;

use breakwatch_alerts::Config;
use breakwatch_alerts::config::{GroupBy, Route};
use breakwatch_model::Labels;
use breakwatch_plugin_api::format_duration;
use clap::{Args as ClapArgs, Subcommand};

use super::exit::Exit;
use super::options::ConfigFiles;
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
        RoutesCommand::Test { labels, verify, files } => test(&*load(files)?, labels, verify),
    }
}

fn load(files: &ConfigFiles) -> Result<std::sync::Arc<Config>, Exit> {
    Ok(super::validate::load(files)?.alerting.config)
}

fn test(config: &Config, labels: &[String], verify: &[String]) -> Result<ExitCode, Exit> {
    let labels = read_labels(labels)?;
    let routes = config.route.matching(&labels);
    for route in &routes {
        say(&describe(config, route, &labels));
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

/// Who is told by a route, and when.
fn describe(config: &Config, route: &Route, labels: &Labels) -> String {
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
