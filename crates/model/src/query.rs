//! The read side of the store, as the query engine sees it.
//!
//! A query is answered in two steps: [`Queryable::prepare`] turns matchers into the series they name (worth
//! keeping for a rule that runs every 15 s: it stays valid until the store's epoch changes), and
//! [`Queryable::select`] streams the samples of those series, one series after the other, a chunk at a time,
//! so that memory is bounded by a chunk and not by the range.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::{IndexStatistics, Labels, Matcher, Metadata, Sample, TimeRange, Timestamp};

/// A series inside one store, for as long as that store is open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SeriesRef(pub u64);

/// A series named by a selector.
#[derive(Clone, Debug)]
pub struct SeriesEntry {
    /// The store's own number of the series.
    pub reference: SeriesRef,
    /// Its labels, with the metric name.
    pub labels: Labels,
}

/// The series that a list of matchers names, sorted by labels.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The conditions.
    pub matchers: Arc<[Matcher]>,
    /// The series.
    pub series: Arc<[SeriesEntry]>,
    /// The store's series epoch when this was prepared.
    pub epoch: u64,
}

/// What the caller will do with the samples; a store may use it to read less, never to answer differently.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelectHints {
    /// The query's step; zero for an instant query.
    pub step: Duration,
    /// The window of a range selector; zero for an instant selector.
    pub window: Duration,
    /// Whether 5-minute rollups may stand in for raw samples where raw is no longer kept.
    pub rollups: bool,
}

/// Streams the samples of a [`Selector`]'s series, in the selector's order.
pub trait SeriesSet: Send {
    /// Goes to the next series that may have samples in the range; gives its index in the selector.
    ///
    /// # Errors
    /// What the store could not read. Damaged chunks are skipped and counted by the store itself.
    fn next_series(&mut self) -> Result<Option<usize>, StorageError>;

    /// Appends the current series' next run of samples (in time order, staleness markers included) to `out`;
    /// `false` when there are no more.
    ///
    /// # Errors
    /// As [`SeriesSet::next_series`].
    fn next_chunk(&mut self, out: &mut Vec<Sample>) -> Result<bool, StorageError>;
}

/// A store that can be queried. All methods may be called from several threads at once.
pub trait Queryable: Send + Sync {
    /// Changes whenever the answer of [`Queryable::prepare`] may change: a series came or went.
    fn epoch(&self) -> u64;

    /// The series for which every matcher holds, sorted by labels.
    ///
    /// # Errors
    /// When the index cannot be read or the token says stop.
    fn prepare(&self, matchers: &[Matcher], cancel: &CancelToken) -> Result<Selector, StorageError>;

    /// The samples of the selector's series inside `range` (both ends included).
    ///
    /// # Errors
    /// When the store cannot be read or the token says stop.
    fn select<'a>(
        &'a self,
        selector: &'a Selector,
        range: TimeRange,
        hints: &SelectHints,
        cancel: &'a CancelToken,
    ) -> Result<Box<dyn SeriesSet + 'a>, StorageError>;

    /// The last sample of each of the selector's series inside `range`, as `(index, sample)` in selector order;
    /// series whose last sample there is a staleness marker, or that have none, are left out.
    ///
    /// # Errors
    /// As [`Queryable::select`].
    fn last_samples(
        &self,
        selector: &Selector,
        range: TimeRange,
        cancel: &CancelToken,
        out: &mut Vec<(usize, Sample)>,
    ) -> Result<(), StorageError> {
        let mut set = self.select(selector, range, &SelectHints::default(), cancel)?;
        let mut samples = Vec::new();
        while let Some(index) = set.next_series()? {
            let mut last = None;
            loop {
                samples.clear();
                if !set.next_chunk(&mut samples)? {
                    break;
                }
                last = samples.last().copied().or(last);
            }
            out.extend(last.filter(|sample| !sample.is_stale()).map(|sample| (index, sample)));
        }
        Ok(())
    }

    /// Label sets with samples inside `range` that match any of `selectors` (each a list of matchers), sorted,
    /// at most `limit` (0: no limit). The flag says whether the limit cut something.
    ///
    /// # Errors
    /// As [`Queryable::prepare`].
    fn series(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Labels>, bool), StorageError>;

    /// Sorted label names of the series [`Queryable::series`] would give; no selectors means all series.
    ///
    /// # Errors
    /// As [`Queryable::prepare`].
    fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError>;

    /// Sorted values of one label among the series [`Queryable::series`] would give; no selectors means all.
    ///
    /// # Errors
    /// As [`Queryable::prepare`].
    fn label_values(
        &self,
        name: &str,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError>;

    /// Metric families and what is known of them, sorted by name; `metric` restricts to one.
    fn metadata(&self, metric: Option<&str>) -> Vec<(Arc<str>, Metadata)>;

    /// What makes the series many, for whoever looks for the cause: lists of at most `limit`, and the span of the
    /// samples inside `recent`. A store with an index answers it without touching samples.
    ///
    /// # Errors
    /// As [`Queryable::select`].
    fn statistics(
        &self,
        recent: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<IndexStatistics, StorageError> {
        IndexStatistics::scan(self, recent, limit, cancel)
    }
}

/// Tells a running query to stop: the client went away, or time is up.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    cancelled: AtomicBool,
    timed_out: AtomicBool,
}

impl CancelToken {
    /// A token that nobody has cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the query because its asker is gone.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Stops the query because its time is up.
    pub fn time_out(&self) {
        self.0.timed_out.store(true, Ordering::Relaxed);
    }

    /// Asks whether to go on; cheap enough to ask once a chunk.
    ///
    /// # Errors
    /// [`StorageError::Cancelled`] or [`StorageError::TimedOut`].
    pub fn check(&self) -> Result<(), StorageError> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Err(StorageError::Cancelled);
        }
        if self.0.timed_out.load(Ordering::Relaxed) {
            return Err(StorageError::TimedOut);
        }
        Ok(())
    }
}

/// What a store can fail with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The disk refused: the operation and the system's words.
    #[error("{context}: {message}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// The system's message.
        message: String,
        /// Whether the disk is full.
        disk_full: bool,
    },
    /// Something on disk is not what was written.
    #[error("damaged data: {0}")]
    Corrupt(String),
    /// Another process has the store open.
    #[error("{0}")]
    Locked(String),
    /// The store is closed or its worker has died; history is degraded, nothing else is.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A limit was reached.
    #[error("{0}")]
    Limit(String),
    /// The asker is gone.
    #[error("query was canceled")]
    Cancelled,
    /// Time is up.
    #[error("query timed out")]
    TimedOut,
}

impl StorageError {
    /// Wraps an I/O error with what was being done.
    pub fn io(context: impl Into<String>, error: &std::io::Error) -> Self {
        Self::Io {
            context: context.into(),
            message: error.to_string(),
            disk_full: error.kind() == std::io::ErrorKind::StorageFull,
        }
    }
}

/// The moment an instant selector with this look-back starts to see samples (left-open, as in Prometheus 3).
impl TimeRange {
    /// The range an instant selector at `at` reads: `(at - lookback, at]`.
    #[must_use]
    pub fn lookback(at: Timestamp, lookback: Duration) -> Self {
        Self::new(Timestamp((at - lookback).0.saturating_add(1)), at)
    }
}
