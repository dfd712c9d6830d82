//! The write side of the store, and the cursor by which exporters follow what was written.

use serde::{Deserialize, Serialize};

use crate::{Labels, Metadata, Sample, SeriesRef, StorageError, Timestamp};

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Appended {
    /// Samples taken.
    pub accepted: usize,
    /// Refused: older than the newest sample of their series by more than the out-of-order window.
    pub out_of_order: usize,
    /// Refused: same time as a stored sample, other value.
    pub duplicate: usize,
    /// Refused: too far in the future.
    pub too_far_ahead: usize,
    /// Dropped because the store's disk or worker is in trouble.
    pub dropped: usize,
}

/// Takes samples. Implementations write a log frame per tick and never block on the chunk store.
pub trait Appender: Send + Sync {
    /// The series of these labels (metric name included), made if it is new. `meta` is kept per metric name.
    fn resolve(&self, labels: &Labels, meta: &Metadata) -> SeriesRef;

    /// Adds samples; visible to queries at once, durable after the store's next tick.
    ///
    /// # Errors
    /// When nothing could be taken at all; partial refusals are counted in [`Appended`].
    fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, StorageError>;
}

/// A position in the order in which samples were appended. Durable: it means the same after a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// The number of the next log frame to read.
    pub frame: u64,
    /// Up to when everything was read, for going on by time when the log no longer reaches back to `frame`.
    pub time: Timestamp,
}

/// A piece of what was appended.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// The samples, in the order in which they were appended.
    pub samples: Vec<(SeriesRef, Sample)>,
    /// Where to go on.
    pub next: Cursor,
    /// Whether there is nothing after `next` yet.
    pub caught_up: bool,
}

/// A series as a follower needs it.
#[derive(Clone, Debug)]
pub struct SeriesInfo {
    /// Labels with the metric name.
    pub labels: Labels,
    /// Kind, unit, help of the metric.
    pub meta: Metadata,
    /// When the series was first appended to: the start time of a counter.
    pub created_at: Timestamp,
}

/// Lets exporters read everything that was appended exactly once, across restarts and outages.
pub trait Follower: Send + Sync {
    /// The position after the newest sample.
    fn end(&self) -> Cursor;

    /// At least one frame from `from`, at most about `max_samples` samples. Only what is durable is given out,
    /// so a crash never takes back what an exporter has sent. A cursor older than the log goes on by time from
    /// the chunks, as far as retention reaches.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn follow(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError>;

    /// The series behind a reference, if it still exists.
    fn series_info(&self, reference: SeriesRef) -> Option<SeriesInfo>;
}
