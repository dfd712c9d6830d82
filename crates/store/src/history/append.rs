//! Taking samples, and the tick that makes them durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use breakwatch_model::{Appended, Appender, Labels, Metadata, Sample, SeriesRef, StorageError};

use super::stats::count;
use super::{History, Shared};
use crate::family::family_name;
use crate::head::Taken;
use crate::incident::Unit;
use crate::index::{Record, put_records};
use crate::wal::{KIND_SAMPLES, KIND_SEALED, KIND_SERIES, Queued, frame_of};

/// Bytes of samples that may wait for a disk that does not take them: a minute of 100,000 samples a second.
/// Beyond it samples are dropped and counted.
const MAX_WAITING: usize = 24 << 20;

/// The reference of a series that could not be made; samples for it are dropped.
pub(crate) const REFUSED: SeriesRef = SeriesRef(u64::MAX);

impl Appender for History {
    fn resolve(&self, labels: &Labels, meta: &Metadata) -> SeriesRef {
        self.shared.resolve(labels, meta)
    }

    fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, StorageError> {
        if self.shared.closed.load(Ordering::Relaxed) {
            return Err(StorageError::Unavailable("the history is closed".to_owned()));
        }
        let appended = self.shared.append(batch);
        self.shared
            .counters
            .add(&appended.unwrap_or(Appended { dropped: batch.len(), ..Appended::default() }));
        appended.ok_or_else(|| {
            let why = "the disk takes no samples and too many are waiting for it";
            StorageError::Unavailable(why.to_owned())
        })
    }
}

impl Shared {
    fn resolve(&self, labels: &Labels, meta: &Metadata) -> SeriesRef {
        let family = family_name(labels.metric_name(), meta.kind);
        {
            let index = self.index.read();
            let known = index.metadata().get(family).is_some_and(|known| known == meta);
            if let Some(id) = index.lookup(labels).filter(|_| known) {
                return SeriesRef(u64::from(id));
            }
        }
        let mut index = self.index.write();
        let found = index.lookup(labels);
        if found.is_none() && index.len() >= self.max_series {
            count(&self.counters.series_refused, 1);
            return REFUSED;
        }
        let news = index.set_metadata(family, meta);
        let created = found.is_none().then(|| index.create(labels, family, self.dir.now()));
        let mut live = self.live.write();
        if news {
            live.definitions.push(Record::Metadata(Arc::from(family), meta.clone()));
        }
        if let Some(definition) = created {
            live.head.add_series(definition.id, definition.place.group, definition.place.slot);
            let id = definition.id;
            live.definitions.push(Record::Series(definition));
            return SeriesRef(u64::from(id));
        }
        found.map_or(REFUSED, |id| SeriesRef(u64::from(id)))
    }

    /// Takes a batch; `None` when too much is waiting for the disk.
    fn append(&self, batch: &[(SeriesRef, Sample)]) -> Option<Appended> {
        let now = self.dir.now();
        let latest = now + self.future_limit;
        let mut appended = Appended::default();
        let mut live = self.live.write();
        if live.choked {
            return None;
        }
        let frame = live.frame();
        live.head.set_now(now);
        for (reference, sample) in batch {
            if sample.t > latest {
                appended.too_far_ahead += 1;
                continue;
            }
            if sample.t < live.floor {
                appended.out_of_order += 1;
                continue;
            }
            let Ok(id) = u32::try_from(reference.0) else {
                appended.dropped += 1;
                continue;
            };
            match live.head.push(id, *sample, frame, latest) {
                Taken::Yes => live.pending.put(id, *sample),
                Taken::Jumped => {
                    count(&self.counters.clock_jumps, 1);
                    live.pending.put(id, *sample);
                }
                Taken::Already => {}
                Taken::Duplicate => {
                    appended.duplicate += 1;
                    continue;
                }
                Taken::OutOfOrder => {
                    appended.out_of_order += 1;
                    continue;
                }
                Taken::Unknown => {
                    appended.dropped += 1;
                    continue;
                }
            }
            appended.accepted += 1;
        }
        live.choked = live.pending.bytes.len() > MAX_WAITING;
        Some(appended)
    }

    /// Writes what was gathered since the last tick.
    pub(crate) fn tick(&self) -> Result<(), StorageError> {
        let _one = self.ticking.lock();
        let now = self.dir.now();
        let (definitions, sealed, samples, tick) = {
            let mut live = self.live.write();
            let definitions = std::mem::take(&mut live.definitions);
            let sealed = std::mem::take(&mut live.sealed);
            let samples = std::mem::take(&mut live.pending);
            let tick = live.tick;
            if !definitions.is_empty() || !sealed.is_empty() || samples.count > 0 {
                live.tick += 1;
            }
            (definitions, sealed, samples, tick)
        };
        let mut wal = self.wal.lock();
        let mut queue = |kind: u8, payload: Vec<u8>| {
            if !payload.is_empty() {
                wal.queue(Queued { number: frame_of(tick, kind), kind, payload });
            }
        };
        let mut payload = Vec::new();
        if !definitions.is_empty() {
            put_records(&mut payload, &definitions);
        }
        queue(KIND_SERIES, payload);
        let mut payload = Vec::new();
        sealed.iter().for_each(|sealed| sealed.put(&mut payload));
        queue(KIND_SEALED, payload);
        queue(KIND_SAMPLES, samples.bytes);
        let start = self.dir.clock().monotonic();
        // Names first: no sample is durable before its series has a name.
        let written = self.registry.lock().append(definitions).and_then(|()| wal.write(now));
        let took = self.dir.clock().monotonic().saturating_duration_since(start);
        self.counters.last_sync_micros.store(took.as_micros() as u64, Ordering::Relaxed);
        let waiting = wal.queued_bytes();
        drop(wal);
        self.live.write().choked = waiting > MAX_WAITING;
        self.note_health(written.as_ref().err());
        written.map_err(|error| StorageError::io("cannot write samples to the log", &error))
    }

    /// Reports the step into trouble and the step out of it, once each.
    pub(crate) fn note_health(&self, error: Option<&std::io::Error>) {
        let was = self.log_failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was => {
                let message =
                    format!("samples cannot be made durable ({error}); history is degraded, pages go on");
                self.dir.report(Unit::Disk, message, None);
            }
            None if was => tracing::info!("store_recovered: samples are durable again"),
            _ => {}
        }
    }
}
