//! The right to make one call. It cannot leak: dropped without an outcome it counts as cancelled and gives
//! its slot back; used late, after the breaker moved on, it changes nothing.

use std::time::{Duration, Instant};

use crate::breaker::Breaker;
use crate::shared::Ticket;
use crate::{Outcome, Transition};

/// The right to make one call, to be turned in with its outcome.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    ticket: Ticket,
    ended: bool,
}

impl<'a> Permit<'a> {
    pub(crate) const fn new(breaker: &'a Breaker, ticket: Ticket) -> Self {
        Self { breaker, ticket, ended: false }
    }

    /// The breaker that let the call through.
    #[must_use]
    pub const fn breaker(&self) -> &'a Breaker {
        self.breaker
    }

    /// Ends the call. The breaker judges it as of `now`; with [`Config::slow_call`](crate::Config::slow_call)
    /// the call took from admission to `now`.
    #[inline]
    pub fn record(self, outcome: Outcome, now: Instant) -> Option<Transition> {
        self.record_with(outcome, || now)
    }

    /// Ends a call that took `took`, whenever it was admitted: for work that was done in several tries, or
    /// measured by somebody else.
    #[inline]
    pub fn record_timed(mut self, outcome: Outcome, took: Duration, now: Instant) -> Option<Transition> {
        self.ended = true;
        self.breaker.shared().record(self.ticket, outcome, Some(took), || now)
    }

    /// As [`Permit::record`], asking for the time only if the outcome depends on it. On the usual path of a
    /// count window it does not.
    #[inline]
    pub fn record_with(mut self, outcome: Outcome, clock: impl FnOnce() -> Instant) -> Option<Transition> {
        self.ended = true;
        self.breaker.shared().record(self.ticket, outcome, None, clock)
    }

    /// The same permit without a borrow, for a call that outlives this scope.
    pub fn into_owned(mut self) -> OwnedPermit {
        self.ended = true;
        OwnedPermit { breaker: self.breaker.clone(), ticket: self.ticket, ended: false }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.shared().cancel(self.ticket);
        }
    }
}

/// A [`Permit`] that keeps its breaker alive.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct OwnedPermit {
    breaker: Breaker,
    ticket: Ticket,
    ended: bool,
}

impl OwnedPermit {
    /// The breaker that let the call through.
    #[must_use]
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// See [`Permit::record`].
    #[inline]
    pub fn record(self, outcome: Outcome, now: Instant) -> Option<Transition> {
        self.record_with(outcome, || now)
    }

    /// See [`Permit::record_timed`].
    #[inline]
    pub fn record_timed(mut self, outcome: Outcome, took: Duration, now: Instant) -> Option<Transition> {
        self.ended = true;
        self.breaker.shared().record(self.ticket, outcome, Some(took), || now)
    }

    /// See [`Permit::record_with`].
    #[inline]
    pub fn record_with(mut self, outcome: Outcome, clock: impl FnOnce() -> Instant) -> Option<Transition> {
        self.ended = true;
        self.breaker.shared().record(self.ticket, outcome, None, clock)
    }
}

impl Drop for OwnedPermit {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.shared().cancel(self.ticket);
        }
    }
}
