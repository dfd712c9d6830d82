//! What the unit tests share: a clock that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use breakwatch_model::{Clock, SystemClock, Timestamp};

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct SetClock {
    now: AtomicI64,
    start: Instant,
    started_at: i64,
}

impl SetClock {
    pub(crate) fn at(millis: i64) -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(millis), start: SystemClock.monotonic(), started_at: millis })
    }

    pub(crate) fn set(&self, millis: i64) {
        self.now.store(millis, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Instant {
        let passed = self.now.load(Ordering::SeqCst) - self.started_at;
        self.start + Duration::from_millis(u64::try_from(passed).unwrap_or(0))
    }
}
