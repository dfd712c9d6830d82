//! What a series' name and metadata say about how it leaves.

use breakwatch_model::{Metadata, MetricKind};

/// Units as Prometheus spells them at the end of names, and as UCUM does for OTLP.
const UNITS: [(&str, &str); 11] = [
    ("seconds", "s"),
    ("bytes", "By"),
    ("ratio", "1"),
    ("celsius", "Cel"),
    ("meters", "m"),
    ("volts", "V"),
    ("amperes", "A"),
    ("joules", "J"),
    ("watts", "W"),
    ("grams", "g"),
    ("hertz", "Hz"),
];

/// The UCUM unit, if the name says the unit too. Otherwise none: receivers append a unit that the name lacks.
pub(super) fn unit(name: &str, meta: &Metadata) -> &'static str {
    let stem = name.strip_suffix("_total").unwrap_or(name);
    let known = UNITS.iter().find(|(word, _)| *word == &*meta.unit);
    known
        .filter(|(word, _)| stem.strip_suffix(word).is_some_and(|rest| rest.ends_with('_')))
        .map_or("", |(_, ucum)| ucum)
}

/// Whether a series is a counter that receivers name as it is named here.
pub(super) fn is_sum(name: &str, meta: &Metadata) -> bool {
    meta.kind == MetricKind::Counter && name.ends_with("_total")
}

/// Which part of a classic histogram a series is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Part {
    /// A bucket with its upper bound.
    Bucket(f64),
    /// The sum of observations.
    Sum,
    /// Their number.
    Count,
}

/// The histogram's name and the part, if the series is one.
pub(super) fn histogram_part<'n>(name: &'n str, bound: &str, meta: &Metadata) -> Option<(&'n str, Part)> {
    if meta.kind != MetricKind::Histogram {
        return None;
    }
    if let Some(base) = name.strip_suffix("_bucket") {
        let bound: f64 = bound.parse().ok()?;
        return (!bound.is_nan()).then_some((base, Part::Bucket(bound)));
    }
    let sum = name.strip_suffix("_sum").map(|base| (base, Part::Sum));
    sum.or_else(|| name.strip_suffix("_count").map(|base| (base, Part::Count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(kind: MetricKind, unit: &str) -> Metadata {
        Metadata { kind, unit: unit.into(), help: "".into() }
    }

    #[test]
    fn a_unit_is_named_only_where_the_name_has_it() {
        let unit = |name, word| unit(name, &meta(MetricKind::Gauge, word));
        assert_eq!(unit("probe_duration_seconds", "seconds"), "s");
        assert_eq!(unit("process_cpu_seconds_total", "seconds"), "s");
        assert_eq!(unit("probe_ssl_earliest_cert_expiry", "seconds"), "");
        assert_eq!(unit("milliseconds", "seconds"), "");
        assert_eq!(unit("x_parsecs", "parsecs"), "");
    }

    #[test]
    fn parts_of_histograms_are_recognised() {
        let histogram = meta(MetricKind::Histogram, "");
        assert_eq!(histogram_part("x_bucket", "+Inf", &histogram), Some(("x", Part::Bucket(f64::INFINITY))));
        assert_eq!(histogram_part("x_sum", "", &histogram), Some(("x", Part::Sum)));
        assert_eq!(histogram_part("x_count", "", &histogram), Some(("x", Part::Count)));
        assert_eq!(histogram_part("x_bucket", "wide", &histogram), None);
        assert_eq!(histogram_part("x", "", &histogram), None);
        assert_eq!(histogram_part("x_count", "", &meta(MetricKind::Gauge, "")), None);
    }
}
