//! Which metric family a series belongs to.

use breakwatch_model::MetricKind;

/// The family of a series: a histogram's `_bucket`, `_sum` and `_count` and a summary's `_sum` and `_count`
/// belong to the metric they are parts of; every other series is named as its family.
pub(crate) fn family_name(metric: &str, kind: MetricKind) -> &str {
    let parts: &[&str] = match kind {
        MetricKind::Histogram => &["_bucket", "_sum", "_count"],
        MetricKind::Summary => &["_sum", "_count"],
        _ => &[],
    };
    parts.iter().find_map(|part| metric.strip_suffix(part)).unwrap_or(metric)
}
