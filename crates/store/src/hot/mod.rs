//! The hot tier: sealed chunks of days that are not finished, one chunk store per day.
//!
//! A day of its own, because the store underneath reuses space and never gives it back: when the day has
//! become a block its directory is removed whole. What is stored is listed in memory, so a query knows which
//! chunks it needs before it asks for them; and the number of chunks that are durable is noted outside the
//! store, because a damaged store can open empty without a word.

mod checkpoint;
mod files;
mod sled;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use breakwatch_model::{StorageError, TimeRange, Timestamp};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

pub(crate) use self::sled::SledEngine;
use crate::datadir::DataDir;
use crate::head::DAY;
use crate::incident::Unit;
pub(crate) use checkpoint::Checkpoint;
pub(crate) use files::FileEngine;

/// The key of a chunk: window first, because keys that are written together must lie together. Times are in
/// seconds, so that chunks of fast checks keep apart; `serial` tells apart what would still collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Second of the first sample.
    pub(crate) start: u32,
    pub(crate) group: u32,
    pub(crate) serial: u16,
    /// Seconds from the first to the last sample, rounded up.
    pub(crate) span: u16,
}

impl Key {
    pub(crate) const LEN: usize = 12;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&self.start.to_be_bytes());
        out[4..8].copy_from_slice(&self.group.to_be_bytes());
        out[8..10].copy_from_slice(&self.serial.to_be_bytes());
        out[10..].copy_from_slice(&self.span.to_be_bytes());
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (start, rest) = bytes.split_first_chunk::<4>()?;
        let (group, rest) = rest.split_first_chunk::<4>()?;
        let (serial, rest) = rest.split_first_chunk::<2>()?;
        let (span, _) = rest.split_first_chunk::<2>()?;
        Some(Self {
            start: u32::from_be_bytes(*start),
            group: u32::from_be_bytes(*group),
            serial: u16::from_be_bytes(*serial),
            span: u16::from_be_bytes(*span),
        })
    }

    /// The key of a chunk of `group` over `range`.
    pub(crate) fn of(group: u32, range: TimeRange, serial: u16) -> Self {
        let start = u32::try_from(range.start.secs()).unwrap_or(0);
        let span = range.end.secs().saturating_add(1).saturating_sub(range.start.secs());
        Self { start, group, serial, span: u16::try_from(span).unwrap_or(u16::MAX) }
    }

    /// A time range that holds every sample of the chunk.
    pub(crate) fn range(&self) -> TimeRange {
        let start = i64::from(self.start);
        TimeRange::new(Timestamp::from_secs(start), Timestamp::from_secs(start + i64::from(self.span)))
    }
}

/// Makes and opens chunk stores. The one in use is sled's; tests have one on a disk that forgets.
pub(crate) trait Engine: Send + Sync + std::fmt::Debug {
    /// Opens the store in `path`, made if it is not there.
    fn open(&self, path: &std::path::Path) -> Result<Box<dyn Chunks>, StorageError>;
}

/// A store of chunks. Its methods block on the disk and may be called from several threads.
pub(crate) trait Chunks: Send + Sync + std::fmt::Debug {
    /// Every key.
    fn keys(&self) -> Result<Vec<Key>, StorageError>;
    /// Stores chunks; durable after [`Chunks::flush`].
    fn put(&self, chunks: &[(Key, Vec<u8>)]) -> Result<(), StorageError>;
    /// Makes everything stored durable.
    fn flush(&self) -> Result<(), StorageError>;
    /// The chunk of a key.
    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, StorageError>;
    /// Bytes on disk.
    fn bytes(&self) -> u64;
}

/// A day's store and what is in it.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) store: Arc<dyn Chunks>,
    /// Chunks of each group, in the order in which they were stored.
    keys: FxHashMap<u32, Vec<Key>>,
    pub(crate) count: u64,
    /// When chunks were last stored here by this process.
    touched: Timestamp,
    /// The disk failed under it: sled keeps failing until it is opened anew.
    stuck: bool,
}

/// The hot tier.
#[derive(Debug)]
pub(crate) struct Hot {
    dir: DataDir,
    engine: Box<dyn Engine>,
    days: RwLock<BTreeMap<i64, Day>>,
}

/// The days whose store was lost: what the log still has of them must be replayed.
pub(crate) type LostDays = Vec<i64>;

impl Hot {
    /// Opens the stores of every day there is. A store that does not open, or that has less than `checkpoint`
    /// says, is set aside and listed. Days that are `finished` are blocks already: what a crash left of their
    /// stores is removed.
    pub(crate) fn open(
        dir: &DataDir,
        engine: Box<dyn Engine>,
        checkpoint: &Checkpoint,
        finished: &dyn Fn(i64) -> bool,
    ) -> Result<(Self, LostDays), StorageError> {
        let hot = Self { dir: dir.clone(), engine, days: RwLock::default() };
        let path = hot.path();
        let fail =
            |error: &std::io::Error| StorageError::io(format!("cannot open {}", path.display()), error);
        dir.disk().create_dir_all(&path).map_err(|error| fail(&error))?;
        let entries = dir.disk().list(&path).map_err(|error| fail(&error))?;
        let there = entries.iter().filter(|entry| entry.is_dir).filter_map(|entry| entry.name.parse().ok());
        let (done, there): (Vec<i64>, Vec<i64>) = there.partition(|day| finished(*day));
        for day in done {
            let _ = dir.disk().remove_dir_all(&hot.day_path(day));
        }
        let expected: BTreeMap<i64, u64> =
            checkpoint.days.iter().copied().filter(|(day, count)| *count > 0 && !finished(*day)).collect();
        let mut lost = Vec::new();
        for day in expected.keys().filter(|day| !there.contains(day)) {
            dir.report(Unit::Hot, format!("the chunk store of day {day} is missing"), None);
            lost.push(*day);
        }
        for day in there {
            if let Err(why) = hot.admit(day, expected.get(&day).copied().unwrap_or(0)) {
                hot.set_aside(day, &why);
                lost.push(day);
            }
        }
        Ok((hot, lost))
    }

    /// Opens a day's store and takes it in if it has at least `expected` chunks; else says why not.
    fn admit(&self, day: i64, expected: u64) -> Result<(), String> {
        let opened = self.open_day(day).map_err(|error| error.to_string())?;
        if opened.count < expected {
            return Err(format!("it has {} of {expected} chunks", opened.count));
        }
        self.days.write().insert(day, opened);
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("hot")
    }

    fn day_path(&self, day: i64) -> PathBuf {
        self.path().join(day.to_string())
    }

    fn open_day(&self, day: i64) -> Result<Day, StorageError> {
        let store: Arc<dyn Chunks> = self.engine.open(&self.day_path(day))?.into();
        let mut keys: FxHashMap<u32, Vec<Key>> = FxHashMap::default();
        let all = store.keys()?;
        let count = all.len() as u64;
        for key in all {
            keys.entry(key.group).or_default().push(key);
        }
        Ok(Day { store, keys, count, touched: Timestamp::MIN, stuck: false })
    }

    /// Moves a day's store into quarantine and reports why.
    fn set_aside(&self, day: i64, why: &str) {
        let kept = self.dir.quarantine(&self.day_path(day));
        self.dir.report(Unit::Hot, format!("the chunk store of day {day} is unusable: {why}"), kept);
    }

    /// Closes and sets aside a day's store that failed at run time.
    pub(crate) fn lose(&self, day: i64, why: &str) {
        self.days.write().remove(&day);
        self.set_aside(day, why);
    }

    /// A day's store is opened anew before the next chunk is put there; until then it is read as it is.
    pub(crate) fn reopen_later(&self, day: i64) {
        if let Some(day) = self.days.write().get_mut(&day) {
            day.stuck = true;
        }
    }

    /// Stores chunks of one day, durably.
    pub(crate) fn put(&self, day: i64, chunks: &mut [(Key, Vec<u8>)]) -> Result<(), StorageError> {
        if self.days.read().get(&day).is_none_or(|open| open.stuck) {
            self.days.write().remove(&day);
            let opened = self.open_day(day)?;
            self.days.write().insert(day, opened);
        }
        let store = {
            let days = self.days.read();
            let Some(open) = days.get(&day) else { return Ok(()) };
            let mut given: Vec<Key> = Vec::with_capacity(chunks.len());
            for (key, _) in chunks.iter_mut() {
                let taken = |key: &Key| {
                    let stored = open.keys.get(&key.group).is_some_and(|keys| keys.contains(key));
                    stored || given.contains(key)
                };
                while taken(key) {
                    key.serial = key.serial.wrapping_add(1);
                }
                given.push(*key);
            }
            Arc::clone(&open.store)
        };
        store.put(chunks)?;
        store.flush()?;
        if let Some(open) = self.days.write().get_mut(&day) {
            open.touched = self.dir.now();
            for (key, _) in chunks.iter() {
                open.keys.entry(key.group).or_default().push(*key);
                open.count += 1;
            }
        }
        Ok(())
    }

    /// Gives the keys of a group's chunks that may have samples in `range`, with their stores.
    pub(crate) fn find(&self, group: u32, range: TimeRange, each: &mut dyn FnMut(Key, &Arc<dyn Chunks>)) {
        let days = self.days.read();
        // A chunk belongs to the day of its first sample and ends that day.
        let (first, last) = (range.start.0.div_euclid(DAY), range.end.0.div_euclid(DAY));
        for (_, day) in days.range(first..=last.max(first)) {
            for key in day.keys.get(&group).into_iter().flatten() {
                let held = key.range();
                if held.start <= range.end && range.start <= held.end {
                    each(*key, &day.store);
                }
            }
        }
    }

    /// Days that have a store, with their number of chunks.
    pub(crate) fn days(&self) -> Vec<(i64, u64)> {
        self.days.read().iter().map(|(day, open)| (*day, open.count)).collect()
    }

    /// When chunks of a day were last stored by this process.
    pub(crate) fn touched(&self, day: i64) -> Option<Timestamp> {
        self.days.read().get(&day).map(|open| open.touched)
    }

    /// Everything of a day, by group and time.
    pub(crate) fn day_keys(&self, day: i64) -> Option<(Arc<dyn Chunks>, Vec<Key>)> {
        let days = self.days.read();
        let open = days.get(&day)?;
        let mut keys: Vec<Key> = open.keys.values().flatten().copied().collect();
        keys.sort_by_key(|key| (key.group, key.start, key.serial));
        Some((Arc::clone(&open.store), keys))
    }

    /// Removes a day that has become a block.
    pub(crate) fn remove(&self, day: i64) -> Result<(), StorageError> {
        self.days.write().remove(&day);
        let path = self.day_path(day);
        let removed =
            self.dir.disk().remove_dir_all(&path).and_then(|()| self.dir.disk().sync_dir(&self.path()));
        removed.map_err(|error| StorageError::io(format!("cannot remove {}", path.display()), &error))
    }

    /// The highest group number in use.
    pub(crate) fn highest_group(&self) -> Option<u32> {
        self.days.read().values().flat_map(|day| day.keys.keys()).max().copied()
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.days.read().values().map(|day| day.store.bytes()).sum()
    }
}
