//! Values that several sections share, with their limits.

use std::time::Duration;

use breakwatch_model::{Labels, METRIC_NAME, is_valid_label_name};
use breakwatch_plugin_api::{Diagnostics, Node, Section, format_duration, nearest, parse_duration};

/// The shortest interval: ten runs a second are a load test, not a check.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest interval: what is looked at less than weekly is not monitored.
const MAX_INTERVAL: Duration = Duration::from_secs(7 * 24 * 3600);

/// The longest time-out of one run.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// The most repetitions of a failing run; more hide an outage instead of confirming it.
const MAX_RETRIES: u64 = 10;

/// Labels the daemon sets itself.
const OWN_LABELS: [&str; 5] = ["check", "type", "target", "job", "instance"];

/// A duration from `min` to `max`.
pub(crate) fn duration_within(
    section: &mut Section<'_>,
    key: &'static str,
    min: Duration,
    max: Duration,
) -> Option<Duration> {
    section.parse(key, |text| {
        let range = || format!("a duration from {} to {}", format_duration(min), format_duration(max));
        match parse_duration(text) {
            Some(duration) if (min..=max).contains(&duration) => Ok(duration),
            Some(_) => Err(range()),
            None => Err("a duration such as `500ms`, `30s` or `1h30m`".to_owned()),
        }
    })
}

pub(crate) fn interval(section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
    duration_within(section, key, MIN_INTERVAL, MAX_INTERVAL)
}

pub(crate) fn timeout(section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
    duration_within(section, key, Duration::from_millis(1), MAX_TIMEOUT)
}

pub(crate) fn timeout_too_long(interval: Duration) -> String {
    format!("`timeout` is longer than `interval` ({}): runs would overlap", format_duration(interval))
}

pub(crate) fn retries(section: &mut Section<'_>) -> Option<u32> {
    section.integer("retries", 0..=MAX_RETRIES).and_then(|number| u32::try_from(number).ok())
}

pub(crate) fn retry_interval(section: &mut Section<'_>) -> Option<Duration> {
    duration_within(section, "retry_interval", Duration::ZERO, MAX_INTERVAL)
}

pub(crate) fn start_grace(section: &mut Section<'_>) -> Option<Duration> {
    duration_within(section, "start_grace", Duration::ZERO, MAX_INTERVAL)
}

/// A whole number that fits 32 bits.
pub(crate) fn count(
    section: &mut Section<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Option<u32> {
    section.integer(key, range).and_then(|number| u32::try_from(number).ok())
}

/// Labels the user adds to series and alerts.
pub(crate) fn labels(section: &mut Section<'_>, key: &'static str) -> Labels {
    let Some(node) = section.get(key) else { return Labels::empty() };
    check_label_names(node, section.diagnostics());
    Labels::from_pairs(section.string_map(key).unwrap_or_default())
}

fn check_label_names(node: &Node, diagnostics: &Diagnostics) {
    for (key, _) in node.as_map().unwrap_or_default() {
        if OWN_LABELS.contains(&&*key.name) {
            diagnostics.error(&key.place, format!("the label `{}` is set by breakwatch itself", key.name));
        } else if !is_valid_label_name(&key.name) || &*key.name == METRIC_NAME {
            diagnostics.error(&key.place, format!("{:?} is not a label name", &*key.name));
        }
    }
}

/// An absolute `http://` or `https://` address.
pub(crate) fn http_url(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    section.parse(key, |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
        if host.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("an address such as `https://example.org/path`".to_owned());
        }
        Ok(text.to_owned())
    })
}

/// Reports a name that is not among the known ones.
pub(crate) fn unknown<'k>(
    node: &Node,
    message: impl Into<String>,
    given: &str,
    known: impl IntoIterator<Item = &'k str>,
    diagnostics: &Diagnostics,
) {
    match nearest(given, known) {
        Some(word) => diagnostics.error_with_help(&node.place, message, format!("did you mean `{word}`?")),
        None => diagnostics.error(&node.place, message),
    }
}
