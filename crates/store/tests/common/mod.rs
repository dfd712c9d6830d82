//! What the tests from outside share.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use breakwatch_model::{
    CancelToken, Clock, Labels, Queryable, SelectHints, StorageError, SystemClock, TimeRange, Timestamp,
};
use breakwatch_store::{DataDir, History, HistoryOptions, StateLog, StateOptions};

/// 2023-11-15T00:00:00Z: the start of a day.
pub(crate) const START: i64 = 1_700_006_400_000;

/// A clock that stands where it is put, with the machine's own monotonic time.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn at(millis: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(millis)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

/// Both stores of a directory, without threads of their own.
pub(crate) struct Store {
    pub(crate) clock: Arc<SetClock>,
    pub(crate) dir: DataDir,
    pub(crate) state: Arc<StateLog>,
    pub(crate) history: Arc<History>,
}

/// Opens a directory at a time; the state log has `reserve` bytes.
pub(crate) fn try_open(path: &Path, now: i64, reserve: u64) -> Result<Store, StorageError> {
    let clock = SetClock::at(now);
    let dir = DataDir::open(path, clock.clone())?;
    let state = StateLog::open(&dir, StateOptions { reserve, ..StateOptions::default() })?;
    let options = HistoryOptions { background: false, ..HistoryOptions::default() };
    let history = History::open(&dir, options)?;
    Ok(Store { clock, dir, state, history })
}

/// As [`try_open`], with a small state log that turns over often.
pub(crate) fn open(path: &Path, now: i64) -> Store {
    try_open(path, now, 16 << 10).unwrap()
}

/// Bits of samples by series and time.
pub(crate) type Samples = BTreeMap<(Labels, i64), u64>;

/// Every sample there is.
pub(crate) fn samples(history: &History) -> Samples {
    let cancel = CancelToken::new();
    let selector = history.prepare(&[], &cancel).unwrap();
    let all = TimeRange::new(Timestamp::MIN, Timestamp::MAX);
    let mut set = history.select(&selector, all, &SelectHints::default(), &cancel).unwrap();
    let mut found = Samples::new();
    let mut chunk = Vec::new();
    while let Some(index) = set.next_series().unwrap() {
        chunk.clear();
        while set.next_chunk(&mut chunk).unwrap() {}
        let labels = &selector.series[index].labels;
        found.extend(chunk.iter().map(|sample| ((labels.clone(), sample.t.0), sample.v.to_bits())));
    }
    found
}

/// Lets real time pass, for tests of other processes.
#[expect(clippy::disallowed_methods, reason = "a child process lives in real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
