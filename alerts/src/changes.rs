//! Changes since the last batch: the newest value of every changed record, and new ledger records in order.

use std::collections::BTreeMap;

use breakwatch_model::{Batch, Table, Timestamp};
use serde::Serialize;

use crate::ledger::Record;

/// How many ledger records wait for a reader at most; the journal itself loses none.
const MAX_RECENT: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Changes {
    keyed: BTreeMap<(Table, String), Option<Vec<u8>>>,
    journal: Vec<(Table, Timestamp, Vec<u8>)>,
    recent: Vec<Record>,
}

impl Changes {
    /// Sets a record.
    pub(crate) fn put<T: Serialize>(&mut self, table: Table, key: impl Into<String>, value: &T) {
        // Our records are plain data with text keys: turning them into JSON cannot fail.
        if let Ok(bytes) = serde_json::to_vec(value) {
            self.keyed.insert((table, key.into()), Some(bytes));
        }
    }

    /// Removes a record.
    pub(crate) fn delete(&mut self, table: Table, key: impl Into<String>) {
        self.keyed.insert((table, key.into()), None);
    }

    /// Adds a ledger record.
    pub(crate) fn record(&mut self, record: Record) {
        if let Ok(bytes) = serde_json::to_vec(&record) {
            self.journal.push((Table::Ledger, record.at, bytes));
        }
        if self.recent.len() < MAX_RECENT {
            self.recent.push(record);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keyed.is_empty() && self.journal.is_empty()
    }

    /// Everything since the last call, as one batch.
    pub(crate) fn take_batch(&mut self) -> Batch {
        let mut batch = Batch::new();
        for ((table, key), value) in std::mem::take(&mut self.keyed) {
            match value {
                Some(value) => batch.put(table, key, value),
                None => batch.delete(table, key),
            };
        }
        for (table, at, value) in std::mem::take(&mut self.journal) {
            batch.append(table, at, value);
        }
        batch
    }

    /// Ledger records since the last call, for logs and metrics.
    pub(crate) fn take_recent(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.recent)
    }
}
