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

fn sample(n: i64) -> (SeriesRef, Sample) {
    (SeriesRef(1), Sample::new(Timestamp::from_secs(n), n as f64))
}

/// A store whose breaker opens at the second failure.
fn guarded(capacity: usize) -> (GuardedStore, Arc<Disk>, Arc<Guard>, Instruments) {
    let disk = Arc::new(Disk::default());
    let breakers = Breakers::new(Arc::new(|_, _| {}));
    let config =
        Config { failure_threshold: Some(2), success_threshold: 1, jitter: 0.0, ..Preset::Database.config() };
    let now = SystemClock.monotonic();
    let guard = breakers.ensure(&"store".into(), GuardKind::Store, config, None, now).unwrap();
    let instruments = Instruments::new(Resource::builder_empty().build());
    let clock = Arc::new(SystemClock);
    let mut store = GuardedStore::new(Arc::clone(&disk) as _, Arc::clone(&guard), clock, instruments.clone());
    store.capacity = capacity;
    (store, disk, guard, instruments)
}

fn gauge(store: &GuardedStore, name: &str) -> f64 {
    let families = store.families();
    families.iter().find(|family| &*family.name == name).unwrap().points[0].value
}

#[test]
fn samples_wait_for_the_disk_and_are_written_in_order() {
    let (store, disk, guard, instruments) = guarded(4);
    let write = |n: i64| {
        let _ = store.append(&[sample(n)]).unwrap();
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

#[test]
fn what_is_offered_is_taken_or_given_back_and_never_waits() {
    let (store, disk, guard, _) = guarded(4);
    assert_eq!(store.offer(&[sample(1)]).unwrap().accepted, 1);
    disk.refuses.store(true, Ordering::Relaxed);
    assert!(store.offer(&[sample(2)]).unwrap_err().retry_after.is_none(), "the breaker is closed still");
    let opening = store.offer(&[sample(2)]).unwrap_err().retry_after.unwrap();
    assert!(opening > Duration::ZERO && opening <= Preset::Database.config().open_for, "{opening:?}");
    let asked = *disk.asked.lock();
    assert!(store.offer(&[sample(2)]).unwrap_err().retry_after.is_some());
    assert_eq!((*disk.asked.lock(), store.waiting()), (asked, 0), "the disk is left alone");
    // What the daemon writes itself meanwhile waits, and does not lose its place to what is offered later.
    store.append(&[sample(3)]).unwrap();
    assert_eq!(
        (
            gauge(&store, "breakwatch_store_ring_samples"),
            gauge(&store, "breakwatch_store_ring_capacity_samples")
        ),
        (1.0, 4.0)
    );
    disk.refuses.store(false, Ordering::Relaxed);
    guard.breaker.reset(SystemClock.monotonic());
    assert_eq!(store.offer(&[sample(4)]).unwrap().accepted, 1);
    store.append(&[sample(5)]).unwrap();
    assert_eq!(*disk.taken.lock(), [1.0, 4.0, 3.0, 5.0]);
    assert_eq!(gauge(&store, "breakwatch_store_ring_samples"), 0.0);
}

#[test]
fn results_of_rules_wait_in_the_ring_too() {
    use breakwatch_alerts::rules::{Appending, SampleSink as _};
    use breakwatch_store::memory::MemoryHistory;

    use crate::store::StoreHandle;

    let (store, disk, guard, _) = guarded(4);
    let handle = StoreHandle::new(Arc::new(MemoryHistory::new()), Vec::new).guarded(Arc::new(store));
    disk.refuses.store(true, Ordering::Relaxed);
    let labels = Labels::from_pairs([("__name__", "ALERTS"), ("alertname", "A")]);
    for n in 1..=3 {
        Appending(&*handle.appender()).write(&[(labels.clone(), sample(n).1)]).unwrap();
    }
    assert_eq!(guard.breaker.state(), State::Open);
    let waiting =
        handle.families().into_iter().find(|f| &*f.name == "breakwatch_store_ring_samples").unwrap();
    assert_eq!(waiting.points[0].value, 3.0);
    disk.refuses.store(false, Ordering::Relaxed);
    guard.breaker.reset(SystemClock.monotonic());
    Appending(&*handle.appender()).write(&[(labels, sample(4).1)]).unwrap();
    assert_eq!(*disk.taken.lock(), [1.0, 2.0, 3.0, 4.0]);
}
