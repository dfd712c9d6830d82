//! Counts of calls by outcome, spread over cache lines so that threads do not wait for each other.

use std::sync::atomic::Ordering::Relaxed;

use crate::Outcome;
use crate::sync::{Counter, thread_number};

/// Four lines serve as many threads undisturbed and cost 256 bytes a breaker. A power of two.
const STRIPES: usize = 4;

/// Calls since the breaker was made, by outcome. Each call is in exactly one of them, so the sum is all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Calls {
    /// Calls that succeeded.
    pub success: u64,
    /// Calls that failed.
    pub failure: u64,
    /// Calls that ran into their time-out.
    pub timeout: u64,
    /// Calls that were not let through.
    pub rejected: u64,
    /// Calls that were let through and whose outcome nobody recorded.
    pub cancelled: u64,
}

impl Calls {
    /// Calls that were let through and have ended.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.success + self.failure + self.timeout + self.cancelled
    }

    /// All calls, refused ones included.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.ended() + self.rejected
    }
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe {
    success: Counter,
    failure: Counter,
    timeout: Counter,
    rejected: Counter,
    cancelled: Counter,
}

impl Stripe {
    #[inline]
    fn of(&self, outcome: Outcome) -> &Counter {
        match outcome {
            Outcome::Success => &self.success,
            Outcome::Failure => &self.failure,
            Outcome::Timeout => &self.timeout,
            Outcome::Cancelled => &self.cancelled,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
}

impl Counters {
    #[inline]
    pub(crate) fn count(&self, outcome: Outcome) {
        self.stripe().of(outcome).fetch_add(1, Relaxed);
    }

    #[inline]
    pub(crate) fn reject(&self) {
        self.stripe().rejected.fetch_add(1, Relaxed);
    }

    #[inline]
    fn stripe(&self) -> &Stripe {
        // The bound is a constant power of two, so this is a mask and no check.
        &self.stripes[thread_number() % STRIPES]
    }

    pub(crate) fn sum(&self) -> Calls {
        let mut calls = Calls::default();
        for stripe in &self.stripes {
            calls.success += stripe.success.load(Relaxed);
            calls.failure += stripe.failure.load(Relaxed);
            calls.timeout += stripe.timeout.load(Relaxed);
            calls.rejected += stripe.rejected.load(Relaxed);
            calls.cancelled += stripe.cancelled.load(Relaxed);
        }
        calls
    }

    /// Counts on from `calls`, forgetting what was counted so far.
    pub(crate) fn set(&self, calls: Calls) {
        let mut start = calls;
        for stripe in &self.stripes {
            stripe.success.store(start.success, Relaxed);
            stripe.failure.store(start.failure, Relaxed);
            stripe.timeout.store(start.timeout, Relaxed);
            stripe.rejected.store(start.rejected, Relaxed);
            stripe.cancelled.store(start.cancelled, Relaxed);
            start = Calls::default();
        }
    }
}
