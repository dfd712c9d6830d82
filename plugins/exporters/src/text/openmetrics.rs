//! OpenMetrics 1.0.0.
//!
//! Stricter than the text format: a counter's family is named without `_total`, a unit must end the name,
//! counters and histograms hold no NaN and nothing negative. What does not fit a type is written under
//! another one, or left out, so that the rest can be read.

use std::collections::HashSet;

use breakwatch_model::{MetricFamily, MetricKind, Point, Suffix};

use super::family::{Content, Family, Histogram, Summary, collect};
use super::number::{canonical, write_value};
use super::{BYTES_PER_POINT, write_escaped, write_labels, written_name};

/// Families as OpenMetrics 1.0.0, sorted by name and labels, with the closing `# EOF`.
#[must_use]
pub fn write_openmetrics<'f>(families: impl IntoIterator<Item = &'f MetricFamily>) -> Vec<u8> {
    let (families, points) = collect(families);
    let mut out = Vec::with_capacity(points * BYTES_PER_POINT + 6);
    let mut names = HashSet::new();
    for family in &families {
        let shown = Shown::of(family);
        // `x` beside `x_total`: one family name, two types. The first in name order stays.
        if names.insert(shown.name) {
            write_family(&mut out, family, &shown);
        }
    }
    out.extend_from_slice(b"# EOF\n");
    out
}

/// A family as this format names and types it.
struct Shown<'f> {
    name: &'f str,
    /// The name as it is written.
    written: Vec<u8>,
    kind: &'static str,
    /// What every plain sample's name has behind the family's.
    suffix: &'static str,
}

impl<'f> Shown<'f> {
    fn new(name: &'f str, kind: &'static str, suffix: &'static str) -> Self {
        Self { name, written: written_name(name), kind, suffix }
    }

    fn of(family: &Family<'f>) -> Self {
        let as_is = |kind| Self::new(family.name, kind, "");
        let without = |suffix| family.name.strip_suffix(suffix).filter(|name| !name.is_empty());
        match (family.meta.kind, &family.content) {
            (MetricKind::Counter, Content::Plain(points)) => match without("_total") {
                Some(name) if points.iter().any(|point| is_counter_value(point.value)) => {
                    Self::new(name, "counter", "_total")
                }
                // Without `_total` no reader would find the series under its name again.
                _ => as_is("unknown"),
            },
            (MetricKind::Info, Content::Plain(points)) => match without("_info") {
                Some(name) if points.iter().all(|point| point.value == 1.0) => {
                    Self::new(name, "info", "_info")
                }
                _ => as_is("gauge"),
            },
            (MetricKind::Histogram, _) => as_is("histogram"),
            (MetricKind::Summary, _) => as_is("summary"),
            (MetricKind::Unknown, _) => as_is("unknown"),
            // A state set's label must bear the family's name, which ours do not.
            _ => as_is("gauge"),
        }
    }
}

/// A counter counts up from zero.
fn is_counter_value(value: f64) -> bool {
    value >= 0.0
}

fn write_family(out: &mut Vec<u8>, family: &Family<'_>, shown: &Shown<'_>) {
    let mut header = |keyword: &str, write: &dyn Fn(&mut Vec<u8>)| {
        out.extend_from_slice(keyword.as_bytes());
        out.extend_from_slice(&shown.written);
        out.push(b' ');
        write(out);
        out.push(b'\n');
    };
    header("# TYPE ", &|out| out.extend_from_slice(shown.kind.as_bytes()));
    let unit = &*family.meta.unit;
    let named = shown.name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    if !unit.is_empty() && named && !matches!(shown.kind, "info" | "stateset") {
        header("# UNIT ", &|out| out.extend_from_slice(unit.as_bytes()));
    }
    if !family.meta.help.is_empty() {
        header("# HELP ", &|out| write_escaped(out, &family.meta.help, true));
    }
    match &family.content {
        Content::Plain(points) => {
            let counter = shown.kind == "counter";
            for point in points.iter().filter(|point| !counter || is_counter_value(point.value)) {
                write_point(out, shown, point);
            }
        }
        Content::Histograms(histograms) => {
            histograms.iter().for_each(|histogram| write_histogram(out, shown, histogram));
        }
        Content::Summaries(summaries) => {
            summaries.iter().for_each(|summary| write_summary(out, shown, summary));
        }
    }
}

fn write_point(out: &mut Vec<u8>, shown: &Shown<'_>, point: &Point) {
    out.extend_from_slice(&shown.written);
    out.extend_from_slice(shown.suffix.as_bytes());
    write_labels(out, &point.labels, None);
    write_end(out, point.value);
}

fn write_histogram(out: &mut Vec<u8>, shown: &Shown<'_>, histogram: &Histogram<'_>) {
    for (bound, labels, value) in &histogram.buckets {
        out.extend_from_slice(&shown.written);
        out.extend_from_slice(Suffix::Bucket.as_str().as_bytes());
        write_labels(out, labels, Some(&canonical(*bound)));
        write_end(out, *value);
    }
    // A sum that can fall is no counter, and this format has none then.
    let negative = histogram.buckets.first().is_some_and(|(bound, ..)| *bound < 0.0);
    let sum = histogram.sum.filter(|sum| is_counter_value(*sum) && !negative);
    let count = sum.is_some().then_some(histogram.count);
    for (suffix, value) in [(Suffix::Sum, sum), (Suffix::Count, count)] {
        let Some(value) = value else { continue };
        out.extend_from_slice(&shown.written);
        out.extend_from_slice(suffix.as_str().as_bytes());
        write_labels(out, histogram.labels, None);
        write_end(out, value);
    }
}

fn write_summary(out: &mut Vec<u8>, shown: &Shown<'_>, summary: &Summary<'_>) {
    for point in summary.quantiles.iter().chain(&summary.sum).chain(&summary.count) {
        if point.suffix == Suffix::None || is_counter_value(point.value) {
            out.extend_from_slice(&shown.written);
            out.extend_from_slice(point.suffix.as_str().as_bytes());
            write_labels(out, &point.labels, None);
            write_end(out, point.value);
        }
    }
}

fn write_end(out: &mut Vec<u8>, value: f64) {
    out.push(b' ');
    write_value(out, value);
    out.push(b'\n');
}
