//! What is told about a change of state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Reason, State, WindowStats};

/// A change of state, with the figures that led to it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The name of the breaker.
    pub breaker: Arc<str>,
    /// Grows with every change of this breaker; orders transitions that reach a listener from several threads.
    pub sequence: u64,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// When, as the caller told the time.
    pub at: Instant,
    /// Failures in a row, probes included, that led here. On closing: how many the episode had seen last.
    pub consecutive_failures: u32,
    /// Good probes in a row that led here.
    pub probe_successes: u32,
    /// The window at this moment.
    pub window: WindowStats,
    /// How often the breaker has opened since it was last closed.
    pub open_count: u32,
    /// On opening: how long it will stay open. Nothing if it is held open.
    pub open_for: Option<Duration>,
    /// The time since the breaker first left the closed state, across re-openings; on closing that is the
    /// recovery duration. Nothing on the transition that leaves closed.
    pub since_first_opened: Option<Duration>,
}

impl Transition {
    /// The share of failures in the window; nothing while it is empty.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.window.failure_rate()
    }

    /// On closing: the time from the first opening of the episode to here, across re-openings.
    #[must_use]
    pub fn recovery_duration(&self) -> Option<Duration> {
        if self.to == State::Closed { self.since_first_opened } else { None }
    }

    /// Whether this is an opening that follows a failed try to recover.
    #[must_use]
    pub fn is_reopening(&self) -> bool {
        self.to == State::Open && self.from == State::HalfOpen
    }
}

/// How often each change of state has happened. Changes that only a person can cause are included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TransitionCounts {
    /// Closed to open.
    pub closed_open: u64,
    /// Closed to half-open, only by force.
    pub closed_half_open: u64,
    /// Open to half-open.
    pub open_half_open: u64,
    /// Open to closed, only by force or reset.
    pub open_closed: u64,
    /// Half-open to closed.
    pub half_open_closed: u64,
    /// Half-open to open.
    pub half_open_open: u64,
}

impl TransitionCounts {
    /// Each change of state with its count, for a metric with the labels `from_state` and `to_state`.
    #[must_use]
    pub const fn by_states(&self) -> [(State, State, u64); 6] {
        [
            (State::Closed, State::Open, self.closed_open),
            (State::Closed, State::HalfOpen, self.closed_half_open),
            (State::Open, State::HalfOpen, self.open_half_open),
            (State::Open, State::Closed, self.open_closed),
            (State::HalfOpen, State::Closed, self.half_open_closed),
            (State::HalfOpen, State::Open, self.half_open_open),
        ]
    }

    pub(crate) const fn count(&mut self, from: State, to: State) {
        let counter = match (from, to) {
            (State::Closed, State::Open) => &mut self.closed_open,
            (State::Closed, State::HalfOpen) => &mut self.closed_half_open,
            (State::Open, State::HalfOpen) => &mut self.open_half_open,
            (State::Open, State::Closed) => &mut self.open_closed,
            (State::HalfOpen, State::Closed) => &mut self.half_open_closed,
            (State::HalfOpen, State::Open) => &mut self.half_open_open,
            (State::Closed, State::Closed)
            | (State::Open, State::Open)
            | (State::HalfOpen, State::HalfOpen) => return,
        };
        *counter += 1;
    }
}
