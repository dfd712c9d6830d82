//! Regression and smoothing.

use breakwatch_model::Sample;

use super::{ABSENT, Kernel, Window, computed};
use crate::engine::error::QueryError;
use crate::engine::exec::Eval;
use crate::engine::exec::arithmetic::kahan_add;
use crate::number::go_fixed;

/// The line of least squares: its slope per second, and its value at `origin` (milliseconds).
#[expect(clippy::float_cmp, reason = "a constant series must give exactly its constant")]
fn regression(samples: &[Sample], origin: i64) -> (f64, f64) {
    let initial = samples.first().map_or(f64::NAN, |sample| sample.v);
    let mut constant = true;
    let mut count = 0.0;
    let (mut x_sum, mut x_c) = (0.0, 0.0);
    let (mut y_sum, mut y_c) = (0.0, 0.0);
    let (mut xy_sum, mut xy_c) = (0.0, 0.0);
    let (mut xx_sum, mut xx_c) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        if index > 0 && sample.v != initial {
            constant = false;
        }
        count += 1.0;
        let x = sample.t.0.saturating_sub(origin) as f64 / 1e3;
        (x_sum, x_c) = kahan_add(x, x_sum, x_c);
        (y_sum, y_c) = kahan_add(sample.v, y_sum, y_c);
        (xy_sum, xy_c) = kahan_add(x * sample.v, xy_sum, xy_c);
        (xx_sum, xx_c) = kahan_add(x * x, xx_sum, xx_c);
    }
    if constant {
        return if initial.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, initial) };
    }
    let (x, y, xy, xx) = (x_sum + x_c, y_sum + y_c, xy_sum + xy_c, xx_sum + xx_c);
    let covariance = xy - x * y / count;
    let variance = xx - x * x / count;
    let slope = covariance / variance;
    (slope, y / count - slope * x / count)
}

pub(super) fn deriv(window: &Window<'_>) -> f64 {
    let [first, _, ..] = window.samples else { return ABSENT };
    // An origin near the samples keeps the sums small.
    computed(regression(window.samples, first.t.0).0)
}

/// The value of the line some seconds after the evaluation time.
pub(super) fn predict_linear(window: &Window<'_>, ahead: &[f64]) -> f64 {
    if window.samples.len() < 2 {
        return ABSENT;
    }
    let (slope, intercept) = regression(window.samples, window.time);
    let ahead = ahead.get(window.step).copied().unwrap_or(f64::NAN);
    computed(slope * ahead + intercept)
}

/// `double_exponential_smoothing` (Holt's linear method).
pub(super) struct Smoothing<'s> {
    smoothing: &'s [f64],
    trend: &'s [f64],
}

impl<'s> Smoothing<'s> {
    pub(super) const fn new(smoothing: &'s [f64], trend: &'s [f64]) -> Self {
        Self { smoothing, trend }
    }
}

impl Kernel for Smoothing<'_> {
    fn value(&mut self, window: &Window<'_>) -> Eval<f64> {
        let smoothing = factor(self.smoothing, window.step, "smoothing", "sf")?;
        let trend = factor(self.trend, window.step, "trend", "tf")?;
        let [first, second, ..] = window.samples else { return Ok(ABSENT) };
        let (mut before, mut smoothed, mut slope) = (0.0, first.v, second.v - first.v);
        for (index, sample) in window.samples.iter().enumerate().skip(1) {
            let raw = smoothing * sample.v;
            if index > 1 {
                slope = trend * (smoothed - before) + (1.0 - trend) * slope;
            }
            let expected = (1.0 - smoothing) * (smoothed + slope);
            (before, smoothed) = (smoothed, raw + expected);
        }
        Ok(computed(smoothed))
    }
}

fn factor(factors: &[f64], step: usize, what: &str, short: &str) -> Eval<f64> {
    let factor = factors.get(step).copied().unwrap_or(f64::NAN);
    if factor <= 0.0 || factor >= 1.0 {
        let got = go_fixed(factor, 6);
        return Err(QueryError::execution(format!(
            "invalid {what} factor. Expected: 0 < {short} < 1, got: {got}"
        )));
    }
    Ok(factor)
}
