//! Counts of calls by outcome, spread over cache lines so that threads do not wait for each other.

use std::sync::atomic::Ordering::Relaxed;

use crate::Outcome;
use crate::sync::{AtomicU64, Counter, STRIPES, stripe};

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

/// As long as a cache line, so that the same counter of two stripes is never on one line, wherever the first
/// begins. (Aligning them to lines as well would cost each breaker a hundred bytes of padding.)
#[derive(Debug, Default)]
#[repr(C)]
struct Stripe {
    success: Counter,
    failure: Counter,
    timeout: Counter,
    cancelled: Counter,
    // The busy ones come last: a line's length away from what is published before the first stripe.
    unused: u64,
    /// Good calls that were recorded without the lock and are put into the window later.
    settled: AtomicU64,
    rejected: Counter,
    also_unused: u64,
}

const _: () = assert!(size_of::<Stripe>() >= 64, "a cache line");

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

    /// Counts a good call that the core will learn of the next time it is locked.
    #[inline]
    pub(crate) fn settle(&self) {
        self.stripe().settled.fetch_add(1, Relaxed);
    }

    /// All good calls ever counted by [`Counters::settle`]. Never goes back.
    #[inline]
    pub(crate) fn settled(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.settled.load(Relaxed)).sum()
    }

    #[inline]
    pub(crate) fn reject(&self) {
        self.stripe().rejected.fetch_add(1, Relaxed);
    }

    #[inline]
    fn stripe(&self) -> &Stripe {
        let [first, ..] = &self.stripes;
        self.stripes.get(stripe()).unwrap_or(first)
    }

    pub(crate) fn sum(&self) -> Calls {
        let mut calls = Calls { success: self.settled(), ..Calls::default() };
        for stripe in &self.stripes {
            // Wraps where `set` went below zero.
            calls.success = calls.success.wrapping_add(stripe.success.load(Relaxed));
            calls.failure += stripe.failure.load(Relaxed);
            calls.timeout += stripe.timeout.load(Relaxed);
            calls.rejected += stripe.rejected.load(Relaxed);
            calls.cancelled += stripe.cancelled.load(Relaxed);
        }
        calls
    }

    /// Counts on from `calls`, forgetting what was counted so far.
    pub(crate) fn set(&self, calls: Calls) {
        // What is settled stays counted, for the core remembers how much of it it knows.
        let mut start = Calls { success: calls.success.wrapping_sub(self.settled()), ..calls };
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
