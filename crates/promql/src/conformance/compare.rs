//! Whether values are equal as Prometheus' runner and the compliance tester see it.

use breakwatch_model::{Labels, Sample, Timestamp, is_stale};

use super::script::Expected;
use crate::number::format_value;
use crate::series::SequenceValue;
use crate::{Series, Value, VectorSample};

/// The relative tolerance of Prometheus' own runner.
const EPSILON: f64 = 1e-6;

/// Equal within a relative tolerance; NaN equals NaN, a staleness marker only itself.
pub(super) fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    #[expect(clippy::float_cmp, reason = "infinities are equal only exactly")]
    let same = a == b || (a.is_nan() && b.is_nan());
    if same {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

/// Compares the value of an instant query, or the values of a range query, which start at `start`.
pub(super) fn compare(
    expected: &Expected,
    ordered: bool,
    got: &Value,
    start: Timestamp,
    step: std::time::Duration,
) -> Result<(), String> {
    match (expected, got) {
        (Expected::Scalar(wanted), Value::Scalar(got)) => {
            if almost_equal(*wanted, got.v, EPSILON) {
                return Ok(());
            }
            Err(format!("expected {}, got {}", format_value(*wanted), format_value(got.v)))
        }
        (Expected::String(wanted), Value::String(_, got)) if wanted == got => Ok(()),
        (Expected::Series(wanted), Value::Vector(got)) => vector(wanted, ordered, got),
        (Expected::Series(wanted), Value::Matrix(got)) => matrix(wanted, got, start, step),
        (Expected::Matrix { start, step, series }, Value::Matrix(got)) => matrix(series, got, *start, *step),
        (wanted, got) => Err(format!("expected {wanted:?}, got a {}", got.type_name())),
    }
}

fn vector(
    wanted: &[(Labels, Vec<SequenceValue>)],
    ordered: bool,
    got: &[VectorSample],
) -> Result<(), String> {
    for (place, element) in got.iter().enumerate() {
        let found = wanted.iter().position(|(labels, _)| *labels == element.labels);
        let Some(position) = found else {
            return Err(format!("unexpected {} {}", element.labels, format_value(element.sample.v)));
        };
        if ordered && position != place {
            return Err(format!("{} is at place {place}, expected at {position}", element.labels));
        }
        let Some((_, values)) = wanted.get(position) else { continue };
        match values.first() {
            Some(SequenceValue::Value(value)) if almost_equal(*value, element.sample.v, EPSILON) => {}
            other => {
                let got = format_value(element.sample.v);
                return Err(format!("{}: expected {other:?}, got {got}", element.labels));
            }
        }
    }
    missing(wanted, got.iter().map(|element| &element.labels))
}

fn matrix(
    wanted: &[(Labels, Vec<SequenceValue>)],
    got: &[Series],
    start: Timestamp,
    step: std::time::Duration,
) -> Result<(), String> {
    for series in got {
        let Some((_, values)) = wanted.iter().find(|(labels, _)| *labels == series.labels) else {
            return Err(format!("unexpected {} {:?}", series.labels, series.samples));
        };
        let mut at = start;
        let mut samples = Vec::new();
        for value in values {
            if let SequenceValue::Value(value) = value {
                samples.push(Sample::new(at, *value));
            }
            at = at + step;
        }
        let same = samples.len() == series.samples.len()
            && samples
                .iter()
                .zip(&series.samples)
                .all(|(wanted, got)| wanted.t == got.t && almost_equal(wanted.v, got.v, EPSILON));
        if !same {
            return Err(format!("{}: expected {samples:?}, got {:?}", series.labels, series.samples));
        }
    }
    missing(wanted, got.iter().map(|series| &series.labels))
}

fn missing<'l>(
    wanted: &[(Labels, Vec<SequenceValue>)],
    got: impl Iterator<Item = &'l Labels> + Clone,
) -> Result<(), String> {
    let found = |labels: &Labels| got.clone().any(|got| got == labels);
    match wanted.iter().find(|(labels, _)| !found(labels)) {
        None => Ok(()),
        Some((labels, values)) => Err(format!("missing {labels} {values:?}")),
    }
}
