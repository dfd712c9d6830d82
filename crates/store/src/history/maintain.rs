//! Moving data on: lanes to chunks, days to blocks, old blocks out, and the log after them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use breakwatch_model::{StorageError, Timestamp};

use super::Shared;
use super::stats::count;
use crate::chunk::{Rows, encode};
use crate::codec::Effort;
use crate::head::Frozen;
use crate::hot::{Checkpoint, Key};
use crate::incident::Unit;
use crate::wal::Sealed;

/// Sealed lanes wait for company this long, because storing costs three syncs whatever their number.
const GATHER_TIME: Duration = Duration::from_secs(60);

/// As many waiting lanes are stored at once whatever their age.
const GATHER_LANES: usize = 128;

/// Memory for lanes that cannot be stored; beyond it the oldest are given up.
const FROZEN_LIMIT: usize = 64 << 20;

/// A sled value beyond this goes into a file of its own; a chunk this large is cut in two.
const CHUNK_LIMIT: usize = 60 << 10;

impl Shared {
    /// One round of everything that is due.
    pub(crate) fn maintain(&self) -> Result<(), StorageError> {
        let _one = self.maintaining.lock();
        let now = self.dir.now();
        let sealed = self.seal(now, false);
        let finished = self.finish_days(now);
        let retired = self.retire(now);
        sealed.and(finished).and(retired)
    }

    /// Freezes what is due and stores it when there is enough of it. With `all` everything is stored now.
    pub(crate) fn seal(&self, now: Timestamp, all: bool) -> Result<(), StorageError> {
        let durable = self.log.durable();
        let frozen = {
            let mut live = self.live.write();
            live.head.freeze_due(now, all);
            live.head.frozen()
        };
        let waited =
            frozen.first().is_some_and(|oldest| now - GATHER_TIME >= oldest.since || now < oldest.since);
        if frozen.is_empty() || !(all || waited || frozen.len() >= GATHER_LANES) {
            return Ok(());
        }
        // What is not in the log yet may still be lost, and then must not be half there.
        let mut days: BTreeMap<i64, Vec<Arc<Frozen>>> = BTreeMap::new();
        for frozen in frozen.into_iter().filter(|frozen| frozen.lane.frames.1 < durable) {
            days.entry(frozen.lane.day()).or_default().push(frozen);
        }
        let mut outcome = Ok(());
        for (day, lanes) in days {
            if let Err(error) = self.store(day, &lanes) {
                self.storing_failed(day, &error);
                outcome = Err(error);
            }
        }
        self.hot_failing.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    }

    /// Stores lanes of one day, notes that they are, and forgets them.
    fn store(&self, day: i64, lanes: &[Arc<Frozen>]) -> Result<(), StorageError> {
        let mut chunks: Vec<(Key, Vec<u8>)> = Vec::with_capacity(lanes.len());
        for frozen in lanes {
            put_chunks(frozen.lane.group, &frozen.lane.to_rows(), &mut chunks);
        }
        self.hot.put(day, &mut chunks)?;
        let sealed: Vec<Sealed> = lanes.iter().map(|frozen| sealed_of(day, frozen)).collect();
        let replay_from = {
            let mut live = self.live.write();
            live.head.drop_frozen(lanes);
            live.sealed.extend(sealed);
            live.head.first_frame(live.frame())
        };
        self.write_checkpoint(replay_from)
    }

    /// Notes how far the hot tier is durable.
    pub(crate) fn write_checkpoint(&self, replay_from: u64) -> Result<(), StorageError> {
        let durable = self.log.durable();
        let numbers = self.index.read().next();
        let holes = self.holes.clone();
        let void = self.void.lock().clone();
        let checkpoint = Checkpoint { replay_from, durable, numbers, holes, void, days: self.hot.days() };
        let written = checkpoint.write(&self.dir);
        written.map_err(|error| StorageError::io("cannot write the checkpoint", &error))?;
        self.checkpointed.store(replay_from, Ordering::Relaxed);
        Ok(())
    }

    /// Trouble with the disk passes, and the lanes wait; anything else means that the day's store is not to be
    /// trusted any more: it is set aside and what the log still has of it stored anew.
    fn storing_failed(&self, day: i64, error: &StorageError) {
        let first = !self.hot_failing.load(Ordering::Relaxed);
        if let StorageError::Io { disk_full, .. } = error {
            self.hot.reopen_later(day);
            if first && !disk_full {
                self.dir.report(Unit::Hot, format!("chunks cannot be stored: {error}"), None);
            }
        } else {
            self.hot.lose(day, &error.to_string());
            self.cache.clear();
            if let Err(error) = self.rebuild_day(day) {
                let frame = self.live.read().frame();
                self.void.lock().push((day, frame));
                self.dir.report(
                    Unit::Hot,
                    format!("day {day} could not be rebuilt from the log: {error}"),
                    None,
                );
            }
        }
        let mut live = self.live.write();
        let mut given_up = 0;
        while live.head.frozen_bytes() > FROZEN_LIMIT {
            given_up += live.head.drop_oldest_frozen();
        }
        count(&self.counters.dropped, given_up as u64);
    }
}

fn sealed_of(day: i64, frozen: &Frozen) -> Sealed {
    let lane = &frozen.lane;
    let spans = lane.spans().collect();
    Sealed { day, group: lane.group, last_frame: lane.frames.1, start: lane.start, end: lane.end(), spans }
}

/// Encodes rows as one chunk, or as several if it would be too large.
pub(crate) fn put_chunks(group: u32, rows: &Rows, out: &mut Vec<(Key, Vec<u8>)>) {
    let bytes = encode(rows, Effort::Quick);
    if bytes.len() <= CHUNK_LIMIT || rows.columns.len() < 2 {
        let range = breakwatch_model::TimeRange::new(
            Timestamp(rows.times.first().copied().unwrap_or_default()),
            Timestamp(rows.times.last().copied().unwrap_or_default()),
        );
        // From the content, so that storing the same chunk twice is storing it once.
        let serial = crc32fast::hash(&bytes) as u16;
        out.push((Key::of(group, range, serial), bytes));
        return;
    }
    let (left, right) = rows.columns.split_at(rows.columns.len() / 2);
    for half in [left, right] {
        put_chunks(group, &Rows { times: rows.times.clone(), columns: half.to_vec() }, out);
    }
}
