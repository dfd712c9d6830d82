//! The calls of the last so long, counted in buckets of equal length.
//!
//! A bucket's number is the floor of the moment divided by the bucket's length, so its borders never
//! drift, whatever time passes between two calls; all buckets that were skipped are cleared.

use std::time::Duration;

use super::{Mark, WindowStats};
use crate::snapshot::BucketSnapshot;
use crate::tick::{self, Tick};

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    calls: u32,
    failures: u32,
    slow: u32,
}

#[derive(Debug)]
pub(crate) struct TimeWindow {
    buckets: Box<[Bucket]>,
    /// The length of one bucket in nanoseconds, at least 1.
    bucket_length: i64,
    /// The number of the newest bucket. Bucket `n` lives at index `n mod buckets.len()`.
    newest: i64,
    /// The index of the newest bucket, and the moment it ends: what the usual call needs, without a division.
    newest_index: usize,
    newest_end: i64,
    totals: WindowStats,
}

impl TimeWindow {
    pub(super) fn new(length: Duration, buckets: u32) -> Self {
        let bucket_length = tick::bucket_length(length, buckets);
        Self {
            buckets: vec![Bucket::default(); buckets.max(1) as usize].into_boxed_slice(),
            bucket_length,
            newest: 0,
            newest_index: 0,
            newest_end: bucket_length,
            totals: WindowStats::default(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, now: Tick, mark: Mark) {
        if now.0 >= self.newest_end {
            self.advance(now);
        }
        let is_newest = now.0 >= self.newest_end.saturating_sub(self.bucket_length);
        let index = if is_newest { Some(self.newest_index) } else { self.index_of(self.number(now)) };
        self.add(index, mark, 1);
    }

    pub(super) fn push_good(&mut self, calls: u64) {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.add(Some(self.newest_index), Mark::default(), calls);
    }

    #[inline]
    pub(super) fn newest_end(&self) -> Tick {
        Tick(self.newest_end)
    }

    #[inline]
    fn add(&mut self, index: Option<usize>, mark: Mark, calls: u32) {
        let Some(bucket) = index.and_then(|index| self.buckets.get_mut(index)) else { return };
        // Four thousand million calls in one bucket: more would change no share.
        let calls = calls.min(u32::MAX - bucket.calls);
        let (failures, slow) = (if mark.failed { calls } else { 0 }, if mark.slow { calls } else { 0 });
        bucket.calls += calls;
        bucket.failures += failures;
        bucket.slow += slow;
        self.totals.calls += u64::from(calls);
        self.totals.failures += u64::from(failures);
        self.totals.slow += u64::from(slow);
    }

    #[inline]
    pub(super) fn stats(&self) -> WindowStats {
        self.totals
    }

    pub(super) fn stats_at(&self, now: Tick) -> WindowStats {
        let oldest = self.number(now).max(self.newest).saturating_sub(self.count() - 1);
        let mut stats = WindowStats::default();
        for (_, bucket) in self.numbered().filter(|(number, _)| *number >= oldest) {
            stats.calls += u64::from(bucket.calls);
            stats.failures += u64::from(bucket.failures);
            stats.slow += u64::from(bucket.slow);
        }
        stats
    }

    pub(super) fn clear(&mut self) {
        self.buckets.fill(Bucket::default());
        self.totals = WindowStats::default();
    }

    /// The buckets that hold calls, oldest first.
    pub(super) fn snapshot(&self, now: Tick) -> Vec<BucketSnapshot> {
        let oldest = self.number(now).max(self.newest).saturating_sub(self.count() - 1);
        let mut buckets: Vec<_> = self
            .numbered()
            .filter(|(number, bucket)| *number >= oldest && bucket.calls > 0)
            .map(|(number, bucket)| BucketSnapshot {
                age: now.since(Tick(number.saturating_mul(self.bucket_length))),
                calls: bucket.calls,
                failures: bucket.failures,
                slow: bucket.slow,
            })
            .collect();
        buckets.sort_by_key(|bucket| std::cmp::Reverse(bucket.age));
        buckets
    }

    pub(super) fn restore(&mut self, buckets: &[BucketSnapshot], now: Tick) {
        self.advance(now);
        for saved in buckets {
            let index = self.index_of(self.number(now.minus(saved.age)));
            // A file may hold anything: parts are never more than the whole.
            let (failures, slow) = (saved.failures.min(saved.calls), saved.slow.min(saved.calls));
            let Some(bucket) = index.and_then(|index| self.buckets.get_mut(index)) else { continue };
            let Some(calls) = bucket.calls.checked_add(saved.calls) else { continue };
            bucket.calls = calls;
            bucket.failures += failures;
            bucket.slow += slow;
            self.totals.calls += u64::from(saved.calls);
            self.totals.failures += u64::from(failures);
            self.totals.slow += u64::from(slow);
        }
    }

    fn count(&self) -> i64 {
        i64::try_from(self.buckets.len()).unwrap_or(i64::MAX)
    }

    fn number(&self, at: Tick) -> i64 {
        at.0.div_euclid(self.bucket_length)
    }

    fn slot(&self, number: i64) -> usize {
        usize::try_from(number.rem_euclid(self.count())).unwrap_or(0)
    }

    /// Where the bucket of this number lives; nothing if it has left the window.
    fn index_of(&self, number: i64) -> Option<usize> {
        (number > self.newest.saturating_sub(self.count())).then(|| self.slot(number))
    }

    /// Every bucket with its number.
    fn numbered(&self) -> impl Iterator<Item = (i64, &Bucket)> {
        self.buckets.iter().enumerate().map(|(index, bucket)| {
            let index = i64::try_from(index).unwrap_or(0);
            (self.newest - (self.newest - index).rem_euclid(self.count()), bucket)
        })
    }

    /// Moves the newest bucket to that of `now`, clearing every bucket that is passed.
    #[cold]
    fn advance(&mut self, now: Tick) {
        let number = self.number(now);
        let passed = number.saturating_sub(self.newest);
        if passed <= 0 {
            return;
        }
        for step in 1..=passed.min(self.count()) {
            let index = self.slot(self.newest + step);
            if let Some(bucket) = self.buckets.get_mut(index) {
                self.totals.calls -= u64::from(bucket.calls);
                self.totals.failures -= u64::from(bucket.failures);
                self.totals.slow -= u64::from(bucket.slow);
                *bucket = Bucket::default();
            }
        }
        self.newest = number;
        self.newest_index = self.slot(number);
        self.newest_end = number.saturating_add(1).saturating_mul(self.bucket_length);
    }
}
