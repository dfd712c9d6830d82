//! A clock that moves with tokio's paused time, so that one `start_paused` test moves every timer at once.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use breakwatch_model::{Clock, Timestamp};

/// Wall and monotonic time derived from tokio's clock. The wall can be made to jump without the other.
#[derive(Debug)]
pub struct SimClock {
    origin: tokio::time::Instant,
    wall_origin: Timestamp,
    jump_millis: AtomicI64,
}

impl SimClock {
    /// A clock whose wall shows `wall` now. Call it inside a runtime.
    #[must_use]
    pub fn new(wall: Timestamp) -> Self {
        Self { origin: tokio::time::Instant::now(), wall_origin: wall, jump_millis: AtomicI64::new(0) }
    }

    /// Moves the wall clock by this many milliseconds, as an operator or a time daemon would.
    pub fn jump(&self, millis: i64) {
        self.jump_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = tokio::time::Instant::now().duration_since(self.origin);
        let wall = self.wall_origin + Duration::from_millis(passed.as_millis() as u64);
        Timestamp(wall.0.saturating_add(self.jump_millis.load(Ordering::Relaxed)))
    }

    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_paused_time_and_jumps() {
        let clock = SimClock::new(Timestamp::from_secs(1000));
        let start = clock.monotonic();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(4600));
        clock.jump(-1000);
        assert_eq!(clock.now(), Timestamp::from_secs(4599));
        assert_eq!(clock.monotonic() - start, Duration::from_secs(3600));
    }
}
