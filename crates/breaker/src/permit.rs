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
}

impl<'a> Permit<'a> {
    #[inline]
    pub(crate) const fn new(breaker: &'a Breaker, ticket: Ticket) -> Self {
        Self { breaker, ticket }
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
    pub fn record_timed(self, outcome: Outcome, took: Duration, now: Instant) -> Option<Transition> {
        let (breaker, ticket) = self.spend();
        record(breaker, ticket, outcome, Some(took), || now)
    }

    /// As [`Permit::record`], asking for the time only if the outcome depends on it. On the usual path of a
    /// count window it does not.
    #[inline]
    pub fn record_with(self, outcome: Outcome, clock: impl FnOnce() -> Instant) -> Option<Transition> {
        let (breaker, ticket) = self.spend();
        record(breaker, ticket, outcome, None, clock)
    }

    /// As [`Permit::record_with`], for callers who leave transitions to listeners.
    #[inline]
    pub(crate) fn end(self, outcome: Outcome, clock: impl FnOnce() -> Instant) {
        let (breaker, ticket) = self.spend();
        end(breaker, ticket, outcome, clock);
    }

    /// The same permit without a borrow, for a call that outlives this scope.
    #[inline]
    pub fn into_owned(self) -> OwnedPermit {
        let (breaker, ticket) = self.spend();
        OwnedPermit { breaker: breaker.clone(), ticket }
    }

    #[inline]
    const fn spend(self) -> (&'a Breaker, Ticket) {
        let parts = (self.breaker, self.ticket);
        std::mem::forget(self);
        parts
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.breaker.shared().cancel(self.ticket);
    }
}

/// A [`Permit`] that keeps its breaker alive.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct OwnedPermit {
    breaker: Breaker,
    ticket: Ticket,
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
        let ticket = std::mem::replace(&mut self.ticket, Ticket::SPENT);
        record(&self.breaker, ticket, outcome, Some(took), || now)
    }

    /// See [`Permit::record_with`].
    #[inline]
    pub fn record_with(mut self, outcome: Outcome, clock: impl FnOnce() -> Instant) -> Option<Transition> {
        let ticket = std::mem::replace(&mut self.ticket, Ticket::SPENT);
        record(&self.breaker, ticket, outcome, None, clock)
    }

    /// As [`OwnedPermit::record_with`], for callers who leave transitions to listeners.
    #[inline]
    #[cfg(feature = "tower")]
    pub(crate) fn end(mut self, outcome: Outcome, clock: impl FnOnce() -> Instant) {
        let ticket = std::mem::replace(&mut self.ticket, Ticket::SPENT);
        end(&self.breaker, ticket, outcome, clock);
    }
}

impl Drop for OwnedPermit {
    #[inline]
    fn drop(&mut self) {
        if !self.ticket.is_spent() {
            self.breaker.shared().cancel(self.ticket);
        }
    }
}

#[inline]
fn record(
    breaker: &Breaker,
    ticket: Ticket,
    outcome: Outcome,
    took: Option<Duration>,
    clock: impl FnOnce() -> Instant,
) -> Option<Transition> {
    match breaker.shared().record(ticket, outcome, took, clock) {
        Ok(()) => None,
        Err(now) => breaker.shared().record_locked(ticket, outcome, took, now),
    }
}

#[inline]
fn end(breaker: &Breaker, ticket: Ticket, outcome: Outcome, clock: impl FnOnce() -> Instant) {
    if let Err(now) = breaker.shared().record(ticket, outcome, None, clock) {
        forget_transition(breaker, ticket, outcome, now);
    }
}

/// Out of line, so that the busy path does not carry a transition around that it never has.
#[cold]
fn forget_transition(breaker: &Breaker, ticket: Ticket, outcome: Outcome, now: Instant) {
    breaker.shared().record_locked(ticket, outcome, None, now);
}
