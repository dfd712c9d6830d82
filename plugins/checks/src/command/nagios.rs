//! The protocol of Nagios plugins: an exit code, a line for people, more lines, and performance data.
//!
//! Source: the Monitoring Plugins development guidelines. The first line is text, optionally `|` and performance data;
//! further lines are long text until a `|`, after which everything is performance data.

mod perfdata;
mod range;

use breakwatch_model::{CheckFailure, FailureReason, Labels, MetricFamily};
use breakwatch_plugin_api::Recorder;

use super::words::with_words;
use perfdata::Perfdata;

/// The most performance data taken of one run: a plugin that prints more has lost its mind.
const MAX_PERFDATA: usize = 256;

/// A plugin's output, taken apart.
#[derive(Clone, PartialEq, Debug, Default)]
struct Output {
    /// The first line without its performance data.
    text: String,
    /// Further lines without theirs.
    long_text: String,
    perfdata: Vec<Perfdata>,
}

impl Output {
    fn parse(output: &str) -> Self {
        let (first, rest) = output.split_once('\n').unwrap_or((output, ""));
        let (text, first_data) = first.split_once('|').unwrap_or((first, ""));
        let (long_text, more_data) = rest.split_once('|').unwrap_or((rest, ""));
        let mut perfdata: Vec<Perfdata> = Vec::new();
        for found in perfdata::parse(first_data).chain(perfdata::parse(more_data)) {
            let known = perfdata.iter().any(|known| known.label == found.label);
            if !known && perfdata.len() < MAX_PERFDATA {
                perfdata.push(found);
            }
        }
        Self { text: text.trim().to_owned(), long_text: long_text.trim().to_owned(), perfdata }
    }
}

/// Judges a plugin: 0 healthy, 1 degraded, 2 unhealthy; anything else means the plugin does not know.
pub(super) fn judge(code: i32, output: &str, error: &str, rec: &mut Recorder) -> Result<(), CheckFailure> {
    let output = Output::parse(output);
    record(&output.perfdata, rec);
    if !output.long_text.is_empty() {
        rec.fact("long output", &output.long_text);
    }
    // A plugin that fails early may speak on the other stream only, or not on the first line.
    let said = [&output.text, &output.long_text, error].into_iter().find(|text| !text.trim().is_empty());
    let said = said.map_or("", |text| text.trim());
    if !said.is_empty() {
        rec.fact("text", said.replace('\n', " "));
    }
    let failure = |reason, state: &str| {
        let message = if said.is_empty() {
            format!("{state}, without a word")
        } else {
            with_words(String::new(), said)
        };
        CheckFailure::new(reason, message.trim_start_matches(": "))
    };
    match code {
        0 => Ok(()),
        1 => {
            rec.degrade(failure(FailureReason::Status, "WARNING (exit code 1)"));
            Ok(())
        }
        2 => Err(failure(FailureReason::Status, "CRITICAL (exit code 2)")),
        3 => Err(failure(FailureReason::Internal, "UNKNOWN (exit code 3)")),
        _ => {
            let message = with_words(format!("exit code {code} is none of Nagios'"), said);
            Err(CheckFailure::new(FailureReason::Internal, message))
        }
    }
}

/// Performance data as series, in base units.
fn record(perfdata: &[Perfdata], rec: &mut Recorder) {
    if perfdata.is_empty() {
        return;
    }
    let family = |name: &'static str, help: &str| MetricFamily::gauge(name, "", help);
    let mut values =
        family("breakwatch_command_perfdata", "Performance data of a Nagios plugin, in base units.");
    let mut warn =
        family("breakwatch_command_perfdata_warn", "Ends of the range outside of which is a warning.");
    let mut crit =
        family("breakwatch_command_perfdata_crit", "Ends of the range outside of which is critical.");
    let mut min = family("breakwatch_command_perfdata_min", "The least value possible.");
    let mut max = family("breakwatch_command_perfdata_max", "The greatest value possible.");
    for data in perfdata {
        let (unit, factor) = data.base_unit();
        let labels = Labels::from_pairs([("label", data.label.as_str()), ("unit", unit)]);
        values.push(labels.clone(), data.value * factor);
        for (family, range) in [(&mut warn, &data.warn), (&mut crit, &data.crit)] {
            for (bound, end) in range.iter().flat_map(range::Range::ends) {
                family.push(labels.with("bound", bound), end * factor);
            }
        }
        for (family, limit) in [(&mut min, data.min), (&mut max, data.max)] {
            if let Some(limit) = limit {
                family.push(labels.clone(), limit * factor);
            }
        }
    }
    for family in [values, warn, crit, min, max] {
        if !family.points.is_empty() {
            rec.family(family);
        }
    }
}

#[cfg(test)]
mod tests;
