//! `rules backtest`: when would each alert have fired, had it been there all the time? Asked of the stored history, by
//! the running daemon's query API or straight from a data directory that no daemon has open.

mod episodes;
mod past;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use breakwatch_alerts::rules::{AlertConfig, GroupConfig, RuleConfig, RuleFile};
use breakwatch_model::{Clock as _, Labels, METRIC_NAME, SystemClock, Timestamp};
use breakwatch_plugin_api::format_duration;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, complain, say, table};
use super::query::{duration, parse_time};
use super::rules::read_file;
use episodes::{Episode, Tracker};
use past::Past;

/// `rules …`.
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Say when each alert would have fired on stored history.
    Backtest(Backtest),
}

/// `rules backtest`.
#[derive(ClapArgs, Debug)]
pub struct Backtest {
    /// The rule files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// How far to look back, such as `30d`.
    #[arg(long, value_name = "DURATION")]
    pub since: String,
    /// Look up to this time instead of now: seconds since the epoch or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// How often groups without an interval of their own are evaluated; 15s if not said.
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// Read this data directory, which no daemon may have open, instead of asking the daemon.
    #[arg(long, value_name = "DIRECTORY")]
    pub data: Option<PathBuf>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// How often a group without an interval is evaluated unless the command line says otherwise; the daemon's default.
const INTERVAL: Duration = Duration::from_secs(15);

/// What one rule would have done.
struct Story<'a> {
    group: &'a GroupConfig,
    rule: &'a AlertConfig,
    episodes: Vec<Episode>,
}

/// Says for each alert of the files when it would have fired.
///
/// # Errors
/// Files with mistakes, a history that cannot be asked.
pub(super) fn run(args: &Backtest) -> Result<ExitCode, Exit> {
    let files = args.files.iter().map(|path| read_file(path)).collect::<Result<Vec<_>, _>>()?;
    warn_of_recorded(&files);
    let end = args.until.as_deref().map_or_else(|| Ok(SystemClock.now()), parse_time)?;
    let since = duration(&args.since)?;
    let default = args.interval.as_deref().map_or(Ok(INTERVAL), duration)?;
    let past = match &args.data {
        Some(path) => Past::open(path)?,
        None => Past::daemon(&args.daemon)?,
    };
    let mut stories = Vec::new();
    for group in files.iter().flat_map(|file| &file.groups) {
        let step = group.interval.unwrap_or(default);
        for rule in &group.rules {
            let RuleConfig::Alert(rule) = rule else { continue };
            let offset = group.query_offset.unwrap_or_default();
            let episodes = replay(&past, rule, end - since, end, step, offset)?;
            stories.push(Story { group, rule, episodes });
        }
    }
    say(&match args.output {
        Format::Table => show(&stories, since),
        Format::Json => format!("{:#}", to_json(&stories)),
    });
    Ok(ExitCode::SUCCESS)
}

/// Evaluates a rule over the past, a piece at a time.
fn replay(
    past: &Past,
    rule: &AlertConfig,
    start: Timestamp,
    end: Timestamp,
    step: Duration,
    offset: Duration,
) -> Result<Vec<Episode>, Exit> {
    let mut tracker = Tracker::new(step, rule.hold, rule.keep_firing_for);
    let millis = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    // On the grid, so that a second run gives the same answer.
    let mut from = Timestamp(start.0.div_euclid(millis).saturating_add(1).saturating_mul(millis));
    while from <= end {
        let last = Timestamp(from.0.saturating_add(millis.saturating_mul(past::MAX_POINTS - 1))).min(end);
        let series = past.range(rule.query.text(), from - offset, last - offset, step);
        let named = |exit: Exit| match exit {
            Exit::Failed(text) => Exit::Failed(format!("alert {}: {text}", rule.name)),
            other => other,
        };
        for (labels, samples) in series.map_err(named)? {
            let labels = labels.without_name();
            samples.iter().for_each(|sample| tracker.holds(&labels, sample.t + offset, sample.v));
        }
        from = last + step;
    }
    Ok(tracker.finish(end))
}

/// An alert that reads what a rule beside it records sees only what was stored of it.
fn warn_of_recorded(files: &[RuleFile]) {
    let rules = || files.iter().flat_map(|file| &file.groups).flat_map(|group| &group.rules);
    let recorded: BTreeSet<&str> = rules()
        .filter_map(|rule| match rule {
            RuleConfig::Record(rule) => Some(&*rule.name),
            RuleConfig::Alert(_) => None,
        })
        .collect();
    for rule in rules() {
        let RuleConfig::Alert(rule) = rule else { continue };
        let selectors = rule.query.expr().selectors();
        let names = selectors.iter().flat_map(|selector| &selector.matchers);
        let read =
            names.filter(|matcher| matcher.name() == METRIC_NAME && recorded.contains(matcher.value()));
        for matcher in read {
            complain(&format!(
                "{}: {} reads {}, which these files record: only what is stored of it counts",
                rule.place,
                rule.name,
                matcher.value()
            ));
        }
    }
}

/// The alert's labels as far as they are plain text, over those of the series.
fn labels(rule: &AlertConfig, episode: &Episode) -> Labels {
    let plain = rule.labels.iter().map(|(name, template)| (name, template.text()));
    plain
        .filter(|(_, text)| !text.contains("{{"))
        .fold(episode.labels.clone(), |labels, (name, text)| labels.with(&**name, text))
}

fn show(stories: &[Story<'_>], since: Duration) -> String {
    let cells = |cells: [&str; 6]| cells.map(str::to_owned).to_vec();
    let mut rows = vec![cells(["ALERT", "FIRED", "RESOLVED", "FOR", "VALUE", "LABELS"])];
    let (mut quiet, mut fired) = (Vec::new(), 0);
    for story in stories {
        if story.episodes.is_empty() {
            quiet.push(&*story.rule.name);
        }
        for episode in &story.episodes {
            fired += 1;
            let until = episode.resolved_at.map_or("still fires".to_owned(), |at| at.to_string());
            rows.push(vec![
                story.rule.name.to_string(),
                episode.fired_at.to_string(),
                until,
                format_duration(episode.lasted()),
                episode.value.to_string(),
                labels(story.rule, episode).to_string(),
            ]);
        }
    }
    let mut text = if fired > 0 { table(&rows) + "\n\n" } else { String::new() };
    if !quiet.is_empty() {
        text.push_str(&format!("never fired: {}\n", quiet.join(", ")));
    }
    text.push_str(&format!("{} alerts over {}: fired {fired} times", stories.len(), format_duration(since)));
    text
}

fn to_json(stories: &[Story<'_>]) -> serde_json::Value {
    let describe = |story: &Story<'_>| {
        let episodes = story.episodes.iter().map(|episode| {
            json!({
                "labels": labels(story.rule, episode),
                "activeAt": episode.active_at.to_rfc3339(),
                "firedAt": episode.fired_at.to_rfc3339(),
                "resolvedAt": episode.resolved_at.map(Timestamp::to_rfc3339),
                "value": episode.value.to_string(),
            })
        });
        json!({
            "file": &*story.rule.place.file,
            "group": &*story.group.name,
            "alert": &*story.rule.name,
            "fired": episodes.collect::<Vec<_>>(),
        })
    };
    stories.iter().map(describe).collect()
}
