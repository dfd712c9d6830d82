//! Rollups: five figures of every five minutes, kept for a year after the samples are gone.

use std::collections::BTreeMap;

use breakwatch_model::Sample;

use crate::chunk::{ColumnRows, Rows, Runs};

/// Milliseconds of a bucket: a look-back, so that a query over rollups sees a series without gaps.
pub(crate) const BUCKET: i64 = 300_000;

/// Columns of a series: minimum, maximum, sum, count, last value.
pub(crate) const ASPECTS: u8 = 5;

/// The column of last values, which stand in for samples.
pub(crate) const LAST: u8 = 4;

/// Rollups of one group over one day.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    /// By bucket: the time of the last sample of any series, and each slot's figures.
    buckets: BTreeMap<i64, (i64, BTreeMap<u8, Figures>)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    min: f64,
    max: f64,
    sum: f64,
    count: f64,
    last: f64,
}

impl Figures {
    fn of(value: f64) -> Self {
        Self { min: value, max: value, sum: value, count: 1.0, last: value }
    }

    fn add(&mut self, value: f64) {
        // As `min_over_time` and `max_over_time`: NaN counts only while there is nothing else.
        if value < self.min || self.min.is_nan() {
            self.min = value;
        }
        if value > self.max || self.max.is_nan() {
            self.max = value;
        }
        self.sum += value;
        self.count += 1.0;
        self.last = value;
    }

    const fn columns(&self) -> [f64; ASPECTS as usize] {
        [self.min, self.max, self.sum, self.count, self.last]
    }
}

impl Buckets {
    /// Adds samples of a slot, in time order. Staleness markers are not values.
    pub(crate) fn add(&mut self, slot: u8, samples: &[Sample]) {
        for sample in samples.iter().filter(|sample| !sample.is_stale()) {
            let (last, slots) = self.buckets.entry(sample.t.0.div_euclid(BUCKET)).or_default();
            *last = (*last).max(sample.t.0);
            slots
                .entry(slot)
                .and_modify(|figures| figures.add(sample.v))
                .or_insert_with(|| Figures::of(sample.v));
        }
    }

    /// As rows of a chunk: a row per bucket, at the time of its last sample.
    pub(crate) fn rows(&self) -> Rows {
        let mut columns: BTreeMap<(u8, u8), ColumnRows> = BTreeMap::new();
        for (row, (_, slots)) in self.buckets.values().enumerate() {
            for (slot, figures) in slots {
                for (aspect, value) in (0..ASPECTS).zip(figures.columns()) {
                    let column = columns.entry((*slot, aspect)).or_insert_with(|| ColumnRows {
                        slot: *slot,
                        aspect,
                        runs: Runs::default(),
                        values: Vec::new(),
                    });
                    column.runs.push(row as u32);
                    column.values.push(value.to_bits());
                }
            }
        }
        let times = self.buckets.values().map(|(last, _)| *last).collect();
        Rows { times, columns: columns.into_values().collect() }
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_model::Timestamp;

    use super::*;

    #[test]
    fn figures_of_five_minutes() {
        let mut buckets = Buckets::default();
        let samples: Vec<Sample> =
            (0..40).map(|n| Sample::new(Timestamp(n * 15_000), if n == 3 { 9.0 } else { 1.0 })).collect();
        buckets.add(2, &samples);
        buckets.add(7, &[Sample::stale(Timestamp(20)), Sample::new(Timestamp(30), f64::NAN)]);
        let rows = buckets.rows();
        assert_eq!(rows.times, [285_000, 585_000]);
        let values: Vec<Vec<f64>> = rows
            .columns
            .iter()
            .filter(|column| column.slot == 2)
            .map(|column| column.values.iter().map(|bits| f64::from_bits(*bits)).collect())
            .collect();
        assert_eq!(values, [[1.0, 1.0], [9.0, 1.0], [28.0, 20.0], [20.0, 20.0], [1.0, 1.0]]);
        assert!(f64::from_bits(rows.columns[5].values[0]).is_nan());
    }
}
