//! `report`: availability and recovery, for people, programs and spreadsheets.

use std::process::ExitCode;
use std::time::Duration;

use breakwatch_plugin_api::format_duration;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{colour_of, paint, say, table};

/// `report`.
#[derive(ClapArgs, Debug)]
pub struct Report {
    /// From when on: a span such as `24h`, RFC 3339, or seconds since the epoch; at most thirty days are known.
    #[arg(long, default_value = "30d", value_name = "TIME")]
    pub since: String,
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: ReportFormat,
}

/// How a report is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum ReportFormat {
    /// Aligned columns for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
    /// Comma-separated values (RFC 4180), numbers as they are.
    Csv,
}

/// The columns of a CSV report after the name and the component: keys of the API's figures.
const COLUMNS: [&str; 14] = [
    "availability",
    "measured_seconds",
    "episodes",
    "recovered",
    "recovery_rate",
    "mttr_seconds",
    "mtbf_seconds",
    "time_to_detect_seconds",
    "open_seconds",
    "probes",
    "probe_success",
    "last_failure",
    "last_recovery",
    "grade",
];

/// Prints the report of the running daemon.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub fn run(args: &Report) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(&args.daemon)?;
    let answer = block_on(client.get("/api/v1/recovery", &[("since", &args.since)]))?;
    let data = &answer["data"];
    say(&match args.output {
        ReportFormat::Json => format!("{data:#}"),
        ReportFormat::Csv => csv(data),
        ReportFormat::Table => people(data),
    });
    Ok(ExitCode::SUCCESS)
}

fn subjects(data: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    data["subjects"].as_array().into_iter().flatten().map(|s| (s, &s["windows"]["since"]))
}

fn people(data: &Value) -> String {
    let head = ["NAME", "GRADE", "AVAILABLE", "EPISODES", "RECOVERED", "MTTR", "MTBF", "DETECTED IN", "OPEN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (subject, figures) in subjects(data) {
        let time = |key: &str| figures[key].as_f64().map_or("-".to_owned(), duration);
        let percent =
            |key: &str| figures[key].as_f64().map_or("-".to_owned(), |n| format!("{:.3}%", n * 100.0));
        let grade = figures["grade"].as_str().unwrap_or("-");
        rows.push(vec![
            subject["name"].as_str().unwrap_or("-").to_owned(),
            paint(grade, colour_of(grade)),
            percent("availability"),
            figures["episodes"].to_string(),
            figures["recovered"].to_string(),
            time("mttr_seconds"),
            time("mtbf_seconds"),
            time("time_to_detect_seconds"),
            time("open_seconds"),
        ]);
    }
    let mut text = table(&rows);
    for advice in data["recommendations"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("\n- {advice}"));
    }
    text
}

fn duration(seconds: f64) -> String {
    format_duration(Duration::from_secs(seconds.max(0.0).round() as u64))
}

fn csv(data: &Value) -> String {
    let mut lines = vec![format!("name,component,{}", COLUMNS.join(","))];
    for (subject, figures) in subjects(data) {
        let own = [&subject["name"], &subject["component"]].into_iter();
        let cells = own.chain(COLUMNS.iter().map(|column| &figures[*column])).map(cell);
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\r\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn csv_quotes_what_must_be_and_leaves_unknown_cells_empty() {
        let figures = json!({ "availability": 0.5, "episodes": 1, "mttr_seconds": null, "grade": "healthy" });
        let data = json!({ "subjects": [
            { "name": "http/a,b", "component": "check", "windows": { "since": figures } },
        ] });
        let text = csv(&data);
        let (head, line) = text.split_once("\r\n").unwrap();
        assert_eq!(head.split(',').count(), 16);
        assert_eq!(line, r#""http/a,b",check,0.5,,1,,,,,,,,,,,healthy"#);
    }
}
