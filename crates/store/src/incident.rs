//! What went wrong on disk, kept for whoever raises alerts about it.
//!
//! The store never stops for damage: it sets the damaged piece aside, goes on, and says so here. The daemon
//! turns each incident into an alert of its own.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use breakwatch_model::Timestamp;
use parking_lot::Mutex;

/// The piece of the store an incident is about. Its name is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// The state log: alerts, outbox, silences.
    State,
    /// The journals beside the state log: ledger, events, audit.
    Journal,
    /// The write-ahead log of samples.
    Wal,
    /// The registry of series.
    Series,
    /// The hot tier (sled).
    Hot,
    /// A sealed chunk.
    Chunk,
    /// A block of a finished day, or its rollups.
    Block,
    /// The disk itself: full, read-only, failing.
    Disk,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 8] = [
        Self::State,
        Self::Journal,
        Self::Wal,
        Self::Series,
        Self::Hot,
        Self::Chunk,
        Self::Block,
        Self::Disk,
    ];

    /// The unit's name as a label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Journal => "journal",
            Self::Wal => "wal",
            Self::Series => "series",
            Self::Hot => "hot",
            Self::Chunk => "chunk",
            Self::Block => "block",
            Self::Disk => "disk",
        }
    }
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its running number since the process started, from 1.
    pub number: u64,
    /// When it was noticed.
    pub at: Timestamp,
    /// What it is about.
    pub unit: Unit,
    /// What was found and what became of it, for people.
    pub message: String,
    /// Where the damaged piece was put, if it was set aside.
    pub quarantined: Option<PathBuf>,
}

/// How many incidents are kept for reading; the counters go on beyond it.
const KEPT: usize = 1000;

/// The list of incidents. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Incidents(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    total: u64,
    by_unit: [u64; Unit::ALL.len()],
    recent: VecDeque<Incident>,
}

impl Incidents {
    /// No incidents yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an incident and logs it.
    pub fn report(
        &self,
        at: Timestamp,
        unit: Unit,
        message: impl Into<String>,
        quarantined: Option<PathBuf>,
    ) {
        let message = message.into();
        tracing::error!(unit = unit.as_str(), quarantined = ?quarantined, "store_damage: {message}");
        let mut inner = self.0.lock();
        inner.total += 1;
        inner.by_unit[unit as usize] += 1;
        let number = inner.total;
        if inner.recent.len() == KEPT {
            inner.recent.pop_front();
        }
        inner.recent.push_back(Incident { number, at, unit, message, quarantined });
    }

    /// The incidents after number `seen` that are still kept, oldest first.
    #[must_use]
    pub fn since(&self, seen: u64) -> Vec<Incident> {
        self.0.lock().recent.iter().filter(|incident| incident.number > seen).cloned().collect()
    }

    /// How many incidents there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.lock().total
    }

    /// How many incidents there were of each unit, for a counter.
    #[must_use]
    pub fn by_unit(&self) -> Vec<(Unit, u64)> {
        let inner = self.0.lock();
        Unit::ALL.iter().zip(inner.by_unit).map(|(unit, count)| (*unit, count)).collect()
    }
}
