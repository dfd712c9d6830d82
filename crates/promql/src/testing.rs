//! A store in memory, for tests of queries and rules: loads the notation of [`crate::series`], takes samples
//! while it is queried, and answers as the history store does.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use breakwatch_model::{
    CancelToken, Labels, Matcher, Metadata, Queryable, Sample, SelectHints, Selector, SeriesEntry, SeriesRef,
    SeriesSet, StorageError, TimeRange, Timestamp,
};

use crate::parser::ParseError;
use crate::series::{SequenceValue, parse_series};

/// Series in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// A series' number is its place here.
    series: Vec<Arc<Stored>>,
    by_labels: BTreeMap<Labels, usize>,
    /// Counts every new series and every clearing.
    epoch: u64,
}

#[derive(Debug, Clone)]
struct Stored {
    labels: Labels,
    samples: Vec<Sample>,
}

impl MemoryStore {
    /// A store without series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a described series with its first value at `start` and the others `step` apart.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn load(&self, series: &str, start: Timestamp, step: Duration) -> Result<(), ParseError> {
        let (labels, values) = parse_series(series)?;
        self.load_values(&labels, &values, start, step);
        Ok(())
    }

    /// Adds values of one series, the first at `start` and the others `step` apart.
    pub fn load_values(&self, labels: &Labels, values: &[SequenceValue], start: Timestamp, step: Duration) {
        let mut at = start;
        for value in values {
            if let SequenceValue::Value(value) = value {
                self.append(labels, Sample::new(at, *value));
            }
            at = at + step;
        }
    }

    /// Adds a sample; one that was stored at the same time is replaced.
    pub fn append(&self, labels: &Labels, sample: Sample) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let place = match inner.by_labels.get(labels) {
            Some(place) => *place,
            None => {
                let place = inner.series.len();
                inner.epoch += 1;
                inner.by_labels.insert(labels.clone(), place);
                inner.series.push(Arc::new(Stored { labels: labels.clone(), samples: Vec::new() }));
                place
            }
        };
        let Some(stored) = inner.series.get_mut(place) else { return };
        let samples = &mut Arc::make_mut(stored).samples;
        match samples.last() {
            Some(last) if last.t >= sample.t => {
                match samples.binary_search_by_key(&sample.t, |known| known.t) {
                    Ok(known) => samples[known] = sample,
                    Err(place) => samples.insert(place, sample),
                }
            }
            _ => samples.push(sample),
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner { epoch: inner.epoch + 1, ..Inner::default() };
    }

    /// Every series with its samples, sorted by labels.
    #[must_use]
    pub fn dump(&self) -> Vec<(Labels, Vec<Sample>)> {
        let inner = self.read();
        let stored = inner.by_labels.values().filter_map(|place| inner.series.get(*place));
        stored.map(|stored| (stored.labels.clone(), stored.samples.clone())).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The labels that match any of the lists and have samples in the range.
    fn matching(&self, selectors: &[Vec<Matcher>], range: TimeRange) -> Vec<Labels> {
        let inner = self.read();
        let wanted = |labels: &Labels| {
            selectors.is_empty()
                || selectors.iter().any(|matchers| matchers.iter().all(|m| m.matches_labels(labels)))
        };
        let alive = |place: &usize| {
            inner.series.get(*place).is_some_and(|stored| !inside(&stored.samples, range).is_empty())
        };
        let found = inner.by_labels.iter().filter(|(labels, place)| wanted(labels) && alive(place));
        found.map(|(labels, _)| labels.clone()).collect()
    }
}

/// The samples inside a range.
fn inside(samples: &[Sample], range: TimeRange) -> &[Sample] {
    let from = samples.partition_point(|sample| sample.t < range.start);
    let to = samples.partition_point(|sample| sample.t <= range.end);
    samples.get(from..to).unwrap_or_default()
}

/// Cuts a list to a limit (0: none); says whether something was cut.
fn limited<T>(mut items: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let cut = limit > 0 && items.len() > limit;
    if cut {
        items.truncate(limit);
    }
    (items, cut)
}

impl Queryable for MemoryStore {
    fn epoch(&self) -> u64 {
        self.read().epoch
    }

    fn prepare(&self, matchers: &[Matcher], cancel: &CancelToken) -> Result<Selector, StorageError> {
        cancel.check()?;
        let inner = self.read();
        let found =
            inner.by_labels.iter().filter(|(labels, _)| matchers.iter().all(|m| m.matches_labels(labels)));
        let series = found
            .map(|(labels, place)| SeriesEntry {
                reference: SeriesRef(*place as u64),
                labels: labels.clone(),
            })
            .collect();
        Ok(Selector { matchers: matchers.into(), series, epoch: inner.epoch })
    }

    fn select<'a>(
        &'a self,
        selector: &'a Selector,
        range: TimeRange,
        _hints: &SelectHints,
        cancel: &'a CancelToken,
    ) -> Result<Box<dyn SeriesSet + 'a>, StorageError> {
        let inner = self.read();
        let stored =
            selector.series.iter().map(|entry| inner.series.get(entry.reference.0 as usize).cloned());
        Ok(Box::new(MemorySet { stored: stored.collect(), next: 0, from: 0, to: 0, range, cancel }))
    }

    fn last_samples(
        &self,
        selector: &Selector,
        range: TimeRange,
        cancel: &CancelToken,
        out: &mut Vec<(usize, Sample)>,
    ) -> Result<(), StorageError> {
        cancel.check()?;
        let inner = self.read();
        for (index, entry) in selector.series.iter().enumerate() {
            let Some(stored) = inner.series.get(entry.reference.0 as usize) else { continue };
            let last = inside(&stored.samples, range).last();
            out.extend(last.filter(|last| !last.is_stale()).map(|last| (index, *last)));
        }
        Ok(())
    }

    fn series(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        _cancel: &CancelToken,
    ) -> Result<(Vec<Labels>, bool), StorageError> {
        Ok(limited(self.matching(selectors, range), limit))
    }

    fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        _cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        let labels = self.matching(selectors, range);
        let mut names: Vec<Arc<str>> = labels
            .iter()
            .flat_map(|labels| labels.pairs().iter().map(|(name, _)| Arc::clone(name)))
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(limited(names, limit))
    }

    fn label_values(
        &self,
        name: &str,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        _cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        let labels = self.matching(selectors, range);
        let mut values: Vec<Arc<str>> =
            labels.iter().filter_map(|l| l.get_shared(name).map(Arc::clone)).collect();
        values.sort_unstable();
        values.dedup();
        Ok(limited(values, limit))
    }

    fn metadata(&self, _metric: Option<&str>) -> Vec<(Arc<str>, Metadata)> {
        Vec::new()
    }
}

/// Gives samples in chunks, so that tests see the seams between chunks as they are in the history store.
struct MemorySet<'a> {
    stored: Vec<Option<Arc<Stored>>>,
    next: usize,
    /// What is left of the current series: a range of its samples.
    from: usize,
    to: usize,
    range: TimeRange,
    cancel: &'a CancelToken,
}

impl MemorySet<'_> {
    /// About the number of samples the history store seals a chunk at.
    const CHUNK: usize = 480;
}

impl SeriesSet for MemorySet<'_> {
    fn next_series(&mut self) -> Result<Option<usize>, StorageError> {
        self.cancel.check()?;
        while let Some(stored) = self.stored.get(self.next) {
            self.next += 1;
            let Some(stored) = stored else { continue };
            self.from = stored.samples.partition_point(|sample| sample.t < self.range.start);
            self.to = stored.samples.partition_point(|sample| sample.t <= self.range.end);
            if self.from < self.to {
                return Ok(Some(self.next - 1));
            }
        }
        Ok(None)
    }

    fn next_chunk(&mut self, out: &mut Vec<Sample>) -> Result<bool, StorageError> {
        let current = self.next.checked_sub(1).and_then(|index| self.stored.get(index));
        let end = self.to.min(self.from + Self::CHUNK);
        let chunk =
            current.and_then(|stored| stored.as_ref()?.samples.get(self.from..end)).unwrap_or_default();
        self.from = end;
        out.extend_from_slice(chunk);
        Ok(!chunk.is_empty())
    }
}
