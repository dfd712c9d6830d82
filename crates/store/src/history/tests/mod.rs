//! The history against a model, over restarts, crashes and damage.

mod basics;
mod crash;
mod days;
mod model;

use std::sync::Arc;

use breakwatch_model::{
    Appender, CancelToken, Labels, Matcher, Metadata, Queryable, Sample, SelectHints, SeriesRef,
    StorageError, TimeRange, Timestamp,
};

use super::{History, HistoryOptions};
use crate::datadir::DataDir;
use crate::disk::SimDisk;
use crate::testing::SetClock;

/// 2023-11-15T00:00:00Z: the start of a day.
pub(super) const START: i64 = 1_700_006_400_000;

pub(super) fn options() -> HistoryOptions {
    HistoryOptions { background: false, ..HistoryOptions::default() }
}

/// A history on a simulated disk, with its clock.
pub(super) struct Bench {
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<SetClock>,
    pub(super) dir: DataDir,
    pub(super) history: Arc<History>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::on(SimDisk::new(), START)
    }

    pub(super) fn on(disk: SimDisk, now: i64) -> Self {
        Self::try_on(disk, now, options()).unwrap()
    }

    pub(super) fn try_on(disk: SimDisk, now: i64, options: HistoryOptions) -> Result<Self, StorageError> {
        let clock = SetClock::at(now);
        let dir = DataDir::open_on(Arc::new(disk.clone()), "/data", clock.clone())?;
        let history = History::open_on_disk(&dir, options)?;
        Ok(Self { disk, clock, dir, history })
    }

    /// Opens again what is on the disk.
    pub(super) fn reopen(self) -> Self {
        let now = breakwatch_model::Clock::now(&*self.clock).0;
        Self::on(self.disk, now)
    }

    pub(super) fn set(&self, now: i64) {
        self.clock.set(now);
    }

    pub(super) fn series(&self, labels: &Labels) -> SeriesRef {
        self.history.resolve(labels, &Metadata::default())
    }

    pub(super) fn push(&self, reference: SeriesRef, t: i64, v: f64) {
        self.history.append(&[(reference, Sample::new(Timestamp(t), v))]).unwrap();
    }
}

pub(super) fn labels(name: &str, check: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("check", check)])
}

pub(super) fn all() -> TimeRange {
    TimeRange::new(Timestamp::MIN, Timestamp::MAX)
}

/// Every series of a store with its samples inside `range`, those without left out.
pub(super) fn dump(store: &dyn Queryable, range: TimeRange) -> Vec<(Labels, Vec<(i64, u64)>)> {
    select(store, &[], range)
}

pub(super) fn select(
    store: &dyn Queryable,
    matchers: &[Matcher],
    range: TimeRange,
) -> Vec<(Labels, Vec<(i64, u64)>)> {
    let cancel = CancelToken::new();
    let selector = store.prepare(matchers, &cancel).unwrap();
    let mut set = store.select(&selector, range, &SelectHints::default(), &cancel).unwrap();
    let mut all = Vec::new();
    while let Some(index) = set.next_series().unwrap() {
        let mut samples = Vec::new();
        while set.next_chunk(&mut samples).unwrap() {}
        let samples: Vec<(i64, u64)> = samples.iter().map(|s| (s.t.0, s.v.to_bits())).collect();
        if !samples.is_empty() {
            all.push((selector.series[index].labels.clone(), samples));
        }
    }
    all
}
