//! The writing side of the state log: commits, turning over, moving journals out.

use std::path::PathBuf;
use std::sync::Arc;

use breakwatch_model::{Batch, Op, StorageError, Table};
use parking_lot::{Mutex, RwLock};

use super::StateStats;
use super::journal::{JournalRetention, Segment};
use super::ops::{Entry, LogOp, put_entry, put_keyed, size_of};
use super::slot::{CLOSING_ROOM, Slot, put_commit};
use super::tables::{JOURNALS, Tables};
use crate::datadir::DataDir;
use crate::frame::HEADER_LEN;
use crate::incident::Unit;

/// What only the committing thread touches.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) dir: DataDir,
    pub(crate) journals: JournalRetention,
    pub(crate) slots: [Slot; 2],
    /// Which of the two takes commits.
    pub(crate) active: usize,
    pub(crate) generation: u64,
    /// Where the next frame goes, and its number.
    pub(crate) offset: u64,
    pub(crate) next: u64,
    /// The end of the active slot is uncertain: turn over before the next commit.
    pub(crate) suspect: bool,
    pub(crate) closed: bool,
    /// Shared, so that figures are read without waiting for a sync.
    pub(crate) stats: Arc<Mutex<StateStats>>,
}

impl Writer {
    /// Makes batches durable, each whole or not at all, then visible. One outcome per batch.
    pub(crate) fn commit(
        &mut self,
        tables: &RwLock<Tables>,
        batches: Vec<Batch>,
    ) -> Vec<Result<(), StorageError>> {
        let count = batches.len();
        let outcome = self.try_commit(tables, batches);
        match &outcome {
            Ok(()) => self.stats.lock().commits += count as u64,
            Err(_) => self.stats.lock().failed += count as u64,
        }
        vec![outcome; count]
    }

    fn try_commit(&mut self, tables: &RwLock<Tables>, batches: Vec<Batch>) -> Result<(), StorageError> {
        if self.closed {
            return Err(StorageError::Unavailable("the state log is closed".to_owned()));
        }
        let size: usize = batches.iter().map(batch_size).sum();
        if self.suspect || self.offset + size as u64 + CLOSING_ROOM > self.slots[self.active].capacity() {
            self.turn_over(tables)?;
        }
        let (frames, numbers) = self.encode(tables, &batches);
        let (offset, path) = (self.offset, self.slots[self.active].path.clone());
        self.timed(|writer| writer.slots[writer.active].write(&frames, offset)).map_err(|error| {
            self.suspect = true;
            StorageError::io(format!("cannot write the state log {}", path.display()), &error)
        })?;
        self.offset += frames.len() as u64;
        self.next += batches.len() as u64;
        drop(frames);
        let mut numbers = numbers.into_iter();
        let mut tables = tables.write();
        for op in batches.into_iter().flat_map(|batch| batch.ops) {
            tables.apply(match op {
                Op::Put { table, key, value } => LogOp::Put { table, key, value },
                Op::Delete { table, key } => LogOp::Delete { table, key },
                Op::Append { table, at, value } => {
                    let number = numbers.next().unwrap_or_default();
                    LogOp::Append { table, entry: Entry { number, at, value } }
                }
            });
        }
        Ok(())
    }

    /// One frame per batch, and the numbers its journal records get, in order.
    fn encode(&self, tables: &RwLock<Tables>, batches: &[Batch]) -> (Vec<u8>, Vec<u64>) {
        let mut next = JOURNALS.map(|table| tables.read().journal(table).map_or(0, |journal| journal.next));
        let mut number = |table: Table| {
            let slot = JOURNALS.iter().position(|journal| *journal == table).and_then(|i| next.get_mut(i));
            slot.map_or(0, |next| {
                *next += 1;
                *next - 1
            })
        };
        let mut frames = Vec::new();
        let mut numbers = Vec::new();
        for (index, batch) in batches.iter().enumerate() {
            put_commit(&mut frames, self.generation, self.next + index as u64, |out| {
                for op in &batch.ops {
                    match op {
                        Op::Put { table, key, value } => put_keyed(out, *table, key, Some(value)),
                        Op::Delete { table, key } => put_keyed(out, *table, key, None),
                        Op::Append { table, at, value } => {
                            let number = number(*table);
                            put_entry(out, *table, number, *at, value);
                            numbers.push(number);
                        }
                    }
                }
            });
        }
        (frames, numbers)
    }

    /// Moves journals to segments and starts the other slot with a snapshot.
    pub(crate) fn turn_over(&mut self, tables: &RwLock<Tables>) -> Result<(), StorageError> {
        self.move_journals(tables);
        let retired = self.retired_segments(tables);
        let snapshot = tables.read().snapshot();
        let size = snapshot.iter().map(|payload| payload.len() + HEADER_LEN).sum::<usize>() as u64 + 256;
        let target = 1 - self.active;
        // A slot the snapshot fills by half turns over too often; one that it does not fit needs room now.
        // On a full disk the first is a wish, and the write below decides about the second.
        if size * 2 > self.slots[target].capacity() {
            let _ = self.slots[target].reserve((size * 4).next_power_of_two());
        }
        let generation = self.generation + 1;
        let path = self.slots[target].path.clone();
        let (offset, next) =
            self.timed(|writer| writer.slots[target].begin(generation, &snapshot)).map_err(|error| {
                StorageError::io(format!("cannot write the state log {}", path.display()), &error)
            })?;
        if !self.suspect {
            self.slots[self.active].supersede(self.generation, self.next, self.offset);
        }
        (self.active, self.generation, self.offset, self.next) = (target, generation, offset, next);
        self.suspect = false;
        // Only now does the log no longer expect them.
        for path in retired {
            let _ = self.dir.disk().remove_file(&path);
        }
        Ok(())
    }

    /// Moves the journals' records from the log to segments, as far as the disk lets it.
    fn move_journals(&mut self, tables: &RwLock<Tables>) {
        self.stats.lock().disk_full = false;
        for table in JOURNALS {
            let (pending, open) = {
                let tables = tables.read();
                let Some(journal) = tables.journal(table) else { continue };
                (journal.pending.clone(), journal.segments.last().filter(|s| s.is_open()).cloned())
            };
            let Some(first) = pending.front() else { continue };
            let dir = self.dir.path().join("state").join("journal");
            let fresh = open.is_none();
            let mut segment = open.unwrap_or_else(|| Segment::new(&dir, table, first.number));
            let moved = segment.append(&**self.dir.disk(), table, &pending.iter().collect::<Vec<_>>());
            let mut tables = tables.write();
            let journal = tables.journal_mut(table);
            if moved.is_ok() {
                journal.moved = segment.next;
                journal.pending.retain(|entry| entry.number >= segment.next);
            }
            match journal.segments.last_mut() {
                Some(last) if !fresh => *last = segment,
                _ if moved.is_ok() => journal.segments.push(segment),
                _ => {}
            }
            if let Err(error) = moved {
                self.stats.lock().disk_full |= error.kind() == std::io::ErrorKind::StorageFull;
                self.shed(table, journal, &error);
            }
        }
    }

    /// Records that cannot be moved ride along in the log, up to a quarter of it; beyond that the oldest
    /// are given up, because alert state and the outbox need the room more.
    fn shed(&mut self, table: Table, journal: &mut super::tables::Journal, error: &std::io::Error) {
        let limit = self.slots[self.active].capacity() as usize / 4 / JOURNALS.len();
        let mut size: usize = journal.pending.iter().map(Entry::size).sum();
        let mut dropped = 0;
        while size > limit {
            let Some(entry) = journal.pending.pop_front() else { break };
            size -= entry.size();
            journal.moved = entry.number + 1;
            dropped += 1;
        }
        let before = {
            let mut stats = self.stats.lock();
            stats.journal_dropped += dropped;
            stats.journal_dropped - dropped
        };
        if before == 0 && dropped > 0 {
            let name = table.as_str();
            let message =
                format!("the {name} journal cannot be written ({error}); its oldest records are given up");
            self.dir.report(Unit::Journal, message, None);
        }
    }

    /// Takes the segments that are over age or over count out of the journals; gives their files.
    pub(crate) fn retired_segments(&self, tables: &RwLock<Tables>) -> Vec<PathBuf> {
        let now = self.dir.now();
        let mut retired = Vec::new();
        let mut tables = tables.write();
        for table in JOURNALS {
            let keep = self.journals.of(table);
            let journal = tables.journal_mut(table);
            let mut count =
                journal.segments.iter().map(|s| s.count).sum::<u64>() + journal.pending.len() as u64;
            journal.segments.retain(|segment| {
                let over = !segment.is_open()
                    && (segment.is_older_than(now - keep.age) || count - segment.count >= keep.records);
                if over {
                    count -= segment.count;
                    retired.push(segment.path.clone());
                }
                !over
            });
        }
        retired
    }

    fn log_bytes(&self) -> u64 {
        self.slots.iter().map(Slot::capacity).sum()
    }

    fn timed<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> R {
        let clock = Arc::clone(self.dir.clock());
        let start = clock.monotonic();
        let result = act(self);
        let mut stats = self.stats.lock();
        stats.last_sync = clock.monotonic().saturating_duration_since(start);
        stats.syncs += 1;
        stats.log_bytes = self.log_bytes();
        result
    }
}

fn batch_size(batch: &Batch) -> usize {
    HEADER_LEN + batch.ops.iter().map(size_of).sum::<usize>() + batch.ops.len() * 12
}
