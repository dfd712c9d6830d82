//! State: everything that must survive a crash besides samples. Small, durable before it is acted on.
//!
//! A record is a key in a table with a value in JSON, typed by its owner (alert instances and the outbox by
//! `alerts`, breaker snapshots by the daemon). The store knows only tables, keys and bytes, so state written
//! today can be read by the release after next, and one commit can span every owner.

use serde::{Deserialize, Serialize};

use crate::{StorageError, TimeRange, Timestamp};

/// The tables of the state log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Alert instances of rules: active_at, fired_at, keep_firing_since, last_sent.
    Alerts,
    /// Breaker snapshots.
    Breakers,
    /// Alert groups and what each receiver was last told (Alertmanager's notification log).
    Notifications,
    /// Messages not yet definitely delivered.
    Outbox,
    /// Silences.
    Silences,
    /// Acknowledgements.
    Acks,
    /// Paused checks and other switches set at run time.
    Checks,
    /// Cursors of exporters.
    Cursors,
    /// The instance id, the format version and other single facts.
    Meta,
    /// Journal: every attempt, answer and decision about notifications.
    Ledger,
    /// Journal: breaker transitions, status changes, and what recovery analytics reads.
    Events,
    /// Journal: who changed what by API, CLI or UI.
    Audit,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 12] = [
        Self::Alerts,
        Self::Breakers,
        Self::Notifications,
        Self::Outbox,
        Self::Silences,
        Self::Acks,
        Self::Checks,
        Self::Cursors,
        Self::Meta,
        Self::Ledger,
        Self::Events,
        Self::Audit,
    ];

    /// Whether the table is a journal: records are only ever added, read by time, and dropped by retention.
    #[must_use]
    pub const fn is_journal(self) -> bool {
        matches!(self, Self::Ledger | Self::Events | Self::Audit)
    }

    /// The stable name of the table on disk and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Breakers => "breakers",
            Self::Notifications => "notifications",
            Self::Outbox => "outbox",
            Self::Silences => "silences",
            Self::Acks => "acks",
            Self::Checks => "checks",
            Self::Cursors => "cursors",
            Self::Meta => "meta",
            Self::Ledger => "ledger",
            Self::Events => "events",
            Self::Audit => "audit",
        }
    }
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Sets a record of a keyed table.
    Put {
        /// The table.
        table: Table,
        /// The record's key.
        key: String,
        /// JSON.
        value: Vec<u8>,
    },
    /// Removes a record of a keyed table; removing what is not there is no error.
    Delete {
        /// The table.
        table: Table,
        /// The record's key.
        key: String,
    },
    /// Adds a record to a journal.
    Append {
        /// The journal.
        table: Table,
        /// When it happened.
        at: Timestamp,
        /// JSON.
        value: Vec<u8>,
    },
}

/// Changes that become durable together or not at all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The changes, in order.
    pub ops: Vec<Op>,
}

impl Batch {
    /// No changes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Sets a record.
    pub fn put(&mut self, table: Table, key: impl Into<String>, value: Vec<u8>) -> &mut Self {
        self.ops.push(Op::Put { table, key: key.into(), value });
        self
    }

    /// Removes a record.
    pub fn delete(&mut self, table: Table, key: impl Into<String>) -> &mut Self {
        self.ops.push(Op::Delete { table, key: key.into() });
        self
    }

    /// Adds to a journal.
    pub fn append(&mut self, table: Table, at: Timestamp, value: Vec<u8>) -> &mut Self {
        self.ops.push(Op::Append { table, at, value });
        self
    }

    /// Adds the changes of another batch behind this one's.
    pub fn extend(&mut self, other: Self) -> &mut Self {
        self.ops.extend(other.ops);
        self
    }
}

/// A record as it is read back. In a journal the key is its running number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The key.
    pub key: String,
    /// When it was added (journals); zero otherwise.
    pub at: Timestamp,
    /// JSON.
    pub value: Vec<u8>,
}

/// The state log. Calls block on the disk: call it from a blocking thread or a thread of its own.
pub trait StateStore: Send + Sync {
    /// Makes a batch durable. When this returns `Ok`, a power cut does not take it back.
    ///
    /// # Errors
    /// When the batch could not be made durable; nothing of it is visible then.
    fn commit(&self, batch: Batch) -> Result<(), StorageError>;

    /// Every record of a keyed table, sorted by key.
    fn table(&self, table: Table) -> Vec<Record>;

    /// One record of a keyed table.
    fn get(&self, table: Table, key: &str) -> Option<Vec<u8>>;

    /// Records of a journal inside `range`, oldest first, at most `limit` of the newest (0: no limit).
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn journal(&self, table: Table, range: TimeRange, limit: usize) -> Result<Vec<Record>, StorageError>;
}
