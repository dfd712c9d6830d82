//! Rates and their kin, extrapolated to the edges of the window as Prometheus does it.

use std::collections::VecDeque;

use super::{ABSENT, Kernel, Window, computed};
use crate::engine::exec::Eval;

/// `rate`, `increase` and `delta`. Counter resets inside overlapping windows are found once per sample.
pub(super) struct Rate {
    is_counter: bool,
    is_rate: bool,
    /// Whether to extrapolate to the left edge in the order of Prometheus 2.
    zero_first: bool,
    /// The number of each sample that is smaller than the one before it, and the value of that one.
    resets: VecDeque<(usize, f64)>,
    /// The number of the first sample that has not been looked at.
    seen: usize,
}

impl Rate {
    pub(super) const fn new(is_counter: bool, is_rate: bool, zero_first: bool) -> Self {
        Self { is_counter, is_rate, zero_first, resets: VecDeque::new(), seen: 0 }
    }

    fn find_resets(&mut self, window: &Window<'_>) {
        let start = self.seen.max(window.first + 1);
        let from = (start - window.first).min(window.samples.len());
        if let Some(pairs) = window.samples.get(from.saturating_sub(1)..) {
            for (index, pair) in pairs.windows(2).enumerate() {
                if let [previous, current] = pair
                    && current.v < previous.v
                {
                    self.resets.push_back((window.first + from + index, previous.v));
                }
            }
        }
        self.seen = self.seen.max(window.first + window.samples.len());
        while self.resets.front().is_some_and(|(number, _)| *number <= window.first) {
            self.resets.pop_front();
        }
    }
}

impl Kernel for Rate {
    fn restart(&mut self) {
        self.resets.clear();
        self.seen = 0;
    }

    fn value(&mut self, window: &Window<'_>) -> Eval<f64> {
        let [first, .., last] = window.samples else { return Ok(ABSENT) };
        let mut result = last.v - first.v;
        if self.is_counter {
            self.find_resets(window);
            for (_, before) in &self.resets {
                result += before;
            }
        }
        let start = window.end - window.range;
        let mut to_start = (first.t.0 - start) as f64 / 1000.0;
        let mut to_end = (window.end - last.t.0) as f64 / 1000.0;
        let sampled = (last.t.0 - first.t.0) as f64 / 1000.0;
        let between = sampled / (window.samples.len() - 1) as f64;

        // Samples near an edge mean that the series goes on beyond it; otherwise it is taken to start or end
        // half a sample interval outside.
        let threshold = between * 1.1;
        let limited = |to_edge: f64| if to_edge >= threshold { between / 2.0 } else { to_edge };
        // A counter is never negative, so it cannot have started before it would have been zero.
        let to_zero = if self.is_counter && result > 0.0 && first.v >= 0.0 {
            sampled * (first.v / result)
        } else {
            f64::INFINITY
        };
        to_start =
            if self.zero_first { limited(to_start.min(to_zero)) } else { limited(to_start).min(to_zero) };
        to_end = limited(to_end);
        let mut factor = (sampled + to_start + to_end) / sampled;
        if self.is_rate {
            factor /= window.range as f64 / 1000.0;
        }
        Ok(computed(result * factor))
    }
}

/// `irate` and `idelta`: from the last two samples.
pub(super) fn instant_value(window: &Window<'_>, is_rate: bool) -> f64 {
    let [.., before, last] = window.samples else { return ABSENT };
    let interval = last.t.0 - before.t.0;
    if interval == 0 {
        return ABSENT;
    }
    let reset = is_rate && last.v < before.v;
    let change = if reset { last.v } else { last.v - before.v };
    computed(if is_rate { change / (interval as f64 / 1000.0) } else { change })
}

/// How often the value changed.
#[expect(clippy::float_cmp, reason = "any change counts")]
pub(super) fn changes(window: &Window<'_>) -> f64 {
    let changed = |pair: &&[breakwatch_model::Sample]| match pair {
        [before, after] => after.v != before.v && !(after.v.is_nan() && before.v.is_nan()),
        _ => false,
    };
    window.samples.windows(2).filter(changed).count() as f64
}

/// How often the value went down.
pub(super) fn resets(window: &Window<'_>) -> f64 {
    let reset = |pair: &&[breakwatch_model::Sample]| match pair {
        [before, after] => after.v < before.v,
        _ => false,
    };
    window.samples.windows(2).filter(reset).count() as f64
}
