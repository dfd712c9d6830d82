//! Filling a store with days that are over, straight into blocks: for benches, tests and migrations.

use std::collections::BTreeMap;

use breakwatch_model::{Sample, SeriesRef, StorageError};

use crate::block::Buckets;
use crate::chunk::Rows;
use crate::head::DAY;
use crate::history::History;
use crate::index::Place;

impl History {
    /// Makes the blocks of one past day. `samples` is asked for each series in turn and gives its samples of
    /// that day in time order; series must have been resolved before. Different days may be loaded from
    /// several threads at once.
    ///
    /// # Errors
    /// When the day is not over, has a block already or chunks of its own, when samples lie outside of it or
    /// out of order, or when the disk refuses.
    pub fn load_day(
        &self,
        day: i64,
        samples: &mut dyn FnMut(SeriesRef) -> Vec<Sample>,
    ) -> Result<(), StorageError> {
        self.check_loadable(day)?;
        let mut groups: BTreeMap<u32, Vec<(u8, SeriesRef)>> = BTreeMap::new();
        for (id, Place { group, slot }) in self.all_places() {
            groups.entry(group).or_default().push((slot, SeriesRef(u64::from(id))));
        }
        let fail =
            |error: std::io::Error| StorageError::io(format!("cannot write the block of day {day}"), &error);
        let (mut raw, mut rollup) = self.begin_day(day).map_err(fail)?;
        let mut done = Ok(());
        for (group, slots) in groups {
            let given = slots.into_iter().map(|(slot, reference)| (slot, samples(reference)));
            let series: Vec<(u8, Vec<Sample>)> = given.filter(|(_, samples)| !samples.is_empty()).collect();
            if series.is_empty() {
                continue;
            }
            done = check(day, &series).and_then(|()| {
                let mut buckets = Buckets::default();
                series.iter().for_each(|(slot, samples)| buckets.add(*slot, samples));
                raw.group(group, &[Rows::of(&series)]).map_err(fail)?;
                rollup.group(group, &[buckets.rows()]).map_err(fail)
            });
            if done.is_err() {
                break;
            }
        }
        if let Err(error) = done {
            raw.abandon();
            rollup.abandon();
            return Err(error);
        }
        self.end_day(day, raw, rollup)
    }
}

/// Samples of a day must be of that day and in order.
fn check(day: i64, series: &[(u8, Vec<Sample>)]) -> Result<(), StorageError> {
    let inside = |sample: &Sample| sample.t.0.div_euclid(DAY) == day;
    let sound = |samples: &[Sample]| {
        samples.iter().all(inside) && samples.windows(2).all(|pair| pair[0].t < pair[1].t)
    };
    if series.iter().all(|(_, samples)| sound(samples)) {
        return Ok(());
    }
    Err(StorageError::Limit(format!("samples outside of day {day}, or out of order")))
}
