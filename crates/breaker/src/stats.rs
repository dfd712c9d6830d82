//! The figures of one breaker at one moment.

use std::time::Duration;

use crate::{Calls, State, TransitionCounts, WindowStats};

/// A consistent picture of a breaker: everything is read under one lock, at one moment.
///
/// Moments are told as the time that has passed since, so that they survive a restart of the machine.
/// The counts in [`Stats::calls`] only grow, and are never reset by a change of state.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// The state.
    pub state: State,
    /// Whether a person holds it there.
    pub held: bool,
    /// Calls by outcome since the breaker was made.
    pub calls: Calls,
    /// The calls in the window, as of the moment asked for.
    pub window: WindowStats,
    /// Failures in a row, probes included; 0 after a success while closed and after a recovery.
    pub consecutive_failures: u32,
    /// Good probes in a row while half-open.
    pub probe_successes: u32,
    /// Probes that are running.
    pub probes_in_flight: u32,
    /// How often the breaker has opened since it was last closed.
    pub open_count: u32,
    /// While open: how long this opening lasts in all. Nothing if it is held open.
    pub open_for: Option<Duration>,
    /// While open or half-open: the time since the latest opening.
    pub opened_ago: Option<Duration>,
    /// While open: the time until a call is let through as a probe; zero if one would be now. Nothing if held.
    pub next_probe_in: Option<Duration>,
    /// While open or half-open: the time since the breaker first left the closed state.
    pub first_opened_ago: Option<Duration>,
    /// The time since the latest failure.
    pub last_failure_ago: Option<Duration>,
    /// The time since the latest change of state.
    pub last_transition_ago: Option<Duration>,
    /// How long the latest recovery took, from the first opening to the closing.
    pub last_recovery: Option<Duration>,
    /// How often each change of state has happened.
    pub transitions: TransitionCounts,
}

impl Stats {
    /// The share of failures in the window; nothing while it is empty.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.window.failure_rate()
    }
}
