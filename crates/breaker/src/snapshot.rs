//! The state of a breaker as plain data, to be written down and read back after a restart.
//!
//! All times are durations, because the monotonic clock of the next process starts somewhere else. Who
//! restores a snapshot after a while ages it first, so that open times run on while nobody was there.

use std::time::Duration;

use crate::{Calls, State, TransitionCounts};

/// Everything a breaker knows, as of one moment. Taken by [`Breaker::snapshot`](crate::Breaker::snapshot),
/// put back by [`Breaker::restore`](crate::Breaker::restore).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// Whether a person holds it there.
    pub held: bool,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Good probes in a row while half-open.
    pub probe_successes: u32,
    /// How often the breaker has opened since it was last closed; the backoff goes on from here.
    pub open_count: u32,
    /// How long the latest opening lasts in all.
    pub open_for: Duration,
    /// While open and not held: how much of that is left.
    pub open_left: Duration,
    /// The age of the latest opening.
    pub opened_ago: Option<Duration>,
    /// The age of the first opening since the breaker was last closed.
    pub first_opened_ago: Option<Duration>,
    /// The age of the latest failure.
    pub last_failure_ago: Option<Duration>,
    /// The age of the latest change of state.
    pub last_transition_ago: Option<Duration>,
    /// How long the latest recovery took.
    pub last_recovery: Option<Duration>,
    /// The calls in the window.
    pub window: WindowSnapshot,
    /// Calls by outcome.
    pub calls: Calls,
    /// Changes of state.
    pub transitions: TransitionCounts,
}

/// The calls in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum WindowSnapshot {
    /// Of a count window: each call, oldest first.
    Count(Vec<CallSnapshot>),
    /// Of a time window: the buckets that hold calls, oldest first.
    Time(Vec<BucketSnapshot>),
}

impl Default for WindowSnapshot {
    fn default() -> Self {
        Self::Count(Vec::new())
    }
}

/// One call of a count window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CallSnapshot {
    /// It failed.
    pub failed: bool,
    /// It was slow.
    pub slow: bool,
}

/// One bucket of a time window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BucketSnapshot {
    /// How long ago the bucket began.
    pub age: Duration,
    /// The calls in it.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that were slow.
    pub slow: u32,
}

impl Snapshot {
    /// This snapshot as it would be `by` later, had the breaker lived on without a call.
    ///
    /// ```
    /// # use breakwatch_breaker::{Snapshot, State};
    /// # use std::time::Duration;
    /// let saved = Snapshot { state: State::Open, open_left: Duration::from_secs(20), ..Snapshot::default() };
    /// assert_eq!(saved.aged(Duration::from_secs(5)).open_left, Duration::from_secs(15));
    /// ```
    #[must_use]
    pub fn aged(mut self, by: Duration) -> Self {
        self.open_left = self.open_left.saturating_sub(by);
        let ages = [
            &mut self.opened_ago,
            &mut self.first_opened_ago,
            &mut self.last_failure_ago,
            &mut self.last_transition_ago,
        ];
        for age in ages.into_iter().flatten() {
            *age = age.saturating_add(by);
        }
        if let WindowSnapshot::Time(buckets) = &mut self.window {
            for bucket in buckets {
                bucket.age = bucket.age.saturating_add(by);
            }
        }
        self
    }
}
