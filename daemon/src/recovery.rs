//! Recovery analytics: how available something was, how often it failed, how fast it came back. Pure: computed from
//! the event log alone, so the figures are the same before and after a restart.
//!
//! An *episode* runs from the first opening of a breaker to its final closing, across re-openings. Time in which
//! nothing was measured (status unknown, the daemon cut off or down) is counted neither way.

mod report;

use std::collections::VecDeque;
use std::time::Duration;

use breakwatch_breaker::State;
use breakwatch_model::{Status, Timestamp};
use serde::Serialize;

use crate::events::{Past, Step};
pub use report::{Report, Subject, WINDOWS, families, report};

/// One failure of something, from the breaker's point of view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Episode {
    /// When the first failed run of it began, where runs have a status.
    pub failed: Option<Timestamp>,
    /// When the breaker opened.
    pub opened: Timestamp,
    /// When it closed for good.
    pub closed: Option<Timestamp>,
}

/// A span of time, its end excluded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The beginning.
    pub start: Timestamp,
    /// The end.
    pub end: Timestamp,
}

impl Span {
    fn overlap(self, start: Timestamp, end: Timestamp) -> Duration {
        end.min(self.end).since(start.max(self.start))
    }

    fn holds(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// How it has been, as a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// At least nine in ten failures were recovered from.
    Healthy,
    /// At least seven in ten.
    Degraded,
    /// At least half.
    Unhealthy,
    /// Fewer.
    Critical,
}

impl Grade {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Critical => "critical",
        }
    }

    /// The grade of a share of recovered episodes, made worse by a breaker that is not closed now.
    #[must_use]
    pub fn of(recovery_rate: f64, now: State) -> Self {
        let by_rate = match recovery_rate {
            rate if rate >= 0.9 => Self::Healthy,
            rate if rate >= 0.7 => Self::Degraded,
            rate if rate >= 0.5 => Self::Unhealthy,
            _ => Self::Critical,
        };
        let by_state = match now {
            State::Closed => Self::Healthy,
            State::HalfOpen => Self::Degraded,
            State::Open => Self::Unhealthy,
        };
        by_rate.max(by_state)
    }
}

/// Figures of one check or breaker in one window. Durations are in seconds; what cannot be said is `null`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Figures {
    /// Available time over measured time; degraded is available.
    pub availability: Option<f64>,
    /// How long a status was known.
    pub measured_seconds: f64,
    /// Episodes that lie in the window, with part of them at least.
    pub episodes: usize,
    /// Those of them that have ended.
    pub recovered: usize,
    /// Their share; 1 when there were none.
    pub recovery_rate: f64,
    /// Mean time from opening to closing, of the episodes that ended in the window.
    pub mttr_seconds: Option<f64>,
    /// Available time per episode that began in the window.
    pub mtbf_seconds: Option<f64>,
    /// Mean time from the first failed run to the opening, of the episodes that began in the window.
    pub time_to_detect_seconds: Option<f64>,
    /// How long the breaker was not closed.
    pub open_seconds: f64,
    /// Attempts at recovery that were decided.
    pub probes: usize,
    /// The share of them that succeeded.
    pub probe_success: Option<f64>,
    /// When the last failure began.
    pub last_failure: Option<Timestamp>,
    /// When it last recovered.
    pub last_recovery: Option<Timestamp>,
    /// How it has been.
    pub grade: Grade,
}

/// The figures of a window that ends now. `blind` are the spans in which nothing was measured, in order.
#[must_use]
pub fn figures(past: &Past, blind: &[(Timestamp, Timestamp)], window: Span) -> Figures {
    let (available, measured) = availability(&past.statuses, blind, window);
    // What happened at the moment from which on nothing was known was still seen.
    let cut_off = |at: Timestamp| blind.iter().any(|(start, end)| *start < at && at < *end);
    let all: Vec<Episode> = episodes(past).into_iter().filter(|episode| !cut_off(episode.opened)).collect();
    let touching: Vec<&Episode> = all
        .iter()
        .filter(|e| e.opened < window.end && e.closed.is_none_or(|closed| closed >= window.start))
        .collect();
    let begun: Vec<&Episode> = touching.iter().copied().filter(|e| window.holds(e.opened)).collect();
    let repairs = touching.iter().filter_map(|e| Some(e.closed?.since(e.opened)));
    let recovered = repairs.clone().count();
    let recovery_rate = if touching.is_empty() { 1.0 } else { recovered as f64 / touching.len() as f64 };
    let (succeeded, probes) = probes(&past.steps, window);
    let open = touching.iter().map(|e| window.overlap(e.opened, e.closed.unwrap_or(window.end)));
    let state = past.steps.back().map_or(State::Closed, |step| step.to);
    let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    Figures {
        availability: ratio(available.as_secs_f64(), measured.as_secs_f64()),
        measured_seconds: measured.as_secs_f64(),
        episodes: touching.len(),
        recovered,
        recovery_rate,
        mttr_seconds: mean(repairs),
        mtbf_seconds: ratio(available.as_secs_f64(), begun.len() as f64),
        time_to_detect_seconds: mean(begun.iter().filter_map(|e| Some(e.opened.since(e.failed?)))),
        open_seconds: open.sum::<Duration>().as_secs_f64(),
        probes,
        probe_success: ratio(succeeded as f64, probes as f64),
        last_failure: all.last().map(|e| e.failed.unwrap_or(e.opened)),
        last_recovery: all.iter().rev().find_map(|e| e.closed),
        grade: Grade::of(recovery_rate, state),
    }
}

fn mean(durations: impl Iterator<Item = Duration>) -> Option<f64> {
    let (count, sum) = durations.fold((0_u32, 0.0), |(n, sum), d| (n + 1, sum + d.as_secs_f64()));
    (count > 0).then(|| sum / f64::from(count))
}

/// Available and measured time in a window.
fn availability(
    statuses: &VecDeque<(Timestamp, Status)>,
    blind: &[(Timestamp, Timestamp)],
    window: Span,
) -> (Duration, Duration) {
    let (mut available, mut measured) = (Duration::ZERO, Duration::ZERO);
    for (i, (start, status)) in statuses.iter().enumerate() {
        let end = statuses.get(i + 1).map_or(window.end, |(next, _)| *next);
        if *status == Status::Unknown || end <= window.start {
            continue;
        }
        let span = Span { start: (*start).max(window.start), end: end.min(window.end) };
        let unseen: Duration = blind.iter().map(|(from, to)| span.overlap(*from, *to)).sum();
        let seen = span.end.since(span.start).saturating_sub(unseen);
        measured += seen;
        if *status != Status::Unhealthy {
            available += seen;
        }
    }
    (available, measured)
}

/// Every episode of a past, oldest first.
#[must_use]
pub fn episodes(past: &Past) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    for step in &past.steps {
        match (step.to, episodes.last_mut().filter(|episode| episode.closed.is_none())) {
            (State::Open, None) => episodes.push(Episode {
                failed: failing_since(&past.statuses, step.at),
                opened: step.at,
                closed: None,
            }),
            (State::Closed, Some(episode)) => episode.closed = Some(step.at),
            _ => {}
        }
    }
    episodes
}

/// Since when a check had been failing at a time, if it was.
fn failing_since(statuses: &VecDeque<(Timestamp, Status)>, at: Timestamp) -> Option<Timestamp> {
    // In order of time: a breaker that flapped for a month has a hundred thousand of them.
    let (since, status) =
        statuses.get(statuses.partition_point(|(start, _)| *start <= at).checked_sub(1)?)?;
    (*status == Status::Unhealthy).then_some(*since)
}

/// Attempts at recovery in a window: those that succeeded, and all that were decided.
fn probes(steps: &VecDeque<Step>, window: Span) -> (usize, usize) {
    let pairs = steps.iter().zip(steps.iter().skip(1));
    let decided = pairs
        .filter(|(before, after)| before.to == State::HalfOpen && window.holds(after.at))
        .map(|(_, after)| after.to);
    let (mut succeeded, mut all) = (0, 0);
    for to in decided {
        all += 1;
        succeeded += usize::from(to == State::Closed);
    }
    (succeeded, all)
}

#[cfg(test)]
mod tests;
