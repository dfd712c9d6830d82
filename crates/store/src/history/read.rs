//! Reading samples: where a series' samples lie, and how pieces from several places become one run.

use std::collections::VecDeque;
use std::sync::Arc;

use breakwatch_model::{CancelToken, Sample, SeriesEntry, SeriesSet, StorageError, TimeRange, Timestamp};

use super::Shared;
use super::cache::Address;
use super::stats::count;
use crate::block::{Block, BlockIndex, ChunkRef, Kind, LAST};
use crate::chunk::Chunk;
use crate::head::{DAY, Frozen};
use crate::hot::{Chunks, Key};
use crate::incident::Unit;
use crate::index::Place;

/// Samples of one series in one place.
pub(crate) struct Part {
    range: TimeRange,
    source: Source,
}

enum Source {
    Samples(Vec<Sample>),
    Frozen(Arc<Frozen>),
    Hot(Key, Arc<dyn Chunks>),
    /// A chunk of a block, and which of its columns stands for the samples.
    Block(Arc<Block>, ChunkRef, u8),
}

impl Shared {
    /// The parts of a series inside `range`, by start; before `rollups_before`, rollups stand in for samples.
    /// When open lanes have all there is, their samples are left in `ready` and there are no parts.
    pub(crate) fn parts(
        &self,
        place: Place,
        range: TimeRange,
        rollups_before: Timestamp,
        ready: &mut Vec<Sample>,
        out: &mut VecDeque<Part>,
    ) {
        out.clear();
        ready.clear();
        // The head before the hot tier: a lane that is stored in between is then seen twice, not never.
        let (frozen, floor) = {
            let live = self.live.read();
            (live.head.samples(place.group, place.slot, range, ready), live.floor)
        };
        let mut parts: Vec<Part> =
            frozen.into_iter().map(|f| Part { range: f.lane.range(), source: Source::Frozen(f) }).collect();
        self.hot.find(place.group, range, &mut |key, store| {
            parts.push(Part { range: key.range(), source: Source::Hot(key, Arc::clone(store)) });
        });
        // Blocks last, for the same reason; what lies before the floor may have become one by now.
        if range.start < floor || self.has_partial_blocks() {
            self.block_parts(place, range, rollups_before, &mut parts);
        }
        if parts.is_empty() {
            return;
        }
        if !ready.is_empty() {
            let samples = std::mem::take(ready);
            parts.push(Part { range: range_of(&samples), source: Source::Samples(samples) });
        }
        parts.sort_by_key(|part| part.range.start);
        out.extend(parts);
    }

    /// Whether there are blocks of unfinished days, which a restore leaves.
    fn has_partial_blocks(&self) -> bool {
        self.blocks.list().last().is_some_and(|block| block.footer.kind == Kind::Partial)
    }

    fn block_parts(&self, place: Place, range: TimeRange, rollups_before: Timestamp, parts: &mut Vec<Part>) {
        let early = TimeRange::new(range.start, range.end.min(Timestamp(rollups_before.0.saturating_sub(1))));
        for block in self.blocks.list().iter() {
            let (aspect, range) = match block.footer.kind {
                Kind::Rollup => (LAST, early),
                Kind::Raw | Kind::Partial => (0, range),
            };
            let held = block.footer.range;
            if held.start > range.end || range.start > held.end {
                continue;
            }
            let Some(index) = self.block_index(block) else { continue };
            parts.extend(index.find(place.group, place.slot, range).map(|chunk| Part {
                range: chunk.range,
                source: Source::Block(Arc::clone(block), chunk, aspect),
            }));
        }
    }

    /// A block's index; a block whose index is damaged is set aside.
    pub(crate) fn block_index(&self, block: &Arc<Block>) -> Option<Arc<BlockIndex>> {
        match block.index(&**self.dir.disk()) {
            Ok(Ok(index)) => Some(index),
            Ok(Err(error)) => {
                self.blocks.lose(block, &format!("its index is not {error}"));
                None
            }
            // Removed by retention in between.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                self.damaged(&format!("the index of {} cannot be read: {error}", block.path.display()));
                None
            }
        }
    }

    /// The earliest time of which there may be raw samples: before it rollups stand in.
    pub(crate) fn raw_from(&self) -> Timestamp {
        let hot = self.hot.days().first().map(|(day, _)| Timestamp(day.saturating_mul(DAY)));
        let list = self.blocks.list();
        let blocks = list.iter().filter(|block| block.footer.kind != Kind::Rollup);
        let blocks = blocks.map(|block| Timestamp(block.footer.day.saturating_mul(DAY))).min();
        let held = hot.into_iter().chain(blocks).min();
        held.unwrap_or_else(|| self.live.read().floor.max(Timestamp(self.dir.now().0.div_euclid(DAY) * DAY)))
    }

    /// Appends the samples of a part inside `range`. A damaged chunk has none; it is counted and reported.
    pub(crate) fn load(
        &self,
        part: Part,
        slot: u8,
        range: TimeRange,
        out: &mut Vec<Sample>,
    ) -> Result<(), StorageError> {
        match part.source {
            Source::Samples(mut samples) => out.append(&mut samples),
            Source::Frozen(frozen) => frozen.lane.samples(slot, range, out),
            Source::Hot(key, store) => {
                if let Some(chunk) = self.hot_chunk(key, &*store)? {
                    self.decode(&chunk, slot, 0, range, out);
                }
            }
            Source::Block(block, chunk, aspect) => {
                if let Some(chunk) = self.block_chunk(&block, chunk)? {
                    self.decode(&chunk, slot, aspect, range, out);
                }
            }
        }
        Ok(())
    }

    fn decode(&self, chunk: &Chunk, slot: u8, aspect: u8, range: TimeRange, out: &mut Vec<Sample>) {
        let before = out.len();
        if chunk.samples(slot, aspect, range, out).is_err() {
            out.truncate(before);
            count(&self.counters.damaged_chunks, 1);
        }
    }

    /// A chunk of the hot tier, from memory if it was read lately; `None` when it is damaged.
    pub(crate) fn hot_chunk(&self, key: Key, store: &dyn Chunks) -> Result<Option<Arc<Chunk>>, StorageError> {
        let address = Address::Hot(key);
        if let Some(chunk) = self.cache.get(address) {
            return Ok(Some(chunk));
        }
        if self.cache.is_bad(address) {
            return Ok(None);
        }
        let bytes = match store.get(key) {
            Ok(Some(bytes)) => bytes,
            // The day became a block in between: its samples are read from there the next time.
            Ok(None) => return Ok(None),
            Err(error @ StorageError::Io { .. }) => return Err(error),
            Err(error) => {
                self.damaged_at(address, &format!("a chunk of group {} cannot be read: {error}", key.group));
                return Ok(None);
            }
        };
        match Chunk::parse(bytes) {
            Ok(chunk) => {
                let chunk = Arc::new(chunk);
                self.cache.put(address, &chunk);
                Ok(Some(chunk))
            }
            Err(error) => {
                let (group, start) = (key.group, key.range().start);
                self.damaged_at(address, &format!("the chunk of group {group} from {start} is not {error}"));
                Ok(None)
            }
        }
    }

    /// A chunk of a block, from memory if it was read lately; `None` when it is damaged or gone.
    pub(crate) fn block_chunk(
        &self,
        block: &Block,
        at: ChunkRef,
    ) -> Result<Option<Arc<Chunk>>, StorageError> {
        let address = Address::Block(block.serial, at.number);
        if let Some(chunk) = self.cache.get(address) {
            return Ok(Some(chunk));
        }
        if self.cache.is_bad(address) {
            return Ok(None);
        }
        match block.chunk(&**self.dir.disk(), at) {
            Ok(Ok(chunk)) => {
                let chunk = Arc::new(chunk);
                self.cache.put(address, &chunk);
                Ok(Some(chunk))
            }
            Ok(Err(error)) => {
                let (name, offset) = (block.path.display(), at.offset);
                self.damaged_at(address, &format!("the chunk at {offset} of {name} is not {error}"));
                Ok(None)
            }
            // Removed by retention in between.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io(format!("cannot read {}", block.path.display()), &error)),
        }
    }

    /// As [`Shared::damaged`], once for each chunk.
    fn damaged_at(&self, address: Address, message: &str) {
        if self.cache.note_bad(address) {
            self.damaged(message);
        }
    }

    /// Counts a damaged chunk, and reports the first ones.
    pub(crate) fn damaged(&self, message: &str) {
        /// A store that is damaged all over says so a few times, not a million.
        const REPORTED: u64 = 20;
        if super::stats::read(&self.counters.damaged_chunks) < REPORTED {
            self.dir.report(Unit::Chunk, message, None);
        }
        count(&self.counters.damaged_chunks, 1);
    }
}

fn range_of(samples: &[Sample]) -> TimeRange {
    let at = |sample: Option<&Sample>| sample.map_or(Timestamp::MIN, |sample| sample.t);
    TimeRange::new(at(samples.first()), at(samples.last()))
}

/// Streams series.
pub(crate) struct Set<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) places: Vec<Option<Place>>,
    pub(crate) range: TimeRange,
    /// Before this rollups stand in for samples.
    pub(crate) rollups_before: Timestamp,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) next: usize,
    pub(crate) place: Option<Place>,
    pub(crate) parts: VecDeque<Part>,
    /// Samples that need no reading; filled anew for each series.
    pub(crate) ready: Vec<Sample>,
}

impl<'a> Set<'a> {
    /// The raw samples of one series.
    pub(crate) fn of_one(
        shared: &'a Shared,
        place: Place,
        range: TimeRange,
        cancel: &'a CancelToken,
    ) -> Self {
        Self {
            shared,
            places: vec![Some(place)],
            range,
            rollups_before: Timestamp::MIN,
            cancel,
            next: 0,
            place: None,
            parts: VecDeque::new(),
            ready: Vec::new(),
        }
    }
}

impl Shared {
    /// The places of a selector's series, in its order.
    pub(crate) fn places(&self, series: &[SeriesEntry]) -> Vec<Option<Place>> {
        let index = self.index.read();
        let place = |entry: &SeriesEntry| {
            let id = u32::try_from(entry.reference.0).ok()?;
            index.get(id).map(|entry| entry.place)
        };
        series.iter().map(place).collect()
    }
}

impl SeriesSet for Set<'_> {
    fn next_series(&mut self) -> Result<Option<usize>, StorageError> {
        while let Some(place) = self.places.get(self.next).copied() {
            self.cancel.check()?;
            self.next += 1;
            let Some(place) = place else { continue };
            let Self { shared, range, rollups_before, ready, parts, .. } = self;
            shared.parts(place, *range, *rollups_before, ready, parts);
            if !self.parts.is_empty() || !self.ready.is_empty() {
                self.place = Some(place);
                return Ok(Some(self.next - 1));
            }
        }
        self.parts.clear();
        Ok(None)
    }

    fn next_chunk(&mut self, out: &mut Vec<Sample>) -> Result<bool, StorageError> {
        self.cancel.check()?;
        if !self.ready.is_empty() {
            out.append(&mut self.ready);
            return Ok(true);
        }
        let Some(place) = self.place else { return Ok(false) };
        let start = out.len();
        while let Some(part) = self.parts.pop_front() {
            self.shared.load(part, place.slot, self.range, out)?;
            // Parts that overlap (a lane that was just stored, a clock that jumped) are merged first.
            let mut merged = false;
            while let Some(end) = out.get(start..).and_then(<[Sample]>::last).map(|last| last.t)
                && let Some(part) = self.parts.pop_front_if(|next| next.range.start <= end)
            {
                self.shared.load(part, place.slot, self.range, out)?;
                merge(out, start);
                merged = true;
            }
            if merged || out.len() > start {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Puts the samples from `start` on in time order; of those at one time the first loaded stays.
fn merge(out: &mut Vec<Sample>, start: usize) {
    let mut tail = out.split_off(start);
    tail.sort_by_key(|sample| sample.t);
    tail.dedup_by_key(|sample| sample.t);
    out.append(&mut tail);
}
