//! What makes the series of a store many: how often each label name, value and pair occurs.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{CancelToken, Matcher, Queryable, Sample, SelectHints, StorageError, TimeRange, Timestamp};

/// Something that is counted, and how often it is there.
pub type Count = (Arc<str>, usize);

/// Is told of a label pair: name, value, number of series that have it.
pub type PairSink<'a> = dyn FnMut(&Arc<str>, &Arc<str>, usize) + 'a;

/// Figures of a store's series index. Lists have the largest first, equals by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexStatistics {
    /// Series.
    pub series: usize,
    /// Distinct pairs of a label name and a value.
    pub pairs: usize,
    /// First and last time of recent samples; `None` if there are none.
    pub times: Option<TimeRange>,
    /// Series by metric name.
    pub series_by_metric: Vec<Count>,
    /// Distinct values by label name.
    pub values_by_label: Vec<Count>,
    /// Bytes of the distinct values by label name.
    pub bytes_by_label: Vec<Count>,
    /// Series by pair, as `name=value`.
    pub series_by_pair: Vec<Count>,
}

impl IndexStatistics {
    /// Figures of an index that knows how many series each value of each label has. `each` calls back once for every
    /// pair: name, value, series. Lists are cut at `limit`.
    pub fn count(
        series: usize,
        times: Option<TimeRange>,
        limit: usize,
        each: impl FnOnce(&mut PairSink<'_>),
    ) -> Self {
        let (mut metrics, mut pairs) = (Vec::new(), Vec::new());
        let mut labels: BTreeMap<Arc<str>, (usize, usize)> = BTreeMap::new();
        each(&mut |name, value, count| {
            if &**name == crate::METRIC_NAME {
                metrics.push((Arc::clone(value), count));
            }
            pairs.push(((Arc::clone(name), Arc::clone(value)), count));
            if let Some((values, bytes)) = labels.get_mut(name) {
                *values += 1;
                *bytes += value.len();
            } else {
                labels.insert(Arc::clone(name), (1, value.len()));
            }
        });
        let distinct = pairs.len();
        let by_pair = top(pairs, limit).into_iter();
        let named = |(name, value): (Arc<str>, Arc<str>)| Arc::from(format!("{name}={value}"));
        let of = |pick: fn(&(usize, usize)) -> usize| {
            top(labels.iter().map(|(name, figures)| (Arc::clone(name), pick(figures))).collect(), limit)
        };
        Self {
            series,
            pairs: distinct,
            times,
            series_by_metric: top(metrics, limit),
            values_by_label: of(|(values, _)| *values),
            bytes_by_label: of(|(_, bytes)| *bytes),
            series_by_pair: by_pair.map(|(pair, count)| (named(pair), count)).collect(),
        }
    }

    /// Figures found by looking at every series of a store and at its samples inside `recent`: for stores without an
    /// index of their own.
    ///
    /// # Errors
    /// As [`Queryable::select`].
    pub fn scan<Q: Queryable + ?Sized>(
        store: &Q,
        recent: TimeRange,
        limit: usize,
        cancel: &CancelToken,
    ) -> Result<Self, StorageError> {
        let none: [Matcher; 0] = [];
        let selector = store.prepare(&none, cancel)?;
        let mut pairs: BTreeMap<(Arc<str>, Arc<str>), usize> = BTreeMap::new();
        for (name, value) in selector.series.iter().flat_map(|entry| entry.labels.pairs()) {
            *pairs.entry((Arc::clone(name), Arc::clone(value))).or_default() += 1;
        }
        let mut times: Option<(Timestamp, Timestamp)> = None;
        let mut set = store.select(&selector, recent, &SelectHints::default(), cancel)?;
        let mut samples: Vec<Sample> = Vec::new();
        while set.next_series()?.is_some() {
            while {
                samples.clear();
                set.next_chunk(&mut samples)?
            } {
                for sample in samples.first().into_iter().chain(samples.last()) {
                    let (first, last) = times.unwrap_or((sample.t, sample.t));
                    times = Some((first.min(sample.t), last.max(sample.t)));
                }
            }
        }
        let times = times.map(|(first, last)| TimeRange::new(first, last));
        Ok(Self::count(selector.series.len(), times, limit, |each| {
            pairs.iter().for_each(|((name, value), count)| each(name, value, *count));
        }))
    }
}

/// The largest entries, largest first.
fn top<N: Ord>(mut counts: Vec<(N, usize)>, limit: usize) -> Vec<(N, usize)> {
    let order = |a: &(N, usize), b: &(N, usize)| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0));
    if limit < counts.len() {
        counts.select_nth_unstable_by(limit, order);
        counts.truncate(limit);
    }
    counts.sort_unstable_by(order);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_equals_by_name() {
        let text = |text: &str| -> Arc<str> { text.into() };
        let figures = IndexStatistics::count(7, None, 2, |each| {
            for (name, value, count) in [
                ("__name__", "up", 3),
                ("__name__", "b", 2),
                ("__name__", "a", 2),
                ("job", "x", 7),
                ("zone", "long", 1),
            ] {
                each(&text(name), &text(value), count);
            }
        });
        assert_eq!((figures.series, figures.pairs), (7, 5));
        assert_eq!(figures.series_by_metric, [(text("up"), 3), (text("a"), 2)]);
        assert_eq!(figures.values_by_label, [(text("__name__"), 3), (text("job"), 1)]);
        assert_eq!(figures.bytes_by_label, [(text("__name__"), 4), (text("zone"), 4)]);
        assert_eq!(figures.series_by_pair, [(text("job=x"), 7), (text("__name__=up"), 3)]);
    }
}
