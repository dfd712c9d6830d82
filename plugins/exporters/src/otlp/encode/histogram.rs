//! Classic histograms: from `_bucket`, `_sum` and `_count` series back to one point a time.

use std::sync::Arc;

use breakwatch_model::Sample;
use breakwatch_plugin_api::ExportSeries;
use rustc_hash::{FxHashMap, FxHashSet};

use super::names::Part;
use super::series::{Catalog, NO_RECORDED_VALUE};
use super::{PointKey, nanos, wire};

/// Counts above this are not exact in a double, and so not in what was stored.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// The parts of a batch, by the histogram they belong to.
#[derive(Default)]
pub(super) struct Histograms<'b> {
    groups: FxHashMap<u32, Vec<PartSeries<'b>>>,
}

struct PartSeries<'b> {
    part: Part,
    /// The metric it leaves under by itself.
    metric: u32,
    series: &'b ExportSeries,
}

/// What became of the parts.
pub(super) struct Joined<'b> {
    /// Points put together, those of one metric behind each other.
    pub(super) points: Vec<HistogramPoint>,
    /// The samples that went into them.
    pub(super) keys: FxHashSet<PointKey>,
    /// Series of which at least one sample stands alone, with the metric it leaves under.
    pub(super) left_over: Vec<(u32, &'b ExportSeries)>,
}

/// One cumulative histogram at one time.
pub(super) struct HistogramPoint {
    pub(super) metric: u32,
    /// The samples in it; at least one.
    pub(super) keys: Vec<PointKey>,
    start: i64,
    t: i64,
    /// `None`: the histogram has ended.
    value: Option<Distribution>,
    bounds: Arc<[f64]>,
    attributes: Arc<[u8]>,
}

#[derive(Debug, PartialEq)]
struct Distribution {
    count: u64,
    sum: f64,
    /// Observations of each bucket by itself, one more than there are bounds.
    counts: Vec<u64>,
}

impl<'b> Histograms<'b> {
    pub(super) fn add(&mut self, group: u32, part: Part, metric: u32, series: &'b ExportSeries) {
        self.groups.entry(group).or_default().push(PartSeries { part, metric, series });
    }

    /// Puts together what stands together.
    pub(super) fn join(self, catalog: &mut Catalog) -> Joined<'b> {
        let mut joined = Joined { points: Vec::new(), keys: FxHashSet::default(), left_over: Vec::new() };
        let mut groups: Vec<(u32, Vec<PartSeries<'b>>)> = self.groups.into_iter().collect();
        groups
            .sort_unstable_by_key(|(group, _)| (catalog.group_info(*group).map(|info| info.metric), *group));
        for (group, parts) in groups {
            let complete = catalog.group_info(group).is_some_and(|info| info.parts == parts.len());
            if let Some(layout) = Layout::of(&parts).filter(|_| complete) {
                layout.join(group, catalog, &mut joined);
            }
            let stands_alone = |series: &ExportSeries| {
                series.samples.iter().any(|sample| !joined.keys.contains(&(series.id, sample.t.0)))
            };
            let alone = parts.iter().filter(|part| stands_alone(part.series));
            let alone: Vec<_> = alone.map(|part| (part.metric, part.series)).collect();
            joined.left_over.extend(alone);
        }
        joined
    }
}

/// The series of one histogram in their places.
struct Layout<'b> {
    /// Sorted by bound; the last one is `+Inf`.
    buckets: Vec<&'b ExportSeries>,
    bounds: Arc<[f64]>,
    sum: &'b ExportSeries,
    count: &'b ExportSeries,
}

impl<'b> Layout<'b> {
    fn of(parts: &[PartSeries<'b>]) -> Option<Self> {
        let find = |wanted| parts.iter().find(|part| part.part == wanted).map(|part| part.series);
        let mut buckets: Vec<(f64, &'b ExportSeries)> = parts
            .iter()
            .filter_map(|part| match part.part {
                Part::Bucket(bound) => Some((bound, part.series)),
                _ => None,
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let distinct = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let (last, _) = buckets.last()?;
        if *last != f64::INFINITY || !distinct || parts.len() != buckets.len() + 2 {
            return None;
        }
        let bounds = buckets.iter().map(|(bound, _)| *bound).filter(|bound| *bound != f64::INFINITY);
        Some(Self {
            bounds: bounds.collect(),
            buckets: buckets.iter().map(|(_, series)| *series).collect(),
            sum: find(Part::Sum)?,
            count: find(Part::Count)?,
        })
    }

    /// Adds a point for every time at which all parts have a sample that fit together.
    fn join(&self, group: u32, catalog: &mut Catalog, joined: &mut Joined<'b>) {
        for (at, count) in self.count.samples.iter().enumerate() {
            let Some((sum, buckets)) = self.others(at, count) else { continue };
            let value = if count.is_stale() && sum.is_stale() && buckets.iter().all(Sample::is_stale) {
                None
            } else {
                let Some(value) = distribution(count.v, sum.v, &buckets) else { continue };
                Some(value)
            };
            let start = catalog.histogram_start(group, *count);
            let Some(info) = catalog.group_info(group) else { return };
            let series = self.buckets.iter().chain([&self.sum, &self.count]);
            let keys: Vec<PointKey> = series.map(|series| (series.id, count.t.0)).collect();
            joined.keys.extend(keys.iter().copied());
            joined.points.push(HistogramPoint {
                metric: info.metric,
                keys,
                start,
                t: count.t.0,
                value,
                bounds: Arc::clone(&self.bounds),
                attributes: Arc::clone(&info.attributes),
            });
        }
    }

    /// The other parts' samples at the time of the count's sample number `at`.
    fn others(&self, at: usize, count: &Sample) -> Option<(Sample, Vec<Sample>)> {
        let same_time = |series: &ExportSeries| {
            // Parts are appended together, so they usually stand at the same number.
            let guess = series.samples.get(at).filter(|sample| sample.t == count.t);
            let found = guess.or_else(|| series.samples.iter().find(|sample| sample.t == count.t));
            found.copied()
        };
        let buckets: Option<Vec<Sample>> = self.buckets.iter().map(|series| same_time(series)).collect();
        Some((same_time(self.sum)?, buckets?))
    }
}

/// Cumulative buckets taken apart; `None` if they do not rise, are not whole, or do not end at the count.
fn distribution(count: f64, sum: f64, cumulative: &[Sample]) -> Option<Distribution> {
    let mut before = 0.0;
    let mut counts = Vec::with_capacity(cumulative.len());
    for sample in cumulative {
        let whole = (before..=MAX_COUNT).contains(&sample.v) && sample.v.fract() == 0.0;
        if !whole {
            return None;
        }
        counts.push((sample.v - before) as u64);
        before = sample.v;
    }
    (before == count && !sum.is_nan()).then_some(Distribution { count: count as u64, sum, counts })
}

impl HistogramPoint {
    /// Appends the point as an entry of its metric's `data_points`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut point = Vec::with_capacity(self.attributes.len() + 16 * self.bounds.len() + 64);
        wire::fixed64(&mut point, 2, nanos(self.start));
        wire::fixed64(&mut point, 3, nanos(self.t));
        if let Some(Distribution { count, sum, counts }) = &self.value {
            wire::fixed64(&mut point, 4, *count);
            wire::double(&mut point, 5, *sum);
            wire::header(&mut point, 6, counts.len() * 8);
            counts.iter().for_each(|count| point.extend_from_slice(&count.to_le_bytes()));
            wire::header(&mut point, 7, self.bounds.len() * 8);
            self.bounds.iter().for_each(|bound| point.extend_from_slice(&bound.to_le_bytes()));
        }
        point.extend_from_slice(&self.attributes);
        if self.value.is_none() {
            wire::uint(&mut point, 10, NO_RECORDED_VALUE);
        }
        wire::bytes(out, 1, &point);
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_model::{Timestamp, stale_nan};

    use super::*;

    fn samples(values: &[f64]) -> Vec<Sample> {
        values.iter().map(|v| Sample::new(Timestamp(1), *v)).collect()
    }

    #[test]
    fn only_what_can_be_a_histogram_becomes_one() {
        let good = distribution(6.0, 4.5, &samples(&[2.0, 5.0, 6.0]));
        assert_eq!(good, Some(Distribution { count: 6, sum: 4.5, counts: vec![2, 3, 1] }));
        for (count, sum, cumulative) in [
            (6.0, 4.5, [2.0, 1.0, 6.0]),
            (6.0, 4.5, [2.0, 5.0, 7.0]),
            (6.0, 4.5, [0.5, 5.0, 6.0]),
            (6.0, f64::NAN, [2.0, 5.0, 6.0]),
            (6.0, 4.5, [-1.0, 5.0, 6.0]),
            (6.0, 4.5, [2.0, stale_nan(), 6.0]),
            (1e300, 4.5, [2.0, 5.0, 1e300]),
        ] {
            assert_eq!(distribution(count, sum, &samples(&cumulative)), None);
        }
    }
}
