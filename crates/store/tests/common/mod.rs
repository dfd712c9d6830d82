//! What the tests from outside share.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use breakwatch_model::{Clock, SystemClock, Timestamp};

/// 2023-11-15T00:00:00Z: the start of a day.
pub(crate) const START: i64 = 1_700_006_400_000;

/// A clock that stands where it is put, with the machine's own monotonic time.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn at(millis: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(millis)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

/// Lets real time pass, for tests of other processes.
#[expect(clippy::disallowed_methods, reason = "a child process lives in real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
