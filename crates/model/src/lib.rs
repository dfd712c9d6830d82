//! The vocabulary every other crate shares: labels, samples, metric families, check results, alerts,
//! the clock, and the traits at which the store, the query engine and the rest of the daemon meet.
//!
//! Nothing here does I/O. Types are plain data; traits say who owns which duty. A crate that needs a
//! neighbour's *behaviour* asks for one of these traits and never for the neighbour itself.

mod alert;
mod append;
mod check;
mod clock;
mod family;
mod labels;
mod matcher;
mod metadata;
mod pattern;
mod query;
mod sample;
mod state;
mod statistics;
mod time;

pub use alert::{Alert, AlertStatus};
pub use append::{Appended, Appender, Cursor, Followed, Follower, SeriesInfo};
pub use check::{CheckFailure, CheckResult, Evidence, FailureReason, Impact, Status};
pub use clock::{Clock, SystemClock};
pub use family::{MetricFamily, Point, Suffix};
pub use labels::{
    Fingerprint, Labels, LabelsBuilder, METRIC_NAME, is_valid_label_name, is_valid_metric_name,
};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use metadata::{Metadata, MetricKind};
pub use pattern::from_go_regex;
pub use query::{
    CancelToken, Queryable, SelectHints, Selector, SeriesEntry, SeriesRef, SeriesSet, StorageError,
};
pub use sample::{STALE_NAN_BITS, Sample, is_stale, stale_nan};
pub use state::{Batch, Op, Record, StateStore, Table};
pub use statistics::{Count, IndexStatistics, PairSink};
pub use time::{TimeRange, Timestamp};
