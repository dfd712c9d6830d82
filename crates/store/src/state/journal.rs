//! Journals on disk: records move here from the log when it turns over, and leave by age and by count.
//!
//! A segment is a file of frames, each with a run of records. A full segment ends in a frame of fixed size
//! that sums it up, so that opening a year of journals reads a hundred bytes of each file.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use breakwatch_model::{Record, Table, TimeRange, Timestamp};

use super::ops::{Entry, LogOp, Span, put_entry, read_ops};
use crate::codec::Bytes;
use crate::disk::{Disk, DiskFile, read_exact_at, read_file};
use crate::frame::{Found, HEADER_LEN, Scan, frame_at, put_frame};

const KIND_ENTRIES: u8 = 1;
const KIND_SUMMARY: u8 = 2;

/// A segment is closed at this size: the unit in which retention gives space back.
const SEGMENT_BYTES: u64 = 1 << 20;

/// Records are framed in runs of about this size: damage costs a run.
const RUN_BYTES: usize = 16 << 10;

/// Payload of the summary: five 64-bit integers.
const SUMMARY_LEN: usize = 40;

/// How long and how much of a journal is kept; whichever limit is met first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Records older than this go.
    pub age: Duration,
    /// Beyond this many records the oldest go.
    pub records: u64,
}

/// How much of each journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRetention {
    /// Notification attempts and decisions.
    pub ledger: Keep,
    /// Breaker transitions and status changes; availability is computed from these.
    pub events: Keep,
    /// Who changed what.
    pub audit: Keep,
}

impl Default for JournalRetention {
    /// Thirteen months, so that a year can be compared with the year before; about 100 MB at the most.
    fn default() -> Self {
        let age = Duration::from_secs(396 * 86_400);
        Self {
            ledger: Keep { age, records: 200_000 },
            events: Keep { age, records: 200_000 },
            audit: Keep { age, records: 50_000 },
        }
    }
}

impl JournalRetention {
    pub(crate) const fn of(&self, table: Table) -> Keep {
        match table {
            Table::Ledger => self.ledger,
            Table::Audit => self.audit,
            _ => self.events,
        }
    }
}

/// What is known of a segment without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// The number of its first record, and its generation.
    first: u64,
    /// One more than the number of its last record.
    pub(crate) next: u64,
    pub(crate) count: u64,
    oldest: Timestamp,
    newest: Timestamp,
    /// Bytes of its frames.
    len: u64,
    /// Nothing is added any more.
    closed: bool,
    /// Whether part of it could not be read.
    pub(crate) damaged: bool,
}

impl Segment {
    pub(crate) fn new(dir: &Path, table: Table, first: u64) -> Self {
        let path = dir.join(format!("{}-{first:016x}.log", table.as_str()));
        Self {
            path,
            first,
            next: first,
            count: 0,
            oldest: Timestamp::MAX,
            newest: Timestamp::MIN,
            len: 0,
            closed: false,
            damaged: false,
        }
    }

    /// The segment behind a file name, if it is one of `table`.
    pub(crate) fn first_of(name: &str, table: Table) -> Option<u64> {
        let number = name.strip_prefix(table.as_str())?.strip_prefix('-')?.strip_suffix(".log")?;
        u64::from_str_radix(number, 16).ok()
    }

    /// Finds out what the file holds: from its summary, or by reading it.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, table: Table, first: u64) -> io::Result<Self> {
        let mut segment = Self::new(dir, table, first);
        let file = disk.open_read(&segment.path)?;
        if segment.read_summary(&*file).is_none() {
            segment.scan(&read_file(disk, &segment.path)?, &mut |_| {});
        }
        Ok(segment)
    }

    fn read_summary(&mut self, file: &dyn DiskFile) -> Option<()> {
        let len = file.len().ok()?;
        let start = len.checked_sub((HEADER_LEN + SUMMARY_LEN) as u64)?;
        let tail = read_exact_at(file, start, HEADER_LEN + SUMMARY_LEN).ok()?;
        let frame = frame_at(&tail, 0).filter(|f| f.kind == KIND_SUMMARY && f.generation == self.first)?;
        let mut bytes = Bytes::new(frame.payload);
        self.next = bytes.u64().ok()?;
        self.count = bytes.u64().ok()?;
        self.oldest = Timestamp(bytes.u64().ok()? as i64);
        self.newest = Timestamp(bytes.u64().ok()? as i64);
        self.len = bytes.u64().ok()?;
        self.closed = true;
        Some(())
    }

    fn note(&mut self, entry: &Entry) {
        self.next = entry.number + 1;
        self.count += 1;
        self.oldest = self.oldest.min(entry.at);
        self.newest = self.newest.max(entry.at);
    }

    /// Goes through the records in `bytes`, learning what they are.
    fn scan(&mut self, bytes: &[u8], each: &mut dyn FnMut(Entry)) {
        let mut scan = Scan::new(bytes, self.first, 0);
        for found in scan.by_ref() {
            match found {
                Found::Frame(frame) if frame.kind == KIND_ENTRIES => match read_ops(frame.payload) {
                    Ok(ops) => {
                        for op in ops {
                            if let LogOp::Append { entry, .. } = op {
                                self.note(&entry);
                                each(entry);
                            }
                        }
                    }
                    Err(_) => self.damaged = true,
                },
                Found::Frame(_) => self.closed = true,
                Found::Damage(_) => self.damaged = true,
            }
        }
        self.len = scan.position() as u64;
        // Anything behind the last frame was begun and not finished, or is damaged: write no further here.
        self.closed |= self.damaged || self.len < bytes.len() as u64;
    }

    /// The numbers of its records.
    pub(crate) const fn span(&self) -> Span {
        Span { first: self.first, next: self.next }
    }

    /// Records from number `next` on count as being in the following segment.
    pub(crate) fn end_at(&mut self, next: u64) {
        self.next = self.next.min(next);
    }

    /// Bytes of the file that count, the closing summary included.
    pub(crate) const fn file_len(&self) -> u64 {
        self.len + if self.closed { (HEADER_LEN + SUMMARY_LEN) as u64 } else { 0 }
    }

    /// Whether more records may be added.
    pub(crate) const fn is_open(&self) -> bool {
        !self.closed && self.len < SEGMENT_BYTES
    }

    /// Adds records, durably. On an error the segment is closed, because its end is uncertain.
    pub(crate) fn append(&mut self, disk: &dyn Disk, table: Table, entries: &[&Entry]) -> io::Result<()> {
        let new = self.count == 0;
        let mut out = Vec::new();
        let mut after = self.clone();
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let mut size = 0;
            let run = rest.iter().take_while(|entry| {
                let fits = size < RUN_BYTES;
                size += entry.size();
                fits
            });
            let run = run.count();
            put_frame(&mut out, self.first, first.number, KIND_ENTRIES, |out| {
                for entry in rest.iter().take(run) {
                    put_entry(out, table, entry.number, entry.at, &entry.value);
                }
            });
            rest.iter().take(run).for_each(|entry| after.note(entry));
            rest = rest.get(run..).unwrap_or_default();
        }
        after.len += out.len() as u64;
        if after.len >= SEGMENT_BYTES {
            after.put_summary(&mut out);
            after.closed = true;
        }
        // Closed for good unless everything below works.
        self.closed = true;
        let file = disk.open(&self.path, true)?;
        if new {
            file.set_len(0)?;
        }
        file.write_at(&out, self.len)?;
        file.sync()?;
        if let Some(parent) = self.path.parent().filter(|_| new) {
            disk.sync_dir(parent)?;
        }
        *self = after;
        Ok(())
    }

    fn put_summary(&self, out: &mut Vec<u8>) {
        put_frame(out, self.first, self.next, KIND_SUMMARY, |out| {
            for value in [self.next, self.count, self.oldest.0 as u64, self.newest.0 as u64, self.len] {
                out.extend_from_slice(&value.to_le_bytes());
            }
        });
    }

    /// Whether a record inside `range` may be here.
    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.count > 0 && self.oldest <= range.end && range.start <= self.newest
    }

    /// Whether every record is older than `time`.
    pub(crate) fn is_older_than(&self, time: Timestamp) -> bool {
        self.newest < time
    }

    /// The records inside `range`, and whether part of the file could not be read.
    pub(crate) fn read(&self, disk: &dyn Disk, range: TimeRange) -> io::Result<(Vec<Record>, bool)> {
        let mut bytes = read_file(disk, &self.path)?;
        bytes.truncate(usize::try_from(self.len).unwrap_or(usize::MAX));
        let mut records = Vec::new();
        let mut copy = Self { count: 0, damaged: false, ..self.clone() };
        copy.scan(&bytes, &mut |entry| {
            if range.contains(entry.at) && entry.number < self.next {
                records.push(entry.into());
            }
        });
        Ok((records, copy.damaged || copy.count < self.count))
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        Self { key: entry.number.to_string(), at: entry.at, value: entry.value }
    }
}
