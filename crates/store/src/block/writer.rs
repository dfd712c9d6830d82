//! Writing a block: chunks as they come, then index, series and footer, then into place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use breakwatch_model::{TimeRange, Timestamp};

use super::BLOCK_ROWS;
use super::file::{BlockIndex, Footer, Kind};
use crate::chunk::{ColumnRows, Rows, Runs, encode};
use crate::codec::Effort;
use crate::disk::{Disk, DiskFile};
use crate::index::{Record, put_records};

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 20;

/// A block being written, under a temporary name.
#[derive(Debug)]
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    temporary: PathBuf,
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    written: u64,
    index: BlockIndex,
    kind: Kind,
    day: i64,
    range: TimeRange,
    samples: u64,
    effort: Effort,
}

impl Writer {
    /// Begins a block.
    pub(crate) fn begin(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        kind: Kind,
        day: i64,
        effort: Effort,
    ) -> io::Result<Self> {
        let temporary = dir.join(format!("{}-{day}.tmp", kind.prefix()));
        let file = disk.open(&temporary, true)?;
        file.set_len(0)?;
        Ok(Self {
            disk: Arc::clone(disk),
            temporary,
            file,
            buffer: Vec::with_capacity(BUFFER),
            written: 0,
            index: BlockIndex::default(),
            kind,
            day,
            range: TimeRange::new(Timestamp::MAX, Timestamp::MIN),
            samples: 0,
            effort,
        })
    }

    /// Adds a group: its rows, piece by piece in time order. Groups come in order.
    pub(crate) fn group(&mut self, group: u32, pieces: &[Rows]) -> io::Result<()> {
        let mut chunks = Vec::new();
        let mut mask = 0;
        for rows in pieces.iter().flat_map(cut) {
            let (Some(first), Some(last)) = (rows.times.first(), rows.times.last()) else { continue };
            let range = TimeRange::new(Timestamp(*first), Timestamp(*last));
            let bytes = encode(&rows, self.effort);
            for column in rows.columns.iter() {
                mask |= 1 << column.slot;
                self.samples += if column.aspect == 0 { column.values.len() as u64 } else { 0 };
            }
            self.range = TimeRange::new(self.range.start.min(range.start), self.range.end.max(range.end));
            chunks.push((range, bytes.len() as u32));
            self.put(&bytes)?;
        }
        if !chunks.is_empty() {
            self.index.push(self.day, group, mask, &chunks);
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Whether nothing was added.
    pub(crate) const fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Every group that was added, with its slots.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.index.groups()
    }

    /// Completes the block under the name `path`, durably.
    pub(crate) fn finish(mut self, path: &Path, series: &[Record]) -> io::Result<()> {
        let mut index = Vec::new();
        self.index.put(&mut index);
        let mut names = Vec::new();
        put_records(&mut names, series);
        let footer = Footer {
            kind: self.kind,
            day: self.day,
            range: self.range,
            series: series.iter().filter(|record| matches!(record, Record::Series(_))).count() as u64,
            samples: self.samples,
            chunks_len: self.index.end(),
            index_len: index.len() as u64,
            series_len: names.len() as u64,
            index_crc: crc32fast::hash(&index),
            series_crc: crc32fast::hash(&names),
        };
        self.put(&index)?;
        self.put(&names)?;
        let mut end = Vec::new();
        footer.put(&mut end);
        self.put(&end)?;
        self.flush()?;
        self.file.sync()?;
        self.disk.rename(&self.temporary, path)?;
        path.parent().map_or(Ok(()), |dir| self.disk.sync_dir(dir))
    }

    /// Gives up what was begun.
    pub(crate) fn abandon(self) {
        let _ = self.disk.remove_file(&self.temporary);
    }
}

/// Cuts rows into chunks of at most [`BLOCK_ROWS`].
fn cut(rows: &Rows) -> Vec<Rows> {
    let whole = rows.times.len();
    let pieces = whole.div_ceil(BLOCK_ROWS).max(1);
    if pieces == 1 {
        return vec![rows.clone()];
    }
    let len = whole.div_ceil(pieces);
    let slice = |piece: usize| {
        let (start, end) = (piece * len, ((piece + 1) * len).min(whole));
        let times = rows.times.get(start..end).unwrap_or_default().to_vec();
        let columns = rows.columns.iter().map(|column| column_slice(column, start as u32, end as u32));
        Rows { times, columns: columns.filter(|column| !column.values.is_empty()).collect() }
    };
    (0..pieces).map(slice).collect()
}

/// The part of a column in rows `start..end`, renumbered.
fn column_slice(column: &ColumnRows, start: u32, end: u32) -> ColumnRows {
    let mut runs = Runs::default();
    let mut values = Vec::new();
    let mut before = 0;
    for run in column.runs.iter() {
        let (from, to) = (run.start.max(start), run.end.min(end));
        if from < to {
            runs.push_run(from - start..to - start);
            let first = before + (from - run.start) as usize;
            let taken = column.values.get(first..first + (to - from) as usize);
            values.extend_from_slice(taken.unwrap_or_default());
        }
        before += (run.end - run.start) as usize;
    }
    ColumnRows { slot: column.slot, aspect: column.aspect, runs, values }
}
