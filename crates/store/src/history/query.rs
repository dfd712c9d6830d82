//! The history as the query engine sees it.

use std::collections::VecDeque;
use std::sync::Arc;

use breakwatch_model::{
    CancelToken, IndexStatistics, Labels, Matcher, Metadata, Queryable, Sample, SelectHints, Selector,
    SeriesEntry, SeriesRef, SeriesSet, StorageError, TimeRange, Timestamp,
};

use rustc_hash::FxHashMap;

use super::read::Set;
use super::{History, Shared};
use crate::index::by_labels;

impl Queryable for History {
    fn epoch(&self) -> u64 {
        self.shared.index.read().epoch()
    }

    fn prepare(&self, matchers: &[Matcher], cancel: &CancelToken) -> Result<Selector, StorageError> {
        let index = self.shared.index.read();
        let found = index.find(matchers, cancel)?;
        let mut series: Vec<SeriesEntry> = found
            .into_iter()
            .filter_map(|id| {
                let labels = index.get(id)?.labels.clone();
                Some(SeriesEntry { reference: SeriesRef(u64::from(id)), labels })
            })
            .collect();
        let epoch = index.epoch();
        drop(index);
        series.sort_unstable_by(|a, b| by_labels(&a.labels, &b.labels));
        Ok(Selector { matchers: matchers.into(), series: series.into(), epoch })
    }

    fn select<'a>(
        &'a self,
        selector: &'a Selector,
        range: TimeRange,
        hints: &SelectHints,
        cancel: &'a CancelToken,
    ) -> Result<Box<dyn SeriesSet + 'a>, StorageError> {
        cancel.check()?;
        let places = self.shared.places(&selector.series);
        Ok(Box::new(Set {
            shared: &self.shared,
            places,
            range,
            rollups_before: if hints.rollups { self.shared.raw_from() } else { Timestamp::MIN },
            cancel,
            next: 0,
            place: None,
            parts: VecDeque::new(),
            ready: Vec::new(),
        }))
    }

    fn last_samples(
        &self,
        selector: &Selector,
        range: TimeRange,
        cancel: &CancelToken,
        out: &mut Vec<(usize, Sample)>,
    ) -> Result<(), StorageError> {
        let start = out.len();
        let older = self.shared.lasts(selector, range, out);
        if older.is_empty() {
            return Ok(());
        }
        // The few whose last sample lies behind the range, or is not in memory: read them.
        let picked: Vec<SeriesEntry> =
            older.iter().filter_map(|index| selector.series.get(*index)).cloned().collect();
        let part = Selector {
            matchers: Arc::clone(&selector.matchers),
            series: picked.into(),
            epoch: selector.epoch,
        };
        let mut set = self.select(&part, range, &SelectHints::default(), cancel)?;
        let mut samples = Vec::new();
        while let Some(index) = set.next_series()? {
            let mut last = None;
            while {
                samples.clear();
                set.next_chunk(&mut samples)?
            } {
                last = samples.last().copied().or(last);
            }
            let place = older.get(index).copied();
            out.extend(place.zip(last.filter(|sample| !sample.is_stale())));
        }
        out.get_mut(start..).unwrap_or_default().sort_unstable_by_key(|(index, _)| *index);
        Ok(())
    }

    fn series(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Labels>, bool), StorageError> {
        let index = self.shared.index.read();
        let present = self.shared.present(range);
        index.label_sets(selectors, limit, cancel, &present)
    }

    fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        let index = self.shared.index.read();
        let present = self.shared.present(range);
        index.label_names(selectors, limit, cancel, &present)
    }

    fn label_values(
        &self,
        name: &str,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<(Vec<Arc<str>>, bool), StorageError> {
        let index = self.shared.index.read();
        let present = self.shared.present(range);
        index.label_values(name, selectors, limit, cancel, &present)
    }

    fn statistics(
        &self,
        recent: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<IndexStatistics, StorageError> {
        cancel.check()?;
        let index = self.shared.index.read();
        let times = self.shared.live.read().head.span_within(recent);
        Ok(IndexStatistics::count(index.len(), times, limit, |each| index.pairs(each)))
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<(Arc<str>, Metadata)> {
        let index = self.shared.index.read();
        let known = index.metadata();
        match metric {
            Some(metric) => known
                .get_key_value(metric)
                .map(|(name, meta)| (Arc::clone(name), meta.clone()))
                .into_iter()
                .collect(),
            None => known.iter().map(|(name, meta)| (Arc::clone(name), meta.clone())).collect(),
        }
    }
}

impl Shared {
    /// Answers what the last samples in memory answer; gives the indexes of the series that must be read.
    fn lasts(&self, selector: &Selector, range: TimeRange, out: &mut Vec<(usize, Sample)>) -> Vec<usize> {
        let live = self.live.read();
        let mut rest = Vec::new();
        for (index, entry) in selector.series.iter().enumerate() {
            let id = u32::try_from(entry.reference.0).unwrap_or(u32::MAX);
            match live.head.last(id) {
                Some(last) if last.t > range.end => rest.push(index),
                Some(last) if last.t < range.start => {}
                Some(last) if last.is_stale() => {}
                Some(last) => out.push((index, last)),
                None => rest.push(index),
            }
        }
        rest
    }

    /// Whether a series may have samples inside a range, by when it was made and its last sample. Like
    /// Prometheus' answer this is coarse: a series with a gap over the whole range counts.
    fn present(&self, range: TimeRange) -> impl Fn(u32) -> bool {
        let live = self.live.read();
        let everything = range.start.0 <= 0 && range.end >= live.head.newest();
        let newest = if everything { FxHashMap::default() } else { live.head.all_lasts() };
        move |id| {
            // Without a sample in memory nothing is known: it may have some.
            newest.get(&id).is_none_or(|last| *last >= range.start.0)
        }
    }
}
