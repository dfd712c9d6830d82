//! Finishing a day: its chunks become one block and one block of rollups, and the day's store goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Sample, StorageError, TimeRange, Timestamp};

use super::Shared;
use crate::block::{Buckets, Kind, Writer};
use crate::chunk::{Chunk, Rows};
use crate::codec::Effort;
use crate::head::DAY;
use crate::hot::{Chunks, Key};
use crate::index::{Definition, Index, Place, Record};

/// A day is finished this long after midnight, so that the last runs of its checks are in.
const GRACE: Duration = Duration::from_secs(600);

/// Samples of a past day that come later than that (somebody fills in history) keep it open until none came for
/// this long.
const QUIET: Duration = Duration::from_secs(1800);

/// A day is decoded in pieces of this many milliseconds, to bound memory for checks that run every second.
const PIECE: i64 = DAY / 4;

impl Shared {
    /// Makes blocks of the days that are over.
    pub(crate) fn finish_days(&self, now: Timestamp) -> Result<(), StorageError> {
        let days = self.hot.days().into_iter().map(|(day, _)| day);
        // In order: finishing a day closes all before it.
        let due: Vec<i64> = days.take_while(|day| self.is_over(*day, now)).collect();
        for day in due {
            self.finish(day, now)?;
        }
        Ok(())
    }

    /// Whether a day is over and nobody is still sending samples of it.
    fn is_over(&self, day: i64, now: Timestamp) -> bool {
        let end = Timestamp((day + 1).saturating_mul(DAY)) + GRACE;
        let touched = self.live.read().head.touched(day).max(self.hot.touched(day));
        // A little after `now`, too: samples come in while this round of maintenance runs. Much after it, the clock
        // was set back, and what it said before counts for nothing.
        let late = |touched: Timestamp| touched > end && touched < now + QUIET && touched + QUIET > now;
        end <= now && !touched.is_some_and(late)
    }

    fn finish(&self, day: i64, now: Timestamp) -> Result<(), StorageError> {
        let end = Timestamp((day + 1).saturating_mul(DAY));
        {
            let mut live = self.live.write();
            live.floor = live.floor.max(end);
        }
        self.seal(now, true)?;
        if self.live.read().head.has_day(day) {
            // Not in the log yet; the next round finds them there.
            return Ok(());
        }
        self.build_blocks(day)?;
        self.hot.remove(day)?;
        self.void.lock().retain(|(void, _)| *void > day);
        self.cache.clear();
        let live = self.live.read();
        let replay_from = live.head.first_frame(live.frame());
        drop(live);
        self.write_checkpoint(replay_from)
    }

    fn build_blocks(&self, day: i64) -> Result<(), StorageError> {
        let Some((store, keys)) = self.hot.day_keys(day) else { return Ok(()) };
        let fail =
            |error: &std::io::Error| StorageError::io(format!("cannot write the block of day {day}"), error);
        let (disk, dir) = (self.dir.disk(), self.blocks.path());
        let mut raw = Writer::begin(disk, &dir, Kind::Raw, day, Effort::Thorough).map_err(|e| fail(&e))?;
        let mut rollup = match Writer::begin(disk, &dir, Kind::Rollup, day, Effort::Thorough) {
            Ok(rollup) => rollup,
            Err(error) => {
                raw.abandon();
                return Err(fail(&error));
            }
        };
        for group in keys.chunk_by(|a, b| a.group == b.group) {
            let written = self.pieces(day, group, &*store).and_then(|(pieces, buckets)| {
                let number = group.first().map_or(0, |key| key.group);
                raw.group(number, &pieces).map_err(|error| fail(&error))?;
                rollup.group(number, &[buckets.rows()]).map_err(|error| fail(&error))
            });
            if let Err(error) = written {
                raw.abandon();
                rollup.abandon();
                return Err(error);
            }
        }
        // The rollups first: the raw block is what says that the day is finished.
        self.finish_block(rollup, Kind::Rollup, day)?;
        self.finish_block(raw, Kind::Raw, day)
    }

    /// Completes a block and takes it in.
    pub(crate) fn finish_block(&self, writer: Writer, kind: Kind, day: i64) -> Result<(), StorageError> {
        let path = self.blocks.new_path(kind, day);
        let records = definitions(&self.index.read(), writer.groups());
        let written = writer.finish(&path, &records);
        written.map_err(|error| StorageError::io(format!("cannot write {}", path.display()), &error))?;
        self.blocks.add(&path)
    }

    /// A group's samples of a day, in pieces, and their rollups.
    fn pieces(
        &self,
        day: i64,
        keys: &[Key],
        store: &dyn Chunks,
    ) -> Result<(Vec<Rows>, Buckets), StorageError> {
        let mut chunks: Vec<Chunk> = Vec::with_capacity(keys.len());
        for key in keys {
            match store.get(*key)?.map(Chunk::parse) {
                Some(Ok(chunk)) => chunks.push(chunk),
                Some(Err(error)) => self.damaged(&format!("a chunk of group {} is not {error}", key.group)),
                None => self.damaged(&format!("a chunk of group {} is missing", key.group)),
            }
        }
        let slots: BTreeSet<u8> = chunks.iter().flat_map(Chunk::slots).collect();
        let mut pieces = Vec::new();
        let mut buckets = Buckets::default();
        for start in (day * DAY..(day + 1) * DAY).step_by(PIECE as usize) {
            let range = TimeRange::new(Timestamp(start), Timestamp(start + PIECE - 1));
            let mut series = Vec::with_capacity(slots.len());
            for slot in &slots {
                let samples = self.samples_of(&chunks, *slot, range);
                buckets.add(*slot, &samples);
                series.push((*slot, samples));
            }
            let rows = Rows::of(&series);
            if !rows.times.is_empty() {
                pieces.push(rows);
            }
        }
        Ok((pieces, buckets))
    }

    /// A slot's samples in several chunks, in order and each once.
    fn samples_of(&self, chunks: &[Chunk], slot: u8, range: TimeRange) -> Vec<Sample> {
        let mut samples = Vec::new();
        for chunk in chunks.iter().filter(|c| c.range().start <= range.end && range.start <= c.range().end) {
            let before = samples.len();
            if let Err(error) = chunk.samples(slot, 0, range, &mut samples) {
                samples.truncate(before);
                self.damaged(&format!("a column of a chunk is not {error}"));
            }
        }
        if !samples.windows(2).all(|pair| pair[0].t < pair[1].t) {
            samples.sort_by_key(|sample| sample.t);
            samples.dedup_by_key(|sample| sample.t);
        }
        samples
    }
}

/// The definitions of the series in these groups' slots, and of their families.
pub(crate) fn definitions(index: &Index, groups: impl Iterator<Item = (u32, u32)>) -> Vec<Record> {
    let mut records = Vec::new();
    let mut families = BTreeSet::new();
    for (group, mask) in groups {
        for slot in (0..32_u8).filter(|slot| mask & 1 << slot != 0) {
            let place = Place { group, slot };
            let Some((id, entry)) = index.at(place).and_then(|id| Some((id, index.get(id)?))) else {
                continue;
            };
            if families.insert(Arc::clone(&entry.family))
                && let Some(meta) = index.metadata().get(&entry.family)
            {
                records.push(Record::Metadata(Arc::clone(&entry.family), meta.clone()));
            }
            records.push(Record::Series(Definition {
                id,
                place,
                created_at: entry.created_at,
                labels: entry.labels.clone(),
                family: Arc::clone(&entry.family),
            }));
        }
    }
    records
}
