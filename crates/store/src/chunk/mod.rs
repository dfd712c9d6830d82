//! The chunk: up to 32 series of one target over the same rows of time, as one value of the chunk store.
//!
//! Series of a target are measured together, so their times are stored once. A series that missed rows says
//! which it has. The CRC covers everything, because no store underneath is trusted to notice damage. A chunk of
//! rollups has several columns per series, one for each aspect (minimum, maximum, …).
//!
//! ```text
//! u8       version
//! u32      CRC-32 of everything after it
//! uvarint  rows
//! u32      which slots of the group have columns, a bit each
//! u8       columns per slot
//! uvarint  length of the times, then of each column in slot order
//!          times, columns
//! ```
//! A column: the number of row runs it covers (0: all rows), each as rows skipped and rows taken; then its
//! values.

mod rows;

use std::ops::Range;

use breakwatch_model::{Sample, TimeRange, Timestamp};

use crate::codec::{
    Bytes, Effort, Malformed, encoding, put_times, put_uvarint, put_values, read_times, read_values,
};
pub(crate) use rows::{ColumnRows, Rows, Runs};

/// Version of the chunk format.
const VERSION: u8 = 1;

/// Series a group can have: the width of the bit mask.
pub(crate) const MAX_SLOTS: usize = 32;

/// Rows a reader believes; writers stay far below.
pub(crate) const MAX_ROWS: usize = 1 << 16;

/// Bytes before the CRC's coverage begins.
const PREFIX: usize = 5;

/// A chunk that was read and checked; its columns are decoded on demand.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    rows: usize,
    /// Times of the rows.
    pub(crate) times: Vec<i64>,
    mask: u32,
    aspects: u8,
    columns: Vec<Range<usize>>,
}

/// Encodes rows.
pub(crate) fn encode(rows: &Rows, effort: Effort) -> Vec<u8> {
    let mut times = Vec::new();
    put_times(&mut times, &rows.times);
    let mut columns = Vec::with_capacity(rows.columns.len());
    let mut mask = 0_u32;
    let aspects = rows.columns.iter().map(|column| column.aspect + 1).max().unwrap_or(1);
    for column in &rows.columns {
        mask |= 1 << column.slot;
        let mut out = Vec::new();
        put_runs(&mut out, &column.runs, rows.times.len());
        put_values(&mut out, &column.values, effort);
        columns.push(out);
    }
    let body: usize = columns.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(times.len() + body + 3 * columns.len() + 24);
    out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    put_uvarint(&mut out, rows.times.len() as u64);
    out.extend_from_slice(&mask.to_le_bytes());
    out.push(aspects);
    put_uvarint(&mut out, times.len() as u64);
    columns.iter().for_each(|column| put_uvarint(&mut out, column.len() as u64));
    out.extend_from_slice(&times);
    columns.iter().for_each(|column| out.extend_from_slice(column));
    let crc = crc32fast::hash(out.get(PREFIX..).unwrap_or_default());
    if let Some(slot) = out.get_mut(1..PREFIX) {
        slot.copy_from_slice(&crc.to_le_bytes());
    }
    out
}

fn put_runs(out: &mut Vec<u8>, runs: &Runs, rows: usize) {
    if runs.covers(rows) {
        return out.push(0);
    }
    put_uvarint(out, runs.iter().count() as u64);
    let mut end = 0;
    for run in runs.iter() {
        put_uvarint(out, u64::from(run.start - end));
        put_uvarint(out, u64::from(run.end - run.start));
        end = run.end;
    }
}

fn read_runs(bytes: &mut Bytes<'_>, rows: usize) -> Result<Runs, Malformed> {
    let count = bytes.count(2)?;
    if count == 0 {
        return Ok(Runs::all(rows as u32));
    }
    let mut runs = Runs::default();
    let mut end = 0_u32;
    for _ in 0..count {
        let start = end.saturating_add(bytes.narrow()?);
        end = start.saturating_add(bytes.narrow()?);
        if end as usize > rows || start == end {
            return Err(Malformed("rows inside the chunk"));
        }
        runs.push_run(start..end);
    }
    Ok(runs)
}

impl Chunk {
    /// Checks the CRC and finds the columns.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let mut reader = Bytes::new(&bytes);
        if reader.u8()? != VERSION {
            return Err(Malformed("a known chunk version"));
        }
        let crc = reader.u32()?;
        if crc != crc32fast::hash(reader.rest()) {
            return Err(Malformed("a chunk whose CRC holds"));
        }
        let rows: usize = reader.narrow()?;
        if rows > MAX_ROWS {
            return Err(Malformed("fewer rows"));
        }
        let mask = reader.u32()?;
        let aspects = reader.u8()?;
        let times_len: usize = reader.narrow()?;
        let count = mask.count_ones() * u32::from(aspects);
        let lens = (0..count).map(|_| reader.narrow()).collect::<Result<Vec<usize>, _>>()?;
        let mut times = Vec::with_capacity(rows);
        read_times(&mut Bytes::new(reader.take(times_len)?), rows, &mut times)?;
        let mut at = bytes.len() - reader.len();
        let mut columns = Vec::with_capacity(lens.len());
        for len in lens {
            reader.take(len)?;
            columns.push(at..at + len);
            at += len;
        }
        Ok(Self { rows, times, mask, aspects, columns, bytes })
    }

    /// Bytes it takes in memory.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.times.len() * 8 + self.columns.len() * 16
    }

    /// The slots that have a column.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u8> + '_ {
        (0..MAX_SLOTS as u8).filter(|slot| self.mask & 1 << slot != 0)
    }

    /// Decodes a column; `None` when the slot has none.
    pub(crate) fn column(&self, slot: u8, aspect: u8) -> Result<Option<ColumnRows>, Malformed> {
        if usize::from(slot) >= MAX_SLOTS || self.mask & 1 << slot == 0 || aspect >= self.aspects {
            return Ok(None);
        }
        let before = (self.mask & ((1_u32 << slot) - 1)).count_ones() as usize;
        let index = before * usize::from(self.aspects) + usize::from(aspect);
        let range = self.columns.get(index).cloned().unwrap_or_default();
        let mut bytes = Bytes::new(self.bytes.get(range).unwrap_or_default());
        let runs = read_runs(&mut bytes, self.rows)?;
        let mut values = Vec::with_capacity(runs.rows());
        read_values(&mut bytes, runs.rows(), &mut values)?;
        Ok(Some(ColumnRows { slot, aspect, runs, values }))
    }

    /// Encoding, number of values and bytes of each column, for figures.
    pub(crate) fn encodings(&self) -> Result<Vec<(&'static str, usize, usize)>, Malformed> {
        let column = |range: &Range<usize>| {
            let mut bytes = Bytes::new(self.bytes.get(range.clone()).unwrap_or_default());
            let values = read_runs(&mut bytes, self.rows)?.rows();
            Ok((encoding(bytes.rest().first().copied().unwrap_or_default()), values, range.len()))
        };
        self.columns.iter().map(column).collect()
    }

    /// Appends the samples of a slot (one aspect of them, in rollups) inside `range`.
    pub(crate) fn samples(
        &self,
        slot: u8,
        aspect: u8,
        range: TimeRange,
        out: &mut Vec<Sample>,
    ) -> Result<(), Malformed> {
        if let Some(column) = self.column(slot, aspect)? {
            column.samples(|row| self.times.get(row).copied().unwrap_or_default(), range, out);
        }
        Ok(())
    }

    /// All of it, decoded (chunks with one column per slot).
    pub(crate) fn to_rows(&self) -> Result<Rows, Malformed> {
        let columns = self.slots().filter_map(|slot| self.column(slot, 0).transpose());
        Ok(Rows { times: self.times.clone(), columns: columns.collect::<Result<_, _>>()? })
    }

    /// First and last time.
    pub(crate) fn range(&self) -> TimeRange {
        let at = |time: Option<&i64>| Timestamp(time.copied().unwrap_or_default());
        TimeRange::new(at(self.times.first()), at(self.times.last()))
    }
}

#[cfg(test)]
mod tests;
