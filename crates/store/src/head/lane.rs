//! A lane: the series of one group that are measured together, row by row, until they are sealed.

use std::time::Duration;

use breakwatch_model::{Sample, TimeRange, Timestamp};

use super::column::Column;
use crate::chunk::{MAX_SLOTS, Rows};
use crate::wal::Span;

/// Rows after which a lane is sealed: two hours at 15 s, and where the encodings stop gaining much.
pub(crate) const SEAL_ROWS: usize = 480;

/// Time after which a lane is sealed, so that slow checks do not hold back the log.
pub(crate) const SEAL_SPAN: Duration = Duration::from_secs(2 * 3600);

/// Milliseconds of a day. Lanes never cross midnight (UTC), because blocks are days.
pub(crate) const DAY: i64 = 86_400_000;

/// Times the gaps of a series in a lane may grow to before it gets a lane of its own.
const MAX_RUNS: usize = 32;

/// The slot has no column here.
const NONE: u8 = u8::MAX;

/// Rows being gathered.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) group: u32,
    /// The log frames of its first and last row.
    pub(crate) frames: (u64, u64),
    /// When a sample last came in, by the clock and not by the sample.
    pub(crate) touched: Timestamp,
    /// Time of the first row.
    pub(crate) start: i64,
    /// Milliseconds since `start`, per row.
    times: Vec<u32>,
    /// Which column a slot has.
    index: [u8; MAX_SLOTS],
    columns: Vec<(u8, Column)>,
    /// A bit for each slot that has left.
    left: u32,
}

/// What became of a sample offered to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is in.
    Yes,
    /// The lane is full, or the sample belongs to another window: seal it first.
    Full,
    /// Its time lies between rows that are fixed: it needs another lane.
    Elsewhere,
}

impl Lane {
    pub(crate) fn new(group: u32, start: i64, frame: u64) -> Self {
        Self {
            group,
            frames: (frame, frame),
            touched: Timestamp::MIN,
            start,
            times: Vec::new(),
            index: [NONE; MAX_SLOTS],
            columns: Vec::new(),
            left: 0,
        }
    }

    /// Time of the last row.
    pub(crate) fn end(&self) -> i64 {
        self.start + self.times.last().map_or(0, |offset| i64::from(*offset))
    }

    /// The day it belongs to.
    pub(crate) const fn day(&self) -> i64 {
        self.start.div_euclid(DAY)
    }

    /// Whether a row at `time` would be too many, too late or on another day.
    fn is_full_at(&self, time: i64) -> bool {
        self.times.len() >= SEAL_ROWS || self.is_over_at(time)
    }

    /// Whether a lane that gets no more rows is due for sealing at `time`.
    pub(crate) fn is_over_at(&self, time: i64) -> bool {
        time - self.start >= SEAL_SPAN.as_millis() as i64 || time.div_euclid(DAY) != self.day()
    }

    /// Adds a sample of `slot`, whose samples come in time order.
    pub(crate) fn push(&mut self, slot: u8, time: i64, bits: u64, frame: u64) -> Placed {
        let rows = self.times.len();
        let row = match self.times.last() {
            Some(last) if time == self.start + i64::from(*last) => rows - 1,
            Some(last) if time < self.start + i64::from(*last) => {
                let Ok(offset) = u32::try_from(time - self.start) else { return Placed::Elsewhere };
                match self.times.binary_search(&offset) {
                    Ok(row) => row,
                    Err(_) => return Placed::Elsewhere,
                }
            }
            _ if self.is_full_at(time) => return Placed::Full,
            _ => rows,
        };
        let Some(column) = self.column_for(slot, row) else { return Placed::Elsewhere };
        if row == rows {
            // Within the span checked above, so it fits.
            self.times.push((time - self.start) as u32);
        }
        if let Some((_, column)) = self.columns.get_mut(column) {
            column.push(row as u32, bits);
        }
        self.frames.1 = frame;
        Placed::Yes
    }

    /// The column of a slot, made if need be; `None` when the series does not fit this lane.
    fn column_for(&mut self, slot: u8, row: usize) -> Option<usize> {
        let entry = self.index.get_mut(usize::from(slot)).filter(|_| self.left & 1 << (slot & 31) == 0)?;
        if *entry == NONE {
            *entry = self.columns.len() as u8;
            self.columns.push((slot, Column::default()));
        }
        let column = usize::from(*entry);
        let (_, found) = self.columns.get(column)?;
        let fits = found.runs.end() as usize <= row && found.runs.len() < MAX_RUNS;
        fits.then_some(column)
    }

    /// Appends the samples of a slot inside `range`.
    pub(crate) fn samples(&self, slot: u8, range: TimeRange, out: &mut Vec<Sample>) {
        let column =
            self.index.get(usize::from(slot)).and_then(|column| self.columns.get(usize::from(*column)));
        let Some((_, column)) = column else { return };
        let time = |offset: &u32| self.start + i64::from(*offset);
        let first = self.times.partition_point(|offset| time(offset) < range.start.0) as u32;
        let end = self.times.partition_point(|offset| time(offset) <= range.end.0) as u32;
        column.each_in(first..end.max(first), |row, bits| {
            let t = Timestamp(self.times.get(row as usize).map_or(self.start, time));
            out.push(Sample::new(t, f64::from_bits(bits)));
        });
    }

    /// Whether a slot has a column here.
    pub(crate) fn has(&self, slot: u8) -> bool {
        self.index.get(usize::from(slot)).is_some_and(|column| *column != NONE)
    }

    /// The first and last sample of each slot.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        let time =
            |row: u32| self.start + self.times.get(row as usize).map_or(0, |offset| i64::from(*offset));
        self.columns.iter().filter(|(_, column)| column.runs.end() > 0).map(move |(slot, column)| Span {
            slot: *slot,
            start: time(column.runs.first()),
            end: time(column.runs.end() - 1),
        })
    }

    /// A series that went to another lane does not come back: its samples here are then without a gap that is
    /// filled elsewhere, which is what the log is told when the lane is stored.
    pub(crate) fn leave(&mut self, slot: u8) {
        self.left |= 1 << (slot & 31);
    }

    /// First and last time.
    pub(crate) fn range(&self) -> TimeRange {
        TimeRange::new(Timestamp(self.start), Timestamp(self.end()))
    }

    /// How many samples it holds.
    pub(crate) fn samples_held(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.runs.rows()).sum()
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + self.times.capacity() * 4
            + self.columns.iter().map(|(_, c)| c.size()).sum::<usize>()
    }

    /// Everything, for sealing.
    pub(crate) fn to_rows(&self) -> Rows {
        let times = self.times.iter().map(|offset| self.start + i64::from(*offset)).collect();
        let mut columns: Vec<_> = self.columns.iter().map(|(slot, column)| column.rows(*slot)).collect();
        columns.retain(|column| !column.values.is_empty());
        columns.sort_by_key(|column| column.slot);
        Rows { times, columns }
    }
}
