//! Bulkheads: how many runs of one kind, and against one host, may be under way at once.
//!
//! Without them a host that hangs collects runs until nothing else gets a turn. A run takes a slot of its host first
//! and of its kind second, so that runs that wait for a hung host do not hold slots others of their kind could use.
//! Waiting is bounded twice: so many wait at most, and none longer than the bulkhead allows or its own time-out. A run
//! that gets no slot has found nothing out: its status is unknown.

mod all;
mod one;
#[cfg(test)]
mod tests;

pub use all::{Bulkheads, Slots};
pub use one::{Bulkhead, Refused, Slot, Stats};
