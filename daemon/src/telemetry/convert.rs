//! From the SDK's collections to metric families.

use breakwatch_model::{Labels, MetricFamily, MetricKind};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Histogram, Metric, MetricData, ResourceMetrics};

/// Every metric of a collection as a family, sorted by name.
#[must_use]
pub fn families(metrics: &ResourceMetrics) -> Vec<MetricFamily> {
    let mut families: Vec<MetricFamily> =
        metrics.scope_metrics().flat_map(|scope| scope.metrics()).filter_map(family).collect();
    families.sort_by(|a, b| a.name.cmp(&b.name));
    families
}

fn family(metric: &Metric) -> Option<MetricFamily> {
    match metric.data() {
        AggregatedMetrics::F64(data) => from_data(metric, data, |value| value),
        AggregatedMetrics::U64(data) => from_data(metric, data, |value| value as f64),
        AggregatedMetrics::I64(data) => from_data(metric, data, |value| value as f64),
    }
}

fn from_data<T: Copy>(
    metric: &Metric,
    data: &MetricData<T>,
    number: impl Fn(T) -> f64,
) -> Option<MetricFamily> {
    match data {
        MetricData::Gauge(gauge) => {
            let mut family = new_family(metric, MetricKind::Gauge);
            for point in gauge.data_points() {
                family.push(labels(point.attributes()), number(point.value()));
            }
            Some(family)
        }
        MetricData::Sum(sum) => {
            let kind = if sum.is_monotonic() { MetricKind::Counter } else { MetricKind::Gauge };
            let mut family = new_family(metric, kind);
            for point in sum.data_points() {
                family.push(labels(point.attributes()), number(point.value()));
            }
            Some(family)
        }
        MetricData::Histogram(histogram) => Some(from_histogram(metric, histogram, number)),
        // None of our instruments makes one.
        MetricData::ExponentialHistogram(_) => None,
    }
}

fn from_histogram<T: Copy>(
    metric: &Metric,
    histogram: &Histogram<T>,
    number: impl Fn(T) -> f64,
) -> MetricFamily {
    let mut family = new_family(metric, MetricKind::Histogram);
    for point in histogram.data_points() {
        let bounds: Vec<f64> = point.bounds().collect();
        let counts: Vec<u64> = point.bucket_counts().collect();
        family.push_histogram(&labels(point.attributes()), &bounds, &counts, number(point.sum()));
    }
    family
}

/// The name as Prometheus writes it: the unit as a word, and `_total` behind a counter.
fn new_family(metric: &Metric, kind: MetricKind) -> MetricFamily {
    let unit = match metric.unit() {
        "s" => "seconds",
        "By" => "bytes",
        other => other,
    };
    let mut name = metric.name().to_owned();
    if !unit.is_empty() && !name.ends_with(unit) {
        name = format!("{name}_{unit}");
    }
    if kind == MetricKind::Counter && !name.ends_with("_total") {
        name.push_str("_total");
    }
    MetricFamily::new(name, kind, unit, metric.description())
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Labels {
    Labels::from_pairs(attributes.map(|kv| (kv.key.as_str().to_owned(), kv.value.to_string())))
}
