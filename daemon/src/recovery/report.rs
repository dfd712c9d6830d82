//! The recovery report: figures of everything, what they mean, and what to do about it.

use std::collections::BTreeMap;
use std::time::Duration;

use breakwatch_model::{Labels, MetricFamily, Timestamp};
use breakwatch_plugin_api::format_duration;
use serde::Serialize;

use super::{Figures, Grade, Span, figures};
use crate::events::Past;

/// The windows of every report, with their names.
pub const WINDOWS: [(&str, Duration); 4] = [
    ("1h", Duration::from_secs(3600)),
    ("24h", Duration::from_secs(24 * 3600)),
    ("7d", Duration::from_secs(7 * 24 * 3600)),
    ("30d", Duration::from_secs(30 * 24 * 3600)),
];

/// A mean recovery time above this is worth a word.
const SLOW_RECOVERY: f64 = 60.0;
/// So is a failure that is noticed only after this.
const SLOW_DETECTION: f64 = 300.0;
/// A share of probes is judged from this many on.
const ENOUGH_PROBES: usize = 4;

/// One check or breaker in the report.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// What it is: `check`, `notifier`, `exporter`, `store`.
    pub component: String,
    /// Whether its breaker changes its state too often.
    pub flapping: bool,
    /// The figures by window.
    pub windows: BTreeMap<String, Figures>,
    /// What to do, from the longest window.
    pub recommendations: Vec<String>,
}

/// The whole report.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// When it was made.
    pub generated_at: Timestamp,
    /// The worst grade of all.
    pub overall: Grade,
    /// Everything, by name.
    pub subjects: Vec<Subject>,
    /// What to do, each with the name it is about.
    pub recommendations: Vec<String>,
}

/// The report at `now` over these windows, the longest last.
#[must_use]
pub fn report<'a>(
    pasts: impl Iterator<Item = (&'a String, &'a Past)>,
    blind: &[(Timestamp, Timestamp)],
    windows: &[(&str, Duration)],
    now: Timestamp,
) -> Report {
    let subjects: Vec<Subject> = pasts.map(|(name, past)| subject(name, past, blind, windows, now)).collect();
    let longest = windows.last().map_or("", |(name, _)| *name);
    let grades = subjects.iter().filter_map(|s| s.windows.get(longest)).map(|figures| figures.grade);
    let overall = grades.max().unwrap_or(Grade::Healthy);
    let recommendations = subjects
        .iter()
        .flat_map(|s| s.recommendations.iter().map(move |advice| format!("{}: {advice}", s.name)))
        .collect();
    Report { generated_at: now, overall, subjects, recommendations }
}

fn subject(
    name: &str,
    past: &Past,
    blind: &[(Timestamp, Timestamp)],
    windows: &[(&str, Duration)],
    now: Timestamp,
) -> Subject {
    let of = |length: &Duration| figures(past, blind, Span { start: now - *length, end: now });
    let by_window: BTreeMap<String, Figures> =
        windows.iter().map(|(name, length)| ((*name).to_owned(), of(length))).collect();
    let longest = windows.last().and_then(|(name, _)| by_window.get(*name));
    Subject {
        name: name.to_owned(),
        component: past.component.clone(),
        flapping: past.flapping,
        recommendations: longest.map(|figures| recommendations(figures, past.flapping)).unwrap_or_default(),
        windows: by_window,
    }
}

fn recommendations(figures: &Figures, flapping: bool) -> Vec<String> {
    let mut advice = Vec::new();
    let time = |seconds: f64| format_duration(Duration::from_secs(seconds.round() as u64));
    if figures.recovery_rate < 0.5 {
        advice.push(format!(
            "recovered from {} of {} failures: review the thresholds of its breaker, and the target",
            figures.recovered, figures.episodes
        ));
    }
    if let Some(mttr) = figures.mttr_seconds.filter(|seconds| *seconds > SLOW_RECOVERY) {
        advice.push(format!("takes {} to recover on average: optimise its recovery", time(mttr)));
    }
    if let Some(detect) = figures.time_to_detect_seconds.filter(|seconds| *seconds > SLOW_DETECTION) {
        advice.push(format!("fails for {} before it is noticed: shorten its interval", time(detect)));
    }
    if figures.probes >= ENOUGH_PROBES && figures.probe_success.is_some_and(|share| share < 0.5) {
        advice.push("most probes find it still down: a longer `open_for` would spare it".to_owned());
    }
    if flapping {
        advice.push("its breaker flaps: raise `success_threshold` or smooth the cause".to_owned());
    }
    advice
}

/// The windows that are metrics too: what an objective is usually written for.
const METRIC_WINDOWS: [(&str, Duration); 2] = [WINDOWS[1], WINDOWS[3]];

/// The most checks and breakers whose figures are metrics: each is a dozen series. In a larger estate those that have
/// failed come first; the report has them all.
const METRIC_SUBJECTS: usize = 1000;

/// Whose figures are metrics: those with a past, then the rest, by name.
fn chosen(pasts: &BTreeMap<String, Past>) -> impl Iterator<Item = (&String, &Past)> {
    let failed = pasts.iter().filter(|(_, past)| !past.steps.is_empty());
    let never = pasts.iter().filter(|(_, past)| past.steps.is_empty());
    failed.chain(never).take(METRIC_SUBJECTS)
}

/// The figures as metric families. What this costs is bounded, however many checks there are.
#[must_use]
pub fn families(
    pasts: &BTreeMap<String, Past>,
    blind: &[(Timestamp, Timestamp)],
    now: Timestamp,
) -> Vec<MetricFamily> {
    let gauge = MetricFamily::gauge;
    let mut availability =
        gauge("breakwatch_recovery_availability_ratio", "ratio", "Available time over measured time.");
    let mut episodes =
        gauge("breakwatch_recovery_episodes", "", "Episodes in which the breaker was not closed.");
    let mut rate = gauge("breakwatch_recovery_rate_ratio", "ratio", "The share of episodes recovered from.");
    let mut mttr = gauge("breakwatch_recovery_mttr_seconds", "seconds", "Mean time from opening to closing.");
    let mut mtbf = gauge("breakwatch_recovery_mtbf_seconds", "seconds", "Available time per episode.");
    let mut open =
        gauge("breakwatch_recovery_open_seconds", "seconds", "How long the breaker was not closed.");
    let mut flapping = gauge(
        "breakwatch_breaker_flapping",
        "",
        "Whether the breaker changed its state more than six times in fifteen minutes.",
    );
    let own = |name: &str, past: &Past| Labels::from_pairs([("name", name), ("kind", &past.component)]);
    for (name, past) in pasts {
        flapping.push(own(name, past), f64::from(u8::from(past.flapping)));
    }
    let left_out = pasts.len().saturating_sub(METRIC_SUBJECTS) as f64;
    let help = "Checks and breakers whose recovery figures are in the report and not among the metrics.";
    let left_out = gauge("breakwatch_recovery_left_out", "", help).with(Labels::empty(), left_out);
    for (name, past) in chosen(pasts) {
        let own = own(name, past);
        for (window, length) in METRIC_WINDOWS {
            let figures = figures(past, blind, Span { start: now - length, end: now });
            let labels = own.with("window", window);
            let push = |family: &mut MetricFamily, value: Option<f64>| {
                if let Some(value) = value {
                    family.push(labels.clone(), value);
                }
            };
            push(&mut availability, figures.availability);
            push(&mut episodes, Some(figures.episodes as f64));
            push(&mut rate, Some(figures.recovery_rate));
            push(&mut mttr, figures.mttr_seconds);
            push(&mut mtbf, figures.mtbf_seconds);
            push(&mut open, Some(figures.open_seconds));
        }
    }
    vec![availability, episodes, rate, mttr, mtbf, open, flapping, left_out]
}
