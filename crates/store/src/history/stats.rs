//! Figures of the history, as plain numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use breakwatch_model::Appended;

/// Figures for metrics. Counters count since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryStats {
    /// Series in the index.
    pub series: u64,
    /// Samples in memory that are not sealed.
    pub head_samples: u64,
    /// About the memory they take.
    pub head_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Chunks in the hot tier.
    pub hot_chunks: u64,
    /// Bytes of the hot tier.
    pub hot_bytes: u64,
    /// Blocks of raw samples, and of rollups.
    pub blocks: u64,
    /// Bytes of raw blocks.
    pub raw_bytes: u64,
    /// Bytes of rollups.
    pub rollup_bytes: u64,
    /// Samples taken.
    pub accepted: u64,
    /// Samples refused: older than the newest of their series.
    pub out_of_order: u64,
    /// Samples refused: same time, other value.
    pub duplicate: u64,
    /// Samples refused: too far in the future.
    pub too_far_ahead: u64,
    /// Samples dropped: disk in trouble, unknown series, or damaged past repair.
    pub dropped: u64,
    /// Series refused because there are too many.
    pub series_refused: u64,
    /// Times a series went on from an earlier time than its newest sample, because the clock had stood wrong.
    pub clock_jumps: u64,
    /// Damaged chunks met while reading.
    pub damaged_chunks: u64,
    /// How long the last sync of the log took.
    pub last_sync: Duration,
    /// Whether samples are currently not being made durable.
    pub degraded: bool,
}

/// The counters behind the figures.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) out_of_order: AtomicU64,
    pub(crate) duplicate: AtomicU64,
    pub(crate) too_far_ahead: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) series_refused: AtomicU64,
    pub(crate) clock_jumps: AtomicU64,
    pub(crate) damaged_chunks: AtomicU64,
    pub(crate) last_sync_micros: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub(crate) fn add(&self, appended: &Appended) {
        count(&self.accepted, appended.accepted as u64);
        count(&self.out_of_order, appended.out_of_order as u64);
        count(&self.duplicate, appended.duplicate as u64);
        count(&self.too_far_ahead, appended.too_far_ahead as u64);
        count(&self.dropped, appended.dropped as u64);
    }
}
