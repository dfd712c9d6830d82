//! The history: samples of every series, durable within a tick, kept for weeks in little space.
//!
//! ```text
//! append -> head (memory) + log (a frame a tick)
//!             head -> sealed lanes -> chunks in the hot tier (a store per day)
//!                                       finished day -> block file + rollups -> gone after retention
//! ```
//! A sample is in the head or further on at any time, and in the log until it is in a durable chunk. Nothing
//! here is needed to send a page: whatever fails costs history, is reported, and mends itself or is set aside.

mod append;
mod cache;
mod finish;
mod follow;
mod hooks;
mod maintain;
mod open;
mod options;
mod query;
mod read;
mod rebuild;
mod replay;
mod retire;
mod rollups;
mod stats;
mod threads;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use breakwatch_model::{StorageError, Timestamp};
use parking_lot::{Mutex, RwLock};

use crate::block::Blocks;
use crate::datadir::DataDir;
use crate::head::Head;
use crate::hot::Hot;
use crate::index::{Index, Record, Registry};
use crate::wal::{Figures, KIND_SAMPLES, SampleWriter, Sealed, Wal, frame_of};
use cache::Cache;
pub use options::{HistoryOptions, Retention};
pub use rollups::Rollup;
pub use stats::HistoryStats;
use stats::{Counters, read};
use threads::Threads;

/// The history. Clones are not needed: share it in an [`Arc`].
#[derive(Debug)]
pub struct History {
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
}

/// What the history's threads and callers share. Locks are taken in the order of the fields.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: DataDir,
    pub(crate) tick: Duration,
    pub(crate) future_limit: Duration,
    pub(crate) max_series: usize,
    pub(crate) retention: Mutex<Retention>,
    /// One thread at a time ticks, and one maintains.
    pub(crate) ticking: Mutex<()>,
    pub(crate) maintaining: Mutex<()>,
    pub(crate) index: RwLock<Index>,
    pub(crate) live: RwLock<Live>,
    /// Ticks of the log before which others were missing at start.
    pub(crate) holes: Vec<u64>,
    /// Days whose notes of stored chunks in the log mean nothing up to a frame, because the store was lost.
    pub(crate) void: Mutex<Vec<(i64, u64)>>,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) wal: Mutex<Wal>,
    pub(crate) log: Arc<Figures>,
    /// The log frame from which the checkpoint on disk wants a replay.
    pub(crate) checkpointed: AtomicU64,
    pub(crate) hot: Hot,
    pub(crate) blocks: Blocks,
    pub(crate) cache: Cache,
    pub(crate) positions: Mutex<follow::Positions>,
    pub(crate) counters: Counters,
    /// The log is not being written; chunks are not being stored.
    pub(crate) log_failing: AtomicBool,
    pub(crate) hot_failing: AtomicBool,
    pub(crate) closed: AtomicBool,
}

/// What changes with every sample.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) head: Head,
    pub(crate) pending: SampleWriter,
    pub(crate) definitions: Vec<Record>,
    /// Chunks that were stored and not noted in the log yet.
    pub(crate) sealed: Vec<Sealed>,
    /// The tick that is being gathered.
    pub(crate) tick: u64,
    /// Samples before this belong to days that are blocks already.
    pub(crate) floor: Timestamp,
    /// Frames that wait for the log are too many: samples are dropped.
    pub(crate) choked: bool,
}

impl Live {
    /// The number of the frame that will hold the samples gathered now.
    pub(crate) const fn frame(&self) -> u64 {
        frame_of(self.tick, KIND_SAMPLES)
    }
}

impl History {
    /// Opens the history in a data directory. Damage is set aside and reported; it never keeps the history
    /// from opening.
    ///
    /// # Errors
    /// When the directory cannot be read or written at all.
    pub fn open(dir: &DataDir, options: HistoryOptions) -> Result<Arc<Self>, StorageError> {
        let engine = Box::new(crate::hot::SledEngine);
        Self::open_with(dir, options, engine)
    }

    /// As [`History::open`], with sealed chunks kept on the directory's own disk instead of in sled: for
    /// tests on a disk that forgets.
    ///
    /// # Errors
    /// As [`History::open`].
    pub fn open_on_disk(dir: &DataDir, options: HistoryOptions) -> Result<Arc<Self>, StorageError> {
        let engine = Box::new(crate::hot::FileEngine(Arc::clone(dir.disk())));
        Self::open_with(dir, options, engine)
    }

    fn open_with(
        dir: &DataDir,
        options: HistoryOptions,
        engine: Box<dyn crate::hot::Engine>,
    ) -> Result<Arc<Self>, StorageError> {
        let shared = Arc::new(open::open(dir, options, engine)?);
        let threads = if options.background { Some(Threads::start(&shared)?) } else { None };
        Ok(Arc::new(Self { shared, threads: Mutex::new(threads) }))
    }

    /// Makes what was appended durable and stops the threads. Samples appended afterwards are dropped.
    ///
    /// # Errors
    /// When the last samples could not be made durable.
    pub fn close(&self) -> Result<(), StorageError> {
        if let Some(threads) = self.threads.lock().take() {
            threads.stop();
        }
        if self.shared.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.shared.tick()
    }

    /// Makes what was appended durable. The history's own thread does this every tick.
    ///
    /// # Errors
    /// When the disk refuses; nothing is lost by it yet, and the next tick tries again.
    pub fn tick(&self) -> Result<(), StorageError> {
        self.shared.tick()
    }

    /// Moves what is due from memory to chunks, from chunks to blocks, and out. The history's own thread does
    /// this every few seconds.
    ///
    /// # Errors
    /// What the disk refused; the next call tries again.
    pub fn maintain(&self) -> Result<(), StorageError> {
        self.shared.maintain()
    }

    /// Changes what is kept; takes effect at once.
    ///
    /// # Errors
    /// When files could not be removed.
    pub fn set_retention(&self, retention: Retention) -> Result<(), StorageError> {
        *self.shared.retention.lock() = retention;
        self.shared.maintain()
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> HistoryStats {
        let shared = &self.shared;
        let (head_samples, head_bytes) = shared.live.read().head.figures();
        let counters = &shared.counters;
        let (raw_bytes, rollup_bytes) = shared.blocks.bytes();
        HistoryStats {
            series: shared.index.read().len() as u64,
            head_samples,
            head_bytes,
            wal_bytes: shared.log.bytes(),
            hot_chunks: shared.hot.days().iter().map(|(_, count)| count).sum(),
            hot_bytes: shared.hot.bytes(),
            blocks: shared.blocks.list().len() as u64,
            raw_bytes,
            rollup_bytes,
            accepted: read(&counters.accepted),
            out_of_order: read(&counters.out_of_order),
            duplicate: read(&counters.duplicate),
            too_far_ahead: read(&counters.too_far_ahead),
            dropped: read(&counters.dropped),
            series_refused: read(&counters.series_refused),
            clock_jumps: read(&counters.clock_jumps),
            damaged_chunks: read(&counters.damaged_chunks),
            last_sync: Duration::from_micros(read(&counters.last_sync_micros)),
            degraded: self.is_degraded(),
        }
    }

    /// Whether samples are being made durable; if not, why pages still go out and history does not.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.shared.log_failing.load(Ordering::Relaxed) || self.shared.hot_failing.load(Ordering::Relaxed)
    }
}

impl Drop for History {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.lock().take() {
            threads.stop();
        }
    }
}
