//! Giving back: old blocks, the log that is not needed any more, and series that have no samples left.

use std::sync::atomic::Ordering;
use std::time::Duration;

use breakwatch_model::{StorageError, Timestamp};
use rustc_hash::FxHashMap;

use super::Shared;
use crate::head::DAY;
use crate::index::image;

/// The log is kept this long beyond need: it is what a lost chunk store is rebuilt from, and what exporters
/// that were away read.
const WAL_KEPT: Duration = Duration::from_secs(2 * 3600 + 900);

/// But beyond need no more than this much of it.
const WAL_KEPT_BYTES: u64 = 256 << 20;

impl Shared {
    /// Removes what retention does not keep.
    pub(crate) fn retire(&self, now: Timestamp) -> Result<(), StorageError> {
        let retention = *self.retention.lock();
        let raw = self.blocks.retire(false, now, retention.raw, retention.raw_bytes)?;
        let rollups = self.blocks.retire(true, now, retention.rollups, retention.rollup_bytes)?;
        if raw + rollups > 0 {
            self.cache.clear();
            self.forget_series(now)?;
        }
        self.trim_log(now)
    }

    fn trim_log(&self, now: Timestamp) -> Result<(), StorageError> {
        let first = {
            let live = self.live.read();
            live.head.first_frame(live.frame())
        };
        // After a crash between storing chunks and noting it, memory needs less of the log than the checkpoint on
        // disk asks for; were that gone, the next opening would take it for a loss. Where not even the checkpoint
        // can be written, space is worth more than a false alarm.
        if first > self.checkpointed.load(Ordering::Relaxed)
            && let Err(error) = self.write_checkpoint(first)
        {
            tracing::debug!("the log is given back without a checkpoint: {error}");
        }
        let mut wal = self.wal.lock();
        let needed = first.min(self.log.durable());
        let trimmed = wal.trim(needed, now - WAL_KEPT, WAL_KEPT_BYTES);
        trimmed.map_err(|error| StorageError::io("cannot remove old segments of the log", &error))
    }

    /// Drops series of which no sample is left anywhere and none came for a day.
    fn forget_series(&self, now: Timestamp) -> Result<(), StorageError> {
        let mut held: FxHashMap<u32, u32> = FxHashMap::default();
        for block in self.blocks.list().iter() {
            // A block that cannot be read may hold anything: better a name too many than one too few.
            let Some(index) = self.block_index(block) else { return Ok(()) };
            index.groups().for_each(|(group, mask)| *held.entry(group).or_default() |= mask);
        }
        for (day, _) in self.hot.days() {
            let keys = self.hot.day_keys(day).map(|(_, keys)| keys).unwrap_or_default();
            keys.iter().for_each(|key| {
                held.insert(key.group, u32::MAX);
            });
        }
        let idle = Timestamp(now.0.saturating_sub(DAY));
        let mut index = self.index.write();
        let mut live = self.live.write();
        let gone: Vec<u32> = index
            .iter()
            .filter(|(id, entry)| {
                let stored =
                    held.get(&entry.place.group).is_some_and(|mask| mask & 1 << (entry.place.slot & 31) != 0);
                let recent = live.head.last(*id).is_some_and(|last| last.t > idle) || entry.created_at > idle;
                !stored && !recent
            })
            .map(|(id, _)| id)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        index.remove(&gone);
        live.head.remove_series(&gone);
        drop(live);
        drop(index);
        // Whoever defines a series meanwhile waits for the registry, not for the index.
        let mut registry = self.registry.lock();
        let image = image(&self.index.read(), registry.next_generation());
        registry
            .replace(&image)
            .map_err(|error| StorageError::io("cannot rewrite the series registry", &error))
    }
}
