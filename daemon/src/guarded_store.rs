//! The store's write path behind a breaker: while the disk refuses, samples wait in a bounded ring and the disk is
//! left alone; when it takes samples again they are written first, in order.
//!
//! What the daemon makes itself (checks, rules, its own metrics) nobody else has: it waits in the ring. Who sends
//! samples by remote write has them still and sends them again: it is told to come back later.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_breaker::Outcome;
use breakwatch_model::{
    Appended, Appender, Clock, Labels, Metadata, MetricFamily, Sample, SeriesRef, StorageError,
};
use parking_lot::Mutex;

use crate::breakers::Guard;
use crate::telemetry::instruments::Instruments;

/// Samples that wait at most: 24 bytes each, a quarter of an hour of 500 checks with ten series every 15 seconds.
const RING: usize = 300_000;

/// An [`Appender`] in front of another one.
pub struct GuardedStore {
    inner: Arc<dyn Appender>,
    guard: Arc<Guard>,
    clock: Arc<dyn Clock>,
    instruments: Instruments,
    ring: Mutex<VecDeque<(SeriesRef, Sample)>>,
    capacity: usize,
}

/// Why samples that were offered were not taken: they are the giver's still.
#[derive(Debug)]
pub struct NotTaken {
    /// What the store says.
    pub error: StorageError,
    /// When it is worth asking again, if the breaker is open.
    pub retry_after: Option<Duration>,
}

impl GuardedStore {
    /// Puts `guard` in front of `inner`.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Appender>,
        guard: Arc<Guard>,
        clock: Arc<dyn Clock>,
        instruments: Instruments,
    ) -> Self {
        Self { inner, guard, clock, instruments, ring: Mutex::default(), capacity: RING }
    }

    /// How many samples wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ring.lock().len()
    }

    /// Writes samples whose giver keeps them until they are taken: they never wait in the ring.
    ///
    /// # Errors
    /// When the breaker is open, or the store takes nothing.
    pub fn offer(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, NotTaken> {
        let Ok(permit) = self.guard.breaker.admit(self.clock.monotonic()).0 else {
            let error = StorageError::Unavailable("the disk takes no samples at present".to_owned());
            return Err(NotTaken { error, retry_after: self.next_probe() });
        };
        let written = self.inner.append(batch);
        let outcome = if written.is_ok() { Outcome::Success } else { Outcome::Failure };
        let _ = permit.record(outcome, self.clock.monotonic());
        written.map_err(|error| NotTaken { error, retry_after: self.next_probe() })
    }

    fn next_probe(&self) -> Option<Duration> {
        let at = self.guard.breaker.next_probe_at()?;
        Some(at.saturating_duration_since(self.clock.monotonic()))
    }

    /// The ring as metric families; what it dropped is counted with everything else that was not stored.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let gauge = |name, help, value: usize| {
            MetricFamily::gauge(name, "", help).with(Labels::empty(), value as f64)
        };
        vec![
            gauge(
                "breakwatch_store_ring_samples",
                "Samples that wait in memory until the disk takes samples again.",
                self.waiting(),
            ),
            gauge(
                "breakwatch_store_ring_capacity_samples",
                "Samples that may wait; beyond it the oldest are dropped.",
                self.capacity,
            ),
        ]
    }

    /// Keeps samples for later; the oldest go when there are too many.
    fn keep(&self, ring: &mut VecDeque<(SeriesRef, Sample)>, batch: &[(SeriesRef, Sample)]) {
        ring.extend(batch);
        let over = ring.len().saturating_sub(self.capacity);
        if over > 0 {
            ring.drain(..over);
            self.instruments.store_dropped("ring_full", over as u64);
        }
    }
}

impl Appender for GuardedStore {
    fn resolve(&self, labels: &Labels, meta: &Metadata) -> SeriesRef {
        self.inner.resolve(labels, meta)
    }

    fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, StorageError> {
        let mut ring = self.ring.lock();
        let started = self.clock.monotonic();
        let Ok(permit) = self.guard.breaker.admit(started).0 else {
            self.keep(&mut ring, batch);
            return Ok(Appended::default());
        };
        let written = if ring.is_empty() {
            self.inner.append(batch)
        } else {
            let mut all: Vec<_> = ring.iter().copied().collect();
            all.extend(batch);
            self.inner.append(&all)
        };
        let (now, outcome) = match &written {
            Ok(_) => {
                ring.clear();
                (self.clock.monotonic(), Outcome::Success)
            }
            Err(_) => {
                self.keep(&mut ring, batch);
                (self.clock.monotonic(), Outcome::Failure)
            }
        };
        // The breaker's listener is told outside the lock: it may lead back here.
        drop(ring);
        let _ = permit.record(outcome, now);
        match written {
            Ok(appended) => Ok(appended),
            Err(error) => {
                tracing::debug!(%error, "the store refuses: samples wait");
                Ok(Appended::default())
            }
        }
    }
}
