//! Rollups as they are: five figures of every five minutes, for pictures of months.

use breakwatch_model::{SeriesRef, StorageError, TimeRange, Timestamp};

use super::History;
use crate::block::{ASPECTS, Kind};

/// What a series did in five minutes. Staleness markers are not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollup {
    /// Time of the last sample.
    pub t: Timestamp,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Sum of the values.
    pub sum: f64,
    /// How many samples.
    pub count: f64,
    /// The last value.
    pub last: f64,
}

impl History {
    /// The rollups of a series inside `range`, in time order: of finished days, as long as rollups are kept.
    ///
    /// # Errors
    /// When a block cannot be read. Damaged ones are skipped, counted and reported.
    pub fn rollups(&self, reference: SeriesRef, range: TimeRange) -> Result<Vec<Rollup>, StorageError> {
        let shared = &self.shared;
        let id = u32::try_from(reference.0).unwrap_or(u32::MAX);
        let Some(place) = shared.index.read().get(id).map(|entry| entry.place) else { return Ok(Vec::new()) };
        let mut rollups = Vec::new();
        for block in shared.blocks.list().iter().filter(|block| block.footer.kind == Kind::Rollup) {
            let held = block.footer.range;
            if held.start > range.end || range.start > held.end {
                continue;
            }
            let Some(index) = shared.block_index(block) else { continue };
            for chunk in index.find(place.group, place.slot, range) {
                let Some(chunk) = shared.block_chunk(block, chunk)? else { continue };
                let columns = (0..ASPECTS).map(|aspect| chunk.column(place.slot, aspect));
                let Ok(Some(columns)) = columns.collect::<Result<Option<Vec<_>>, _>>() else { continue };
                let Some(first) = columns.first() else { continue };
                let rows = first.runs.iter().flatten().enumerate();
                for (number, row) in rows {
                    let t = Timestamp(chunk.times.get(row as usize).copied().unwrap_or_default());
                    let value = |aspect: usize| {
                        let bits = columns.get(aspect).and_then(|column| column.values.get(number));
                        f64::from_bits(bits.copied().unwrap_or_default())
                    };
                    if range.contains(t) {
                        let (min, max, sum) = (value(0), value(1), value(2));
                        rollups.push(Rollup { t, min, max, sum, count: value(3), last: value(4) });
                    }
                }
            }
        }
        Ok(rollups)
    }
}
