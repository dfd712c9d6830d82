//! The store's write path behind a breaker: while the disk refuses, samples wait in a bounded ring and the disk is
//! left alone; when it takes samples again they are written first, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use breakwatch_breaker::Outcome;
use breakwatch_model::{Appended, Appender, Clock, Labels, Metadata, Sample, SeriesRef, StorageError};
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use breakwatch_breaker::{Config, Preset, State};
    use breakwatch_model::{SystemClock, Timestamp};
    use opentelemetry_sdk::Resource;

    use super::*;
    use crate::breakers::{Breakers, GuardKind};

    #[derive(Default)]
    struct Disk {
        refuses: AtomicBool,
        asked: Mutex<u32>,
        taken: Mutex<Vec<f64>>,
    }

    impl Appender for Disk {
        fn resolve(&self, _: &Labels, _: &Metadata) -> SeriesRef {
            SeriesRef(1)
        }

        fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, StorageError> {
            *self.asked.lock() += 1;
            if self.refuses.load(Ordering::Relaxed) {
                return Err(StorageError::Unavailable("full".to_owned()));
            }
            self.taken.lock().extend(batch.iter().map(|(_, sample)| sample.v));
            Ok(Appended { accepted: batch.len(), ..Appended::default() })
        }
    }

    #[test]
    fn samples_wait_for_the_disk_and_are_written_in_order() {
        let disk = Arc::new(Disk::default());
        let breakers = Breakers::new(Arc::new(|_, _| {}));
        let config = Config { failure_threshold: Some(2), success_threshold: 1, ..Preset::Database.config() };
        let now = SystemClock.monotonic();
        let guard = breakers.ensure(&"store".into(), GuardKind::Store, config, None, now).unwrap();
        let instruments = Instruments::new(Resource::builder_empty().build());
        let mut store = GuardedStore::new(
            Arc::clone(&disk) as _,
            Arc::clone(&guard),
            Arc::new(SystemClock),
            instruments.clone(),
        );
        store.capacity = 4;
        let write = |n: i64| {
            let sample = Sample::new(Timestamp::from_secs(n), n as f64);
            store.append(&[(SeriesRef(1), sample)]).unwrap();
        };
        write(0);
        disk.refuses.store(true, Ordering::Relaxed);
        for n in 1..=5 {
            write(n);
        }
        assert_eq!(guard.breaker.state(), State::Open);
        assert_eq!(*disk.asked.lock(), 3, "the disk is left alone while the breaker is open");
        assert_eq!(store.waiting(), 4, "the oldest went");
        disk.refuses.store(false, Ordering::Relaxed);
        guard.breaker.reset(SystemClock.monotonic());
        write(6);
        assert_eq!(*disk.taken.lock(), [0.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(store.waiting(), 0);
        let dropped = instruments.collect();
        let dropped = dropped.iter().find(|f| &*f.name == "breakwatch_store_dropped_samples_total").unwrap();
        assert_eq!(dropped.points[0].value, 1.0);
    }
}
