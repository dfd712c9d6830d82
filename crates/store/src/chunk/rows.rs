//! Rows of a group, decoded: times, and per series which rows it has and their values.

use std::ops::Range;

use breakwatch_model::{Sample, TimeRange, Timestamp};

/// Which rows a series has: runs that grow and do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs(Vec<Range<u32>>);

impl Runs {
    /// Rows 0 to `rows`.
    pub(crate) fn all(rows: u32) -> Self {
        let mut runs = Self::default();
        if rows > 0 {
            runs.push_run(0..rows);
        }
        runs
    }

    /// Adds a row behind the last.
    pub(crate) fn push(&mut self, row: u32) {
        match self.0.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => self.0.push(row..row + 1),
        }
    }

    /// Adds a run behind the last.
    pub(crate) fn push_run(&mut self, run: Range<u32>) {
        match self.0.last_mut() {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => self.0.push(run),
        }
    }

    /// The first row it has.
    pub(crate) fn first(&self) -> u32 {
        self.0.first().map_or(0, |first| first.start)
    }

    /// The row after the last one it has.
    pub(crate) fn end(&self) -> u32 {
        self.0.last().map_or(0, |last| last.end)
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.0.iter().map(|run| (run.end - run.start) as usize).sum()
    }

    /// How many runs.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has all of `rows` rows.
    pub(crate) fn covers(&self, rows: usize) -> bool {
        matches!(self.0.as_slice(), [run] if run.start == 0 && run.end as usize == rows)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.0.iter().cloned()
    }
}

/// A series' part of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnRows {
    pub(crate) slot: u8,
    /// Which of several columns of the slot; 0 where there is one.
    pub(crate) aspect: u8,
    pub(crate) runs: Runs,
    /// Bits of the values, one for each row it has.
    pub(crate) values: Vec<u64>,
}

impl ColumnRows {
    /// Appends the samples inside `range`; `time` gives a row's time, and times grow with rows.
    pub(crate) fn samples(&self, time: impl Fn(usize) -> i64, range: TimeRange, out: &mut Vec<Sample>) {
        let mut before = 0;
        for run in self.runs.iter() {
            let rows = run.start as usize..run.end as usize;
            if time(rows.start) > range.end.0 {
                return;
            }
            let skip = partition(&rows, |row| time(row) < range.start.0);
            let stop = partition(&rows, |row| time(row) <= range.end.0);
            let values = self.values.get(before + skip..before + stop.max(skip)).unwrap_or_default();
            let sample =
                |(row, bits): (usize, &u64)| Sample::new(Timestamp(time(row)), f64::from_bits(*bits));
            out.extend((rows.start + skip..).zip(values).map(sample));
            before += rows.len();
        }
    }
}

/// How many rows at the start of `rows` satisfy `holds`, which then holds for no later one.
fn partition(rows: &Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, rows.len());
    while low < high {
        let middle = (low + high) / 2;
        if holds(rows.start + middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Rows of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Milliseconds, growing strictly.
    pub(crate) times: Vec<i64>,
    /// In slot order, and by aspect inside a slot.
    pub(crate) columns: Vec<ColumnRows>,
}

impl Rows {
    /// Rows of samples per slot, sorted by time and without equal times inside a slot.
    pub(crate) fn of(series: &[(u8, Vec<Sample>)]) -> Self {
        let mut times: Vec<i64> = series.iter().flat_map(|(_, s)| s.iter().map(|s| s.t.0)).collect();
        times.sort_unstable();
        times.dedup();
        let column = |slot: u8, samples: &[Sample]| {
            let mut column = ColumnRows {
                slot,
                aspect: 0,
                runs: Runs::default(),
                values: Vec::with_capacity(samples.len()),
            };
            let mut row = 0;
            for sample in samples {
                while times.get(row).is_some_and(|time| *time < sample.t.0) {
                    row += 1;
                }
                column.runs.push(row as u32);
                column.values.push(sample.v.to_bits());
            }
            column
        };
        let mut columns: Vec<ColumnRows> =
            series.iter().filter(|(_, s)| !s.is_empty()).map(|(slot, s)| column(*slot, s)).collect();
        columns.sort_by_key(|column| column.slot);
        Self { times, columns }
    }
}
