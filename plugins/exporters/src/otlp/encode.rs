//! From a batch of series to OTLP requests.
//!
//! Written by hand because it is the daemon's largest regular piece of work: the attributes of a series never
//! change, so their bytes are made once, and a point is those bytes and three numbers. Measured against the
//! generated structs it costs a sixth; those structs are the oracle of the tests.
//!
//! How series leave, so that a receiver that speaks Prometheus gets back the same series and times:
//! - counters (`…_total`) as monotonic cumulative sums that start when the series began or was reset;
//! - classic histograms, whose `_bucket`, `_sum` and `_count` of one time stand in the batch together, as one
//!   cumulative histogram point; parts that stand alone, and summaries, as gauges under their stored names;
//! - everything else as gauges; a staleness marker as a point with "no recorded value";
//! - the labels `job` and `instance` as the resource's `service.name` and `service.instance.id`, which is
//!   where the compatibility specification puts them; all other labels as attributes;
//! - a unit only where the name ends with it: a receiver would append it to the name otherwise.

mod chunk;
mod histogram;
mod names;
mod series;
#[cfg(test)]
mod tests;
mod wire;

use breakwatch_plugin_api::{ExportSeries, SampleBatch};
use rustc_hash::{FxHashMap, FxHashSet};

use chunk::Chunks;
use histogram::Histograms;
use series::{Catalog, Role};

pub(super) use chunk::Chunk;

/// A point: the series' number and the sample's time in milliseconds.
pub(super) type PointKey = (u64, i64);

/// Encodes batches of one exporter; remembers what series look like.
pub(super) struct Encoder {
    catalog: Catalog,
    max_points: usize,
}

impl Encoder {
    /// `resource` are the attributes every request carries; `max_points` bounds one request.
    pub(super) fn new(resource: Vec<(String, String)>, max_points: usize) -> Self {
        Self { catalog: Catalog::new(resource), max_points }
    }

    /// The requests of a batch, leaving out points that were accepted before.
    pub(super) fn encode(&mut self, batch: &SampleBatch, accepted: &FxHashSet<PointKey>) -> Vec<Chunk> {
        self.catalog.begin_batch();
        let mut by_metric: FxHashMap<u32, Vec<&ExportSeries>> = FxHashMap::default();
        let mut histograms = Histograms::default();
        for series in &batch.series {
            match self.catalog.series(series) {
                (metric, Role::Part { group, part }) => histograms.add(group, part, metric, series),
                (metric, _) => by_metric.entry(metric).or_default().push(series),
            }
        }
        let joined = histograms.join(&mut self.catalog);
        for (metric, series) in joined.left_over {
            by_metric.entry(metric).or_default().push(series);
        }
        let mut metrics: Vec<u32> = by_metric.keys().copied().collect();
        self.catalog.sort(&mut metrics);
        let mut chunks = Chunks::new(self.max_points);
        chunks.expect(batch.series.iter().map(|series| series.samples.len()).sum());
        for metric in metrics {
            chunks.begin_metric(metric, self.catalog.overhead(metric));
            for series in by_metric.remove(&metric).unwrap_or_default() {
                for sample in &series.samples {
                    // The start of a sum is learnt from every sample, so the point is made before it is skipped.
                    let Some(point) = self.catalog.number_point(series, *sample) else { continue };
                    let key = (series.id, sample.t.0);
                    if !accepted.contains(&key) && !joined.keys.contains(&key) {
                        chunks.point(&[key], |out| point.write(out));
                    }
                }
            }
        }
        for point in joined.points.iter().filter(|point| !accepted.contains(&point.keys[0])) {
            chunks.begin_metric(point.metric, self.catalog.overhead(point.metric));
            chunks.point(&point.keys, |out| point.write(out));
        }
        chunks.finish(&self.catalog)
    }
}

/// Milliseconds as OTLP counts time; what lies before 1970 cannot be said.
fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
}
