//! The history without a disk: plain vectors, scanned. Slow on purpose, so that it is obviously right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use breakwatch_model::{
    Appended, Appender, CancelToken, Cursor, Followed, Follower, Labels, Matcher, Metadata, Queryable,
    Sample, SelectHints, Selector, SeriesEntry, SeriesInfo, SeriesRef, SeriesSet, StorageError, TimeRange,
    Timestamp,
};
use parking_lot::RwLock;

use crate::family::family_name;

/// Samples in memory.
#[derive(Debug, Default)]
pub struct MemoryHistory(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    series: Vec<Series>,
    by_labels: HashMap<Labels, u64>,
    metadata: BTreeMap<Arc<str>, Metadata>,
    log: Vec<(SeriesRef, Sample)>,
    /// No sample after this is taken.
    latest: Option<Timestamp>,
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    meta: Metadata,
    samples: Vec<Sample>,
}

impl MemoryHistory {
    /// No series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses samples after `latest` from now on, as the real store does with samples from the future.
    pub fn set_latest(&self, latest: Option<Timestamp>) {
        self.0.write().latest = latest;
    }

    /// Drops the samples before `time`.
    pub fn drop_before(&self, time: Timestamp) {
        for series in &mut self.0.write().series {
            series.samples.retain(|sample| sample.t >= time);
        }
    }

    /// Adds one sample to the series of these labels; for tests that set a scene.
    pub fn push(&self, labels: &Labels, t: Timestamp, v: f64) -> Appended {
        let reference = self.resolve(labels, &Metadata::default());
        self.append(&[(reference, Sample::new(t, v))]).unwrap_or_default()
    }
}

impl Appender for MemoryHistory {
    fn resolve(&self, labels: &Labels, meta: &Metadata) -> SeriesRef {
        let mut inner = self.0.write();
        if let Some(found) = inner.by_labels.get(labels) {
            return SeriesRef(*found);
        }
        let reference = inner.series.len() as u64;
        inner.metadata.insert(family_name(labels.metric_name(), meta.kind).into(), meta.clone());
        inner.by_labels.insert(labels.clone(), reference);
        inner.series.push(Series { labels: labels.clone(), meta: meta.clone(), samples: Vec::new() });
        SeriesRef(reference)
    }

    fn append(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, StorageError> {
        let mut inner = self.0.write();
        let Inner { series, log, latest, .. } = &mut *inner;
        let mut appended = Appended::default();
        for (reference, sample) in batch {
            let Some(series) = series.get_mut(reference.0 as usize) else {
                appended.dropped += 1;
                continue;
            };
            let last = series.samples.last();
            if latest.is_some_and(|latest| sample.t > latest) {
                appended.too_far_ahead += 1;
            } else if last.is_some_and(|last| last.t > sample.t) {
                appended.out_of_order += 1;
            } else if last.is_some_and(|last| last.t == sample.t && last.v.to_bits() != sample.v.to_bits()) {
                appended.duplicate += 1;
            } else {
                appended.accepted += 1;
                if last.is_none_or(|last| last.t < sample.t) {
                    series.samples.push(*sample);
                    log.push((*reference, *sample));
                }
            }
        }
        Ok(appended)
    }
}

impl Inner {
    fn matching<'a>(&'a self, matchers: &[Matcher]) -> impl Iterator<Item = (usize, &'a Series)> {
        self.series
            .iter()
            .enumerate()
            .filter(|(_, series)| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels)))
    }

    /// Label sets with samples in range that match any selector.
    fn labels_of(&self, selectors: &[Vec<Matcher>], range: TimeRange) -> BTreeSet<&Labels> {
        let named = |series: &Series| {
            let matches = |matchers: &Vec<Matcher>| matchers.iter().all(|m| m.matches_labels(&series.labels));
            selectors.is_empty() || selectors.iter().any(matches)
        };
        let in_range = |series: &Series| series.samples.iter().any(|sample| range.contains(sample.t));
        let found = self.series.iter().filter(|series| named(series) && in_range(series));
        found.map(|series| &series.labels).collect()
    }
}

fn limited<T>(mut items: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let cut = limit > 0 && items.len() > limit;
    if cut {
        items.truncate(limit);
    }
    (items, cut)
}

impl Queryable for MemoryHistory {
    fn epoch(&self) -> u64 {
        self.0.read().series.len() as u64
    }

    fn prepare(&self, matchers: &[Matcher], cancel: &CancelToken) -> Result<Selector, StorageError> {
        cancel.check()?;
        let inner = self.0.read();
        let mut series: Vec<SeriesEntry> = inner
            .matching(matchers)
            .map(|(index, series)| SeriesEntry {
                reference: SeriesRef(index as u64),
                labels: series.labels.clone(),
            })
            .collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Selector { matchers: matchers.into(), series: series.into(), epoch: inner.series.len() as u64 })
    }

    fn select<'a>(
        &'a self,
        selector: &'a Selector,
        range: TimeRange,
        _hints: &SelectHints,
        cancel: &'a CancelToken,
    ) -> Result<Box<dyn SeriesSet + 'a>, StorageError> {
        Ok(Box::new(Set { history: self, selector, range, cancel, next: 0, given: true }))
    }

    fn series(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Labels>, bool), StorageError> {
        cancel.check()?;
        let inner = self.0.read();
        let labels = inner.labels_of(selectors, range).into_iter().cloned().collect();
        Ok(limited(labels, limit))
    }

    fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        cancel.check()?;
        let inner = self.0.read();
        let labels = inner.labels_of(selectors, range);
        let names: BTreeSet<Arc<str>> =
            labels.iter().flat_map(|labels| labels.pairs()).map(|(name, _)| Arc::clone(name)).collect();
        Ok(limited(names.into_iter().collect(), limit))
    }

    fn label_values(
        &self,
        name: &str,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        cancel.check()?;
        let inner = self.0.read();
        let labels = inner.labels_of(selectors, range);
        let values: BTreeSet<Arc<str>> =
            labels.iter().filter_map(|labels| labels.get_shared(name)).map(Arc::clone).collect();
        Ok(limited(values.into_iter().collect(), limit))
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<(Arc<str>, Metadata)> {
        let inner = self.0.read();
        let all = inner.metadata.iter().filter(|(name, _)| metric.is_none_or(|metric| metric == &***name));
        all.map(|(name, meta)| (Arc::clone(name), meta.clone())).collect()
    }
}

struct Set<'a> {
    history: &'a MemoryHistory,
    selector: &'a Selector,
    range: TimeRange,
    cancel: &'a CancelToken,
    next: usize,
    given: bool,
}

impl SeriesSet for Set<'_> {
    fn next_series(&mut self) -> Result<Option<usize>, StorageError> {
        self.cancel.check()?;
        if self.next == self.selector.series.len() {
            return Ok(None);
        }
        self.next += 1;
        self.given = false;
        Ok(Some(self.next - 1))
    }

    fn next_chunk(&mut self, out: &mut Vec<Sample>) -> Result<bool, StorageError> {
        let entry = self.next.checked_sub(1).and_then(|at| self.selector.series.get(at));
        let (false, Some(entry)) = (self.given, entry) else { return Ok(false) };
        self.given = true;
        let inner = self.history.0.read();
        let samples = inner.series.get(entry.reference.0 as usize).map_or(&[][..], |series| &series.samples);
        let before = out.len();
        out.extend(samples.iter().filter(|sample| self.range.contains(sample.t)));
        Ok(out.len() > before)
    }
}

impl Follower for MemoryHistory {
    fn end(&self) -> Cursor {
        let inner = self.0.read();
        let time = inner.log.iter().map(|(_, sample)| sample.t).max().unwrap_or_default();
        Cursor { frame: inner.log.len() as u64, time }
    }

    fn follow(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError> {
        let inner = self.0.read();
        let start = (from.frame as usize).min(inner.log.len());
        let end = start.saturating_add(max_samples.max(1)).min(inner.log.len());
        let samples = inner.log.get(start..end).unwrap_or_default().to_vec();
        let time = samples.iter().map(|(_, sample)| sample.t).fold(from.time, Timestamp::max);
        let next = Cursor { frame: end as u64, time };
        Ok(Followed { samples, next, caught_up: end == inner.log.len() })
    }

    fn series_info(&self, reference: SeriesRef) -> Option<SeriesInfo> {
        let inner = self.0.read();
        let series = inner.series.get(reference.0 as usize)?;
        let created_at = series.samples.first().map_or(Timestamp::default(), |sample| sample.t);
        Some(SeriesInfo { labels: series.labels.clone(), meta: series.meta.clone(), created_at })
    }
}
