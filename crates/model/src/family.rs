//! Metric families: what a check returns and what `/metrics`, OTLP and the store read.

use std::sync::Arc;

use crate::{Labels, METRIC_NAME, Metadata, MetricKind};

/// Which of a family's series a point belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Suffix {
    /// The family's own name.
    None,
    /// `_bucket` of a histogram; the labels carry `le`.
    Bucket,
    /// `_sum` of a histogram or summary.
    Sum,
    /// `_count` of a histogram or summary.
    Count,
}

impl Suffix {
    /// The text that is appended to the family's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bucket => "_bucket",
            Self::Sum => "_sum",
            Self::Count => "_count",
        }
    }
}

/// One value of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Which series of the family.
    pub suffix: Suffix,
    /// Labels, without the metric name.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// A named group of points with kind, unit and help. Counters are named with their `_total`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// The metric name.
    pub name: Arc<str>,
    /// Kind, unit, help.
    pub meta: Metadata,
    /// The values.
    pub points: Vec<Point>,
}

impl MetricFamily {
    /// An empty family.
    pub fn new(name: impl Into<Arc<str>>, kind: MetricKind, unit: &str, help: &str) -> Self {
        let meta = Metadata { kind, unit: unit.into(), help: help.into() };
        Self { name: name.into(), meta, points: Vec::new() }
    }

    /// A gauge; the unit is empty where the value has none.
    pub fn gauge(name: impl Into<Arc<str>>, unit: &str, help: &str) -> Self {
        Self::new(name, MetricKind::Gauge, unit, help)
    }

    /// A counter; the name ends in `_total`.
    pub fn counter(name: impl Into<Arc<str>>, unit: &str, help: &str) -> Self {
        Self::new(name, MetricKind::Counter, unit, help)
    }

    /// Adds a plain point.
    pub fn push(&mut self, labels: Labels, value: f64) -> &mut Self {
        self.points.push(Point { suffix: Suffix::None, labels, value });
        self
    }

    /// This family with one more plain point.
    #[must_use]
    pub fn with(mut self, labels: Labels, value: f64) -> Self {
        self.push(labels, value);
        self
    }

    /// Adds a histogram's points: `bounds` are the upper limits without `+Inf`, `counts` the observations of
    /// each bucket (not cumulative), one more than bounds.
    pub fn push_histogram(&mut self, labels: &Labels, bounds: &[f64], counts: &[u64], sum: f64) -> &mut Self {
        let mut total = 0u64;
        for (i, count) in counts.iter().enumerate() {
            total += count;
            let le = bounds.get(i).map_or_else(|| "+Inf".to_owned(), |bound| format_bound(*bound));
            let point = Point { suffix: Suffix::Bucket, labels: labels.with("le", le), value: total as f64 };
            self.points.push(point);
        }
        self.points.push(Point { suffix: Suffix::Sum, labels: labels.clone(), value: sum });
        self.points.push(Point { suffix: Suffix::Count, labels: labels.clone(), value: total as f64 });
        self
    }

    /// The stored series of one point: its labels with the full metric name.
    #[must_use]
    pub fn series_labels(&self, point: &Point) -> Labels {
        if point.suffix == Suffix::None {
            return point.labels.with(METRIC_NAME, Arc::clone(&self.name));
        }
        point.labels.with(METRIC_NAME, format!("{}{}", self.name, point.suffix.as_str()))
    }
}

/// A bucket bound as Prometheus' clients print it: the shortest decimal that reads back the same.
fn format_bound(bound: f64) -> String {
    if bound.is_infinite() { "+Inf".to_owned() } else { format!("{bound}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_points_are_cumulative() {
        let mut family = MetricFamily::new("d_seconds", MetricKind::Histogram, "seconds", "d");
        family.push_histogram(&Labels::empty(), &[0.1, 1.0], &[2, 3, 1], 4.5);
        let shown: Vec<String> =
            family.points.iter().map(|p| format!("{} {}", family.series_labels(p), p.value)).collect();
        assert_eq!(
            shown,
            [
                r#"d_seconds_bucket{le="0.1"} 2"#,
                r#"d_seconds_bucket{le="1"} 5"#,
                r#"d_seconds_bucket{le="+Inf"} 6"#,
                "d_seconds_sum 4.5",
                "d_seconds_count 6",
            ]
        );
    }
}
