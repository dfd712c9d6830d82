//! The state log without a disk.

use std::collections::BTreeMap;

use breakwatch_model::{Batch, Op, Record, StateStore, StorageError, Table, TimeRange, Timestamp};
use parking_lot::Mutex;

/// State in memory. Commits can be made to fail.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    keyed: BTreeMap<(Table, String), Vec<u8>>,
    journals: BTreeMap<Table, Vec<Record>>,
    failure: Option<StorageError>,
    commits: u64,
}

impl MemoryState {
    /// No records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every commit fails with `error` until this is called with `None`.
    pub fn fail_with(&self, error: Option<StorageError>) {
        self.0.lock().failure = error;
    }

    /// How many batches were committed.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.lock().commits
    }
}

impl StateStore for MemoryState {
    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        let mut inner = self.0.lock();
        if let Some(error) = &inner.failure {
            return Err(error.clone());
        }
        inner.commits += 1;
        for op in batch.ops {
            match op {
                Op::Put { table, key, value } => {
                    inner.keyed.insert((table, key), value);
                }
                Op::Delete { table, key } => {
                    inner.keyed.remove(&(table, key));
                }
                Op::Append { table, at, value } => {
                    let journal = inner.journals.entry(table).or_default();
                    let key = journal.len().to_string();
                    journal.push(Record { key, at, value });
                }
            }
        }
        Ok(())
    }

    fn table(&self, table: Table) -> Vec<Record> {
        let inner = self.0.lock();
        let records = inner.keyed.range((table, String::new())..).take_while(|((t, _), _)| *t == table);
        records
            .map(|((_, key), value)| Record {
                key: key.clone(),
                at: Timestamp::default(),
                value: value.clone(),
            })
            .collect()
    }

    fn get(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        self.0.lock().keyed.get(&(table, key.to_owned())).cloned()
    }

    fn journal(&self, table: Table, range: TimeRange, limit: usize) -> Result<Vec<Record>, StorageError> {
        let inner = self.0.lock();
        let records = inner.journals.get(&table).into_iter().flatten();
        let mut records: Vec<Record> = records.filter(|r| range.contains(r.at)).cloned().collect();
        if limit > 0 && records.len() > limit {
            records.drain(..records.len() - limit);
        }
        Ok(records)
    }
}
