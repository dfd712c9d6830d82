//! The state as it is held in memory: what was committed, ready to be read without the disk.

use std::collections::{BTreeMap, VecDeque};

use breakwatch_model::{Record, Table, Timestamp};
use rustc_hash::FxHashMap;

use super::journal::Segment;
use super::ops::{Entry, LogOp, Span, put_entry, put_journal, put_keyed};

/// The journals, in the order in which snapshots list them.
pub(crate) const JOURNALS: [Table; 3] = [Table::Ledger, Table::Events, Table::Audit];

/// Snapshot frames are filled to about this: damage costs one of them, not the table.
const SNAPSHOT_FRAME: usize = 32 << 10;

/// Everything that was committed.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    keyed: FxHashMap<Table, BTreeMap<String, Vec<u8>>>,
    journals: FxHashMap<Table, Journal>,
}

/// A journal: its old records are in segments, its newest still only in the log.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The number the next record gets.
    pub(crate) next: u64,
    /// Records with lower numbers are in segments (or were dropped by retention).
    pub(crate) moved: u64,
    /// Records that are in the log alone, oldest first.
    pub(crate) pending: VecDeque<Entry>,
    /// Oldest first.
    pub(crate) segments: Vec<Segment>,
    /// The segments there should be, as the log said when it was replayed.
    pub(crate) expected: Vec<Span>,
}

impl Tables {
    /// Applies a change that is durable (or is being replayed).
    pub(crate) fn apply(&mut self, op: LogOp) {
        match op {
            LogOp::Put { table, key, value } => {
                self.keyed.entry(table).or_default().insert(key, value);
            }
            LogOp::Delete { table, key } => {
                if let Some(records) = self.keyed.get_mut(&table) {
                    records.remove(&key);
                }
            }
            LogOp::Append { table, entry } => {
                let journal = self.journal_mut(table);
                journal.next = journal.next.max(entry.number + 1);
                let newest = journal.pending.back().map(|newest| newest.number);
                if entry.number >= journal.moved && newest.is_none_or(|newest| newest < entry.number) {
                    journal.pending.push_back(entry);
                }
            }
            LogOp::Journal { table, next, segments } => {
                let journal = self.journal_mut(table);
                journal.next = journal.next.max(next);
                journal.expected = segments;
            }
        }
    }

    pub(crate) fn journal(&self, table: Table) -> Option<&Journal> {
        self.journals.get(&table)
    }

    pub(crate) fn journal_mut(&mut self, table: Table) -> &mut Journal {
        self.journals.entry(table).or_default()
    }

    pub(crate) fn get(&self, table: Table, key: &str) -> Option<&Vec<u8>> {
        self.keyed.get(&table)?.get(key)
    }

    pub(crate) fn records(&self, table: Table) -> Vec<Record> {
        let records = self.keyed.get(&table).into_iter().flatten();
        records
            .map(|(key, value)| Record { key: key.clone(), at: Timestamp::default(), value: value.clone() })
            .collect()
    }

    /// How many records the keyed tables hold.
    pub(crate) fn len(&self) -> usize {
        self.keyed.values().map(BTreeMap::len).sum()
    }

    /// Everything a fresh log must begin with, in payloads of about [`SNAPSHOT_FRAME`] bytes.
    pub(crate) fn snapshot(&self) -> Vec<Vec<u8>> {
        let mut frames = Frames::default();
        for table in Table::ALL {
            for (key, value) in self.keyed.get(&table).into_iter().flatten() {
                frames.with(|out| put_keyed(out, table, key, Some(value)));
            }
        }
        for table in JOURNALS {
            let Some(journal) = self.journal(table) else { continue };
            let spans: Vec<Span> = journal.segments.iter().map(Segment::span).collect();
            frames.with(|out| put_journal(out, table, journal.next, &spans));
            for entry in &journal.pending {
                frames.with(|out| put_entry(out, table, entry.number, entry.at, &entry.value));
            }
        }
        frames.done
    }
}

#[derive(Default)]
struct Frames {
    done: Vec<Vec<u8>>,
}

impl Frames {
    fn with(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        if self.done.last().is_none_or(|last| last.len() >= SNAPSHOT_FRAME) {
            self.done.push(Vec::new());
        }
        if let Some(last) = self.done.last_mut() {
            put(last);
        }
    }
}
