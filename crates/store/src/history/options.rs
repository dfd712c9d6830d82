//! How the history is opened.

use std::time::Duration;

/// How long and how much is kept. Time and size each on its own: whichever limit is met first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Raw samples older than this go, a day at a time.
    pub raw: Duration,
    /// 5-minute rollups older than this go, a day at a time.
    pub rollups: Duration,
    /// Beyond this many bytes of raw blocks the oldest go.
    pub raw_bytes: Option<u64>,
    /// Beyond this many bytes of rollups the oldest go.
    pub rollup_bytes: Option<u64>,
}

impl Default for Retention {
    /// 30 days raw and 13 months of rollups, so that a month can be compared with the same one a year ago.
    fn default() -> Self {
        let day = 86_400;
        Self {
            raw: Duration::from_secs(30 * day),
            rollups: Duration::from_secs(396 * day),
            raw_bytes: None,
            rollup_bytes: None,
        }
    }
}

/// How the history is opened.
#[derive(Clone, Copy, Debug)]
pub struct HistoryOptions {
    /// What is kept.
    pub retention: Retention,
    /// How often samples are made durable: what a power cut may take back.
    pub tick: Duration,
    /// Samples later than this from now are refused, and a series whose newest lies later is taken to have
    /// been written under a wrong clock.
    pub future_limit: Duration,
    /// Series that may exist at once; further ones are refused.
    pub max_series: usize,
    /// Whether the history runs threads of its own. Without, somebody calls [`crate::History::tick`] and
    /// [`crate::History::maintain`]: tests, and programs that fill a store.
    pub background: bool,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            tick: Duration::from_secs(1),
            // What Prometheus allows remote writers.
            future_limit: Duration::from_secs(600),
            // About 1 GB of index: beyond it something makes labels up.
            max_series: 2_000_000,
            background: true,
        }
    }
}
