//! The state log: what must survive a crash besides samples.
//!
//! It is apart from history and from sled, small, and simple, because pages hang on it. A commit is one
//! frame, durable before [`StateLog::commit`] returns; commits of several threads share a sync. The log
//! lives in two preallocated files that take turns (see [`slot`]), so on a full disk commits go on in the
//! room that is already there. Journals (ledger, events, audit) move to segments of their own when the log
//! turns over.

mod group;
mod journal;
mod open;
mod ops;
mod slot;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Batch, Op, Record, StateStore, StorageError, Table, TimeRange};
use parking_lot::{Mutex, RwLock};

use crate::admin::Target;
use crate::datadir::DataDir;
use crate::incident::Unit;
use group::GroupCommit;
pub use journal::{JournalRetention, Keep};
use tables::Tables;
use writer::Writer;

/// How the state log is opened.
#[derive(Clone, Copy, Debug)]
pub struct StateOptions {
    /// Bytes preallocated for each of the two log files: the room in which commits go on when the disk is
    /// full. Grows by itself when the state outgrows it.
    pub reserve: u64,
    /// How much of the journals is kept.
    pub journals: JournalRetention,
}

impl Default for StateOptions {
    /// 2 MiB each: some thousand alerts and messages, and small enough for a disk of 8 MiB.
    fn default() -> Self {
        Self { reserve: 2 << 20, journals: JournalRetention::default() }
    }
}

/// Figures of the state log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateStats {
    /// Records in the keyed tables.
    pub records: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Syncs since the start; fewer than commits when several shared one.
    pub syncs: u64,
    /// Commits that failed.
    pub failed: u64,
    /// How long the last sync took.
    pub last_sync: Duration,
    /// Bytes of the two log files.
    pub log_bytes: u64,
    /// Journal records that were dropped because the disk was full and the reserve used up.
    pub journal_dropped: u64,
    /// Whether the last turn-over found no room to move journals out of the log.
    pub disk_full: bool,
}

/// The state log.
#[derive(Debug)]
pub struct StateLog {
    dir: DataDir,
    tables: RwLock<Tables>,
    writer: Mutex<Writer>,
    stats: Arc<Mutex<StateStats>>,
    queue: GroupCommit,
}

impl StateLog {
    /// Opens the log in `state/` of a data directory and replays it. Damage is set aside and reported as an
    /// incident; it never keeps the log from opening.
    ///
    /// # Errors
    /// When the files cannot be made, read or written at all.
    pub fn open(dir: &DataDir, options: StateOptions) -> Result<Arc<Self>, StorageError> {
        let (tables, writer) = open::open(dir, options)?;
        Ok(Arc::new(Self {
            dir: dir.clone(),
            tables: RwLock::new(tables),
            stats: Arc::clone(&writer.stats),
            writer: Mutex::new(writer),
            queue: GroupCommit::default(),
        }))
    }

    /// Moves journals to their segments and leaves a fresh log, so that the next start has little to read.
    /// Further commits fail.
    ///
    /// # Errors
    /// When that could not be written. Everything committed is durable all the same.
    pub fn close(&self) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        if writer.closed {
            return Ok(());
        }
        let done = writer.turn_over(&self.tables);
        writer.closed = true;
        done
    }

    /// Drops journal records that are over age or over count. Also happens whenever the log turns over.
    ///
    /// # Errors
    /// When the log could not be turned over to forget them; they go the next time.
    pub fn maintain(&self) -> Result<(), StorageError> {
        self.writer.lock().turn_over(&self.tables)
    }

    /// Changes how much of the journals is kept.
    pub fn set_journal_retention(&self, journals: JournalRetention) {
        self.writer.lock().journals = journals;
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> StateStats {
        let records = self.tables.read().len() as u64;
        StateStats { records, ..*self.stats.lock() }
    }

    /// Copies the log and its journals into a backup. Commits wait meanwhile.
    pub(crate) fn back_up(&self, target: &mut Target<'_>) -> Result<(), StorageError> {
        let _pause = self.writer.lock();
        target.dir("state/journal")?;
        let tables = self.tables.read();
        target.write("state/log-a", &slot::image(&tables.snapshot()))?;
        target.write("state/log-b", &[])?;
        for table in tables::JOURNALS {
            for segment in tables.journal(table).into_iter().flat_map(|journal| &journal.segments) {
                if let Some(name) = segment.path.file_name().and_then(|name| name.to_str()) {
                    target.copy(&segment.path, &format!("state/journal/{name}"), segment.file_len())?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the changes of a frame's payload and forgets them.
pub(crate) fn read_payload(payload: &[u8]) {
    let _ = ops::read_ops(payload);
}

/// A log file and a frame's payload as they are written.
pub(crate) fn example_files() -> Vec<Vec<u8>> {
    let mut payload = Vec::new();
    ops::put_keyed(&mut payload, Table::Outbox, "message", Some(b"{\"to\":\"ops\"}"));
    ops::put_keyed(&mut payload, Table::Alerts, "gone", None);
    ops::put_entry(&mut payload, Table::Events, 5, breakwatch_model::Timestamp(7), b"[1]");
    ops::put_journal(&mut payload, Table::Audit, 9, &[ops::Span { first: 3, next: 9 }]);
    vec![slot::image(std::slice::from_ref(&payload)), payload]
}

/// What is wrong with the bytes of one of the two log files, if anything.
pub(crate) fn slot_damage(bytes: &[u8]) -> Option<String> {
    match slot::Content::parse(bytes) {
        None if bytes.iter().all(|byte| *byte == 0) => None,
        None => Some("there is no readable record".to_owned()),
        Some(content) if !content.damage.is_empty() => {
            let lost: usize = content.damage.iter().map(ExactSizeIterator::len).sum();
            Some(format!("{lost} bytes are unreadable"))
        }
        Some(content) if content.cut => Some("the file was cut".to_owned()),
        Some(content) if content.torn => Some("the last record is incomplete".to_owned()),
        Some(_) => None,
    }
}

impl StateStore for StateLog {
    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        check(&batch)?;
        self.queue.commit(batch, |batches| self.writer.lock().commit(&self.tables, batches))
    }

    fn table(&self, table: Table) -> Vec<Record> {
        self.tables.read().records(table)
    }

    fn get(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        self.tables.read().get(table, key).cloned()
    }

    fn journal(&self, table: Table, range: TimeRange, limit: usize) -> Result<Vec<Record>, StorageError> {
        let (segments, pending) = {
            let tables = self.tables.read();
            let Some(journal) = tables.journal(table) else { return Ok(Vec::new()) };
            let segments: Vec<_> = journal.segments.iter().filter(|s| s.overlaps(range)).cloned().collect();
            let pending = journal.pending.iter().filter(|entry| range.contains(entry.at)).cloned();
            (segments, pending.map(Record::from).collect::<Vec<_>>())
        };
        // Newest first until there are enough, then turned around.
        let mut parts = vec![pending];
        let enough = |parts: &[Vec<Record>]| limit > 0 && parts.iter().map(Vec::len).sum::<usize>() >= limit;
        for segment in segments.iter().rev() {
            if enough(&parts) {
                break;
            }
            match segment.read(&**self.dir.disk(), range) {
                Ok((records, damaged)) => {
                    parts.push(records);
                    if damaged && !segment.damaged {
                        self.note_damage(table, segment);
                    }
                }
                // Retention was faster.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let context = format!("cannot read the journal {}", segment.path.display());
                    return Err(StorageError::io(context, &error));
                }
            }
        }
        let mut records: Vec<Record> = parts.into_iter().rev().flatten().collect();
        if limit > 0 && records.len() > limit {
            records.drain(..records.len() - limit);
        }
        Ok(records)
    }
}

impl StateLog {
    /// Reports damage of a segment once.
    fn note_damage(&self, table: Table, segment: &journal::Segment) {
        let mut tables = self.tables.write();
        let known = tables.journal_mut(table).segments.iter_mut().find(|s| s.path == segment.path);
        if let Some(known) = known.filter(|known| !known.damaged) {
            known.damaged = true;
            let message = format!("part of the journal {} is unreadable", segment.path.display());
            self.dir.report(Unit::Journal, message, None);
        }
    }
}

/// Refuses changes that make no sense on their table.
fn check(batch: &Batch) -> Result<(), StorageError> {
    let misplaced = batch.ops.iter().find(|op| match op {
        Op::Put { table, .. } | Op::Delete { table, .. } => table.is_journal(),
        Op::Append { table, .. } => !table.is_journal(),
    });
    misplaced
        .map_or(Ok(()), |op| Err(StorageError::Limit(format!("the table does not take this change: {op:?}"))))
}
