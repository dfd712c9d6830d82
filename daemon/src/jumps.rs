//! Notices when the wall clock is set, or the machine has slept: the wall has gone another way than the monotonic
//! clock.

use std::time::Instant;

use breakwatch_model::{Clock, Timestamp};

/// Smaller steps are how a time daemon corrects a clock in passing, and harm nobody.
const TOLERANCE_MILLIS: i64 = 5_000;

/// Compares the two clocks from look to look.
#[derive(Debug)]
pub struct Jumps {
    wall: Timestamp,
    monotonic: Instant,
}

impl Jumps {
    /// Begins now.
    #[must_use]
    pub fn new(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// The wall's time now, and by how many milliseconds it was moved since the last look, if it was. The caller goes on
    /// with this very time: another look at the clock could already be on the other side of a jump.
    pub fn look(&mut self, clock: &dyn Clock) -> (Timestamp, Option<i64>) {
        let now = Self::new(clock);
        let passed = now.monotonic.saturating_duration_since(self.monotonic).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let moved = now.wall.0.saturating_sub(self.wall.0).saturating_sub(passed);
        *self = now;
        (self.wall, (moved.abs() > TOLERANCE_MILLIS).then_some(moved))
    }
}
