//! Aggregations over the samples of a window.

use super::{Kernel, Window, computed};
use crate::engine::exec::arithmetic::kahan_add;
use crate::engine::exec::scalar::seconds;
use crate::engine::exec::{Eval, Evaluator, quantile};
use crate::span::Span;

pub(super) fn sum(window: &Window<'_>) -> f64 {
    let (mut sum, mut compensation) = (0.0, 0.0);
    for sample in window.samples {
        (sum, compensation) = kahan_add(sample.v, sum, compensation);
    }
    computed(if sum.is_infinite() { sum } else { sum + compensation })
}

/// The mean from the sum, or, once the sum would overflow, step by step.
pub(super) fn avg(window: &Window<'_>) -> f64 {
    let Some((first, rest)) = window.samples.split_first() else { return f64::NAN };
    let (mut sum, mut count, mut mean, mut compensation) = (first.v, 1.0, 0.0, 0.0);
    let mut incremental = false;
    for sample in rest {
        count += 1.0;
        if !incremental {
            let (total, correction) = kahan_add(sample.v, sum, compensation);
            if !total.is_infinite() {
                (sum, compensation) = (total, correction);
                continue;
            }
            incremental = true;
            mean = sum / (count - 1.0);
            compensation /= count - 1.0;
        }
        let weight = (count - 1.0) / count;
        (mean, compensation) = kahan_add(sample.v / count, weight * mean, weight * compensation);
    }
    computed(if incremental { mean + compensation } else { sum / count + compensation / count })
}

pub(super) fn count(window: &Window<'_>) -> f64 {
    window.samples.len() as f64
}

pub(super) fn first(window: &Window<'_>) -> f64 {
    computed(window.samples.first().map_or(f64::NAN, |sample| sample.v))
}

pub(super) fn last(window: &Window<'_>) -> f64 {
    computed(window.samples.last().map_or(f64::NAN, |sample| sample.v))
}

pub(super) fn time_of_first(window: &Window<'_>) -> f64 {
    window.samples.first().map_or(f64::NAN, |sample| seconds(sample.t.0))
}

pub(super) fn time_of_last(window: &Window<'_>) -> f64 {
    window.samples.last().map_or(f64::NAN, |sample| seconds(sample.t.0))
}

/// The population variance by Welford's method, with compensated sums.
pub(super) fn variance(window: &Window<'_>) -> f64 {
    let mut count = 0.0;
    let (mut mean, mut mean_compensation) = (0.0, 0.0);
    let (mut sum, mut sum_compensation) = (0.0, 0.0);
    for sample in window.samples {
        count += 1.0;
        let delta = sample.v - (mean + mean_compensation);
        (mean, mean_compensation) = kahan_add(delta / count, mean, mean_compensation);
        let product = delta * (sample.v - (mean + mean_compensation));
        (sum, sum_compensation) = kahan_add(product, sum, sum_compensation);
    }
    computed((sum + sum_compensation) / count)
}

/// `quantile_over_time`
pub(super) struct Quantile<'q> {
    evaluator: &'q Evaluator<'q>,
    quantiles: &'q [f64],
    span: Span,
    values: Vec<f64>,
}

impl<'q> Quantile<'q> {
    pub(super) const fn new(evaluator: &'q Evaluator<'q>, quantiles: &'q [f64], span: Span) -> Self {
        Self { evaluator, quantiles, span, values: Vec::new() }
    }
}

impl Kernel for Quantile<'_> {
    fn value(&mut self, window: &Window<'_>) -> Eval<f64> {
        let wanted = self.quantiles.get(window.step).copied().unwrap_or(f64::NAN);
        self.evaluator.check_quantile(wanted, self.span);
        self.values.clear();
        self.values.extend(window.samples.iter().map(|sample| sample.v));
        Ok(computed(quantile::quantile(wanted, &mut self.values)))
    }
}

/// `mad_over_time`: the median distance from the median.
#[derive(Default)]
pub(super) struct Mad {
    values: Vec<f64>,
}

impl Kernel for Mad {
    fn value(&mut self, window: &Window<'_>) -> Eval<f64> {
        self.values.clear();
        self.values.extend(window.samples.iter().map(|sample| sample.v));
        let median = quantile::quantile(0.5, &mut self.values);
        self.values.clear();
        self.values.extend(window.samples.iter().map(|sample| (sample.v - median).abs()));
        Ok(computed(quantile::quantile(0.5, &mut self.values)))
    }
}
