//! `query`: PromQL from the terminal, with a table or a small chart.

use std::process::ExitCode;
use std::time::Duration;

use breakwatch_model::{Clock as _, SystemClock, Timestamp};
use breakwatch_plugin_api::parse_duration;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, say, table};

/// `query`.
#[derive(ClapArgs, Debug)]
pub struct Query {
    /// The expression.
    pub expr: String,
    /// At this time instead of now: seconds since the epoch or RFC 3339.
    #[arg(long)]
    pub time: Option<String>,
    /// Over this span up to now (or `--time`), such as `1h`.
    #[arg(long, value_name = "DURATION")]
    pub range: Option<String>,
    /// The step of a range; by default a sixtieth of it.
    #[arg(long, value_name = "DURATION", requires = "range")]
    pub step: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// Columns of a chart.
const CHART_STEPS: u32 = 60;
/// Heights of a chart's columns.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Asks the running daemon.
///
/// # Errors
/// When the daemon cannot be reached or the expression is wrong.
pub fn run(args: &Query) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(&args.daemon)?;
    let end = match &args.time {
        Some(text) => parse_time(text)?,
        None => SystemClock.now(),
    };
    let end_text = end.as_secs_f64().to_string();
    let answer = match &args.range {
        None => block_on(client.get("/api/v1/query", &[("query", &args.expr), ("time", &end_text)]))?,
        Some(range) => {
            let range = duration(range)?;
            let step = args.step.as_deref().map(duration).transpose()?.unwrap_or(range / CHART_STEPS);
            let start = (end - range).as_secs_f64().to_string();
            let step = step.as_secs_f64().max(0.001).to_string();
            let query = [("query", &*args.expr), ("start", &start), ("end", &end_text), ("step", &step)];
            block_on(client.get("/api/v1/query_range", &query))?
        }
    };
    for word in ["warnings", "infos"] {
        for note in answer[word].as_array().into_iter().flatten().filter_map(Value::as_str) {
            super::output::complain(note);
        }
    }
    let data = &answer["data"];
    say(&if args.output == Format::Json { format!("{data:#}") } else { show(data) });
    Ok(ExitCode::SUCCESS)
}

/// A span such as `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, Exit> {
    let parsed = parse_duration(text).filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| Exit::Failed(format!("{text:?} is no duration such as 30s or 1h30m")))
}

/// Seconds since the epoch or RFC 3339.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, Exit> {
    let seconds =
        text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).map(Timestamp::from_secs_f64);
    let time = seconds.or_else(|| Timestamp::parse_rfc3339(text));
    time.ok_or_else(|| Exit::Failed(format!("{text:?} is neither seconds since the epoch nor RFC 3339")))
}

fn show(data: &Value) -> String {
    let result = &data["result"];
    match data["resultType"].as_str() {
        Some("vector") => {
            let rows: Vec<Vec<String>> = items(result)
                .map(|item| {
                    vec![series(&item["metric"]), item["value"][1].as_str().unwrap_or("-").to_owned()]
                })
                .collect();
            if rows.is_empty() { "no data".to_owned() } else { table(&rows) }
        }
        Some("matrix") => {
            let charts: Vec<String> = items(result).map(chart).collect();
            if charts.is_empty() { "no data".to_owned() } else { charts.join("\n") }
        }
        _ => result[1].as_str().unwrap_or("-").to_owned(),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn series(metric: &Value) -> String {
    let labels = metric.as_object().into_iter().flatten();
    let pairs = labels.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    breakwatch_model::Labels::from_pairs(pairs).to_string()
}

/// One series as a line of blocks between its least and its greatest value.
fn chart(item: &Value) -> String {
    let values: Vec<f64> =
        items(&item["values"]).filter_map(|pair| pair[1].as_str()?.parse::<f64>().ok()).collect();
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let block = |value: &f64| {
        if !value.is_finite() {
            return ' ';
        }
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        BLOCKS[((share * 7.0).round() as usize).min(7)]
    };
    let line: String = values.iter().map(block).collect();
    let last = values.last().copied().unwrap_or(f64::NAN);
    format!("{}\n  {line}  min {low} max {high} last {last}", series(&item["metric"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chart_runs_from_its_least_to_its_greatest_value() {
        let item =
            json!({ "metric": { "__name__": "up" }, "values": [[1, "0"], [2, "7"], [3, "NaN"], [4, "3.5"]] });
        assert_eq!(chart(&item), "up\n  ▁█ ▅  min 0 max 7 last 3.5");
    }
}
