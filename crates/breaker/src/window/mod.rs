//! The calls a breaker judges: the last so many, or those of the last so long.

mod count;
mod time;

use crate::config::Window;
use crate::snapshot::WindowSnapshot;
use crate::tick::Tick;

use self::count::CountWindow;
use self::time::TimeWindow;

/// How many calls a window holds, and how they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct WindowStats {
    /// All calls with an outcome that counts.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were slow, failed or not.
    pub slow: u64,
}

impl WindowStats {
    /// The share of failures, 0 to 1; nothing while the window is empty.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.share(self.failures)
    }

    /// The share of slow calls, 0 to 1; nothing while the window is empty.
    #[must_use]
    pub fn slow_rate(&self) -> Option<f64> {
        self.share(self.slow)
    }

    fn share(&self, part: u64) -> Option<f64> {
        (self.calls > 0).then(|| part as f64 / self.calls as f64)
    }
}

/// What a window remembers of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

/// The window of one breaker.
#[derive(Debug)]
pub(crate) enum CallWindow {
    Count(CountWindow),
    Time(TimeWindow),
}

impl CallWindow {
    pub(crate) fn new(window: Window) -> Self {
        match window {
            Window::Count(calls) => Self::Count(CountWindow::new(calls)),
            Window::Time { length, buckets } => Self::Time(TimeWindow::new(length, buckets)),
        }
    }

    /// Takes a call in and lets go of what no longer belongs to the window.
    #[inline]
    pub(crate) fn push(&mut self, now: Tick, mark: Mark) {
        match self {
            Self::Count(window) => window.push(mark),
            Self::Time(window) => window.push(now, mark),
        }
    }

    /// The figures as of the newest call.
    #[inline]
    pub(crate) fn stats(&self) -> WindowStats {
        match self {
            Self::Count(window) => window.stats(),
            Self::Time(window) => window.stats(),
        }
    }

    /// The figures as of `now`, without what has left the window since the newest call.
    pub(crate) fn stats_at(&self, now: Tick) -> WindowStats {
        match self {
            Self::Count(window) => window.stats(),
            Self::Time(window) => window.stats_at(now),
        }
    }

    /// Takes in so many good, quick calls; a time window counts them to its newest bucket.
    pub(crate) fn push_good(&mut self, calls: u64) {
        match self {
            Self::Count(window) => window.push_good(calls),
            Self::Time(window) => window.push_good(calls),
        }
    }

    /// The moment the newest bucket ends; a count window has none.
    #[inline]
    pub(crate) fn newest_end(&self) -> Tick {
        match self {
            Self::Count(_) => Tick::NEVER,
            Self::Time(window) => window.newest_end(),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Count(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }

    pub(crate) fn snapshot(&self, now: Tick) -> WindowSnapshot {
        match self {
            Self::Count(window) => WindowSnapshot::Count(window.snapshot()),
            Self::Time(window) => WindowSnapshot::Time(window.snapshot(now)),
        }
    }

    /// Takes over what fits; a snapshot of the other kind of window cannot be translated and is left out.
    pub(crate) fn restore(&mut self, snapshot: &WindowSnapshot, now: Tick) {
        self.clear();
        match (self, snapshot) {
            (Self::Count(window), WindowSnapshot::Count(calls)) => window.restore(calls),
            (Self::Time(window), WindowSnapshot::Time(buckets)) => window.restore(buckets, now),
            _ => {}
        }
    }
}
