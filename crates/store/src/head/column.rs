//! A series' values since its lane began, small enough that a day of checks fits a small machine.
//!
//! Most series stand still, so a column begins as one value and a count. When values vary they are gathered
//! and every so many are packed with the quick encodings; what is read is unpacked again, a lane at a time.

use std::ops::Range;

use crate::chunk::{ColumnRows, Runs};
use crate::codec::{Bytes, Effort, put_values, read_values};

/// Values that are gathered before they are packed: enough for bit packing to pay, few enough that the
/// unpacked tails of all series stay small.
const PIECE: usize = 64;

/// A run of equal values shorter than this is not worth a piece of its own.
const LEAST_RUN: u32 = 16;

/// Values of one series, by row.
#[derive(Debug, Default)]
pub(crate) struct Column {
    pub(crate) runs: Runs,
    pieces: Vec<(u32, Box<[u8]>)>,
    tail: Tail,
}

#[derive(Debug)]
enum Tail {
    /// One value, so many times.
    Same(u64, u32),
    /// Values as they came.
    Many(Vec<u64>),
}

impl Default for Tail {
    fn default() -> Self {
        Self::Same(0, 0)
    }
}

impl Column {
    /// Adds the value of a row behind the last one.
    pub(crate) fn push(&mut self, row: u32, bits: u64) {
        self.runs.push(row);
        match &mut self.tail {
            Tail::Same(value, count) if *value == bits => *count += 1,
            Tail::Same(_, count) if *count == 0 => self.tail = Tail::Same(bits, 1),
            Tail::Same(value, count) if *count >= LEAST_RUN => {
                let piece = pack(&[*value]);
                self.pieces.push((*count, piece));
                self.tail = Tail::Same(bits, 1);
            }
            Tail::Same(value, count) => {
                let mut values = vec![*value; *count as usize];
                values.push(bits);
                self.tail = Tail::Many(values);
            }
            Tail::Many(values) => {
                values.push(bits);
                if values.len() == PIECE {
                    let piece = pack(values);
                    self.pieces.push((PIECE as u32, piece));
                    self.tail = Tail::default();
                }
            }
        }
    }

    /// Every value so far.
    pub(crate) fn values(&self) -> Vec<u64> {
        let mut out = Vec::with_capacity(self.runs.rows());
        self.unpack(0, usize::MAX, &mut out);
        out
    }

    /// Unpacks the pieces that hold values `from..to`, and only those; gives the number of the first value
    /// unpacked. A question about five minutes then costs no more in a lane of two hours.
    fn unpack(&self, from: usize, to: usize, out: &mut Vec<u64>) -> usize {
        let (mut start, mut first) = (0, None);
        for (count, piece) in &self.pieces {
            let end = start + *count as usize;
            if end > from && start < to {
                first = first.or(Some(start));
                // What was packed here a moment ago unpacks; a short column would show as missing rows.
                let _ = read_values(&mut Bytes::new(piece), *count as usize, out);
            }
            start = end;
        }
        if start < to {
            first = first.or(Some(start));
            match &self.tail {
                Tail::Same(value, count) => out.extend(std::iter::repeat_n(*value, *count as usize)),
                Tail::Many(values) => out.extend_from_slice(values),
            }
        }
        first.unwrap_or(start)
    }

    /// Gives the row and value of each of rows `rows` that the series has.
    pub(crate) fn each_in(&self, rows: Range<u32>, mut each: impl FnMut(u32, u64)) {
        let before = |row: u32| -> usize {
            self.runs.iter().map(|run| (run.end.min(row).saturating_sub(run.start)) as usize).sum()
        };
        let (from, to) = (before(rows.start), before(rows.end));
        if from == to {
            return;
        }
        let mut unpacked = Vec::with_capacity(to - from + PIECE);
        let first = self.unpack(from, to, &mut unpacked);
        let mut values = unpacked.get(from - first..).unwrap_or_default().iter();
        for run in self.runs.iter() {
            for row in run.start.max(rows.start)..run.end.min(rows.end) {
                let Some(value) = values.next() else { return };
                each(row, *value);
            }
        }
    }

    /// The column as rows of a chunk.
    pub(crate) fn rows(&self, slot: u8) -> ColumnRows {
        ColumnRows { slot, aspect: 0, runs: self.runs.clone(), values: self.values() }
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        let tail = match &self.tail {
            Tail::Same(..) => 0,
            Tail::Many(values) => values.capacity() * 8,
        };
        let pieces: usize = self.pieces.iter().map(|(_, piece)| piece.len() + 24).sum();
        size_of::<Self>() + pieces + tail + self.runs.len() * 8
    }
}

fn pack(values: &[u64]) -> Box<[u8]> {
    let mut out = Vec::new();
    put_values(&mut out, values, Effort::Quick);
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_whatever_their_rhythm() {
        let mut rng = fastrand::Rng::with_seed(21);
        for _ in 0..500 {
            let change = rng.f64();
            let mut value = 0.5_f64;
            let mut column = Column::default();
            let mut expected = Vec::new();
            for row in 0..rng.u32(1..500) {
                if rng.f64() < change {
                    value = f64::from(rng.u16(..)) / 8.0;
                }
                column.push(row, value.to_bits());
                expected.push(value.to_bits());
            }
            assert_eq!(column.values(), expected);
        }
    }

    #[test]
    fn parts_are_what_the_whole_has_there() {
        let mut rng = fastrand::Rng::with_seed(22);
        for _ in 0..300 {
            let (change, missing) = (rng.f64(), rng.f64() * 0.2);
            let mut value = 0_u64;
            let mut column = Column::default();
            let mut expected = Vec::new();
            for row in 0..rng.u32(1..500) {
                if rng.f64() < change {
                    value = f64::from(rng.u16(..)).to_bits();
                }
                if rng.f64() >= missing {
                    column.push(row, value);
                    expected.push((row, value));
                }
            }
            for _ in 0..20 {
                let start = rng.u32(0..500);
                let rows = start..start + rng.u32(0..200);
                let mut found = Vec::new();
                column.each_in(rows.clone(), |row, value| found.push((row, value)));
                let inside: Vec<_> = expected.iter().filter(|(row, _)| rows.contains(row)).copied().collect();
                assert_eq!(found, inside);
            }
        }
    }

    #[test]
    fn a_series_that_stands_still_costs_nothing_to_keep() {
        let mut column = Column::default();
        (0..480).for_each(|row| column.push(row, 1.0_f64.to_bits()));
        assert!(column.size() < 120, "{} bytes", column.size());
    }
}
