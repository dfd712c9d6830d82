//! The one door to the machine's clocks. Pure code takes times as arguments; shells hold a [`Clock`].

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::Timestamp;

/// Tells the time. The simulated one lives in `breakwatch-sim` and follows tokio's paused clock.
pub trait Clock: Send + Sync {
    /// The wall clock: what records and messages carry. May jump.
    fn now(&self) -> Timestamp;
    /// The monotonic clock: what timers and breakers count by. Never goes back.
    fn monotonic(&self) -> Instant;

    /// The wall-clock time of a monotonic moment that is near now.
    fn wall_time(&self, moment: Instant) -> Timestamp {
        let now = self.monotonic();
        match moment.checked_duration_since(now) {
            Some(ahead) => self.now() + ahead,
            None => self.now() - now.saturating_duration_since(moment),
        }
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the module the ban points to")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        // A machine whose clock stands before 1970 counts as being at the epoch.
        Timestamp(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the module the ban points to")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
