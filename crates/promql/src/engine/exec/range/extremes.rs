//! The smallest and the largest value of a window.

use std::collections::VecDeque;

use super::{Kernel, Window, computed};
use crate::engine::exec::Eval;
use crate::engine::exec::scalar::seconds;

/// `min_over_time` and `max_over_time`. Keeps the samples that can still become the extreme of a later window,
/// so that each sample is looked at once however much windows overlap. NaN counts only if there is nothing else.
pub(super) struct Extreme {
    largest: bool,
    /// Numbers and values, each more extreme than those after it.
    candidates: VecDeque<(usize, f64)>,
    seen: usize,
}

impl Extreme {
    pub(super) const fn new(largest: bool) -> Self {
        Self { largest, candidates: VecDeque::new(), seen: 0 }
    }
}

impl Kernel for Extreme {
    fn restart(&mut self) {
        self.candidates.clear();
        self.seen = 0;
    }

    fn value(&mut self, window: &Window<'_>) -> Eval<f64> {
        let skip = self.seen.saturating_sub(window.first).min(window.samples.len());
        for (index, sample) in window.samples.iter().enumerate().skip(skip) {
            if sample.v.is_nan() {
                continue;
            }
            let beaten = |value: f64| if self.largest { value < sample.v } else { value > sample.v };
            while self.candidates.back().is_some_and(|(_, value)| beaten(*value)) {
                self.candidates.pop_back();
            }
            self.candidates.push_back((window.first + index, sample.v));
        }
        self.seen = self.seen.max(window.first + window.samples.len());
        while self.candidates.front().is_some_and(|(number, _)| *number < window.first) {
            self.candidates.pop_front();
        }
        Ok(self.candidates.front().map_or(f64::NAN, |(_, value)| computed(*value)))
    }
}

/// When the extreme was measured; of equal ones the last.
pub(super) fn time_of_extreme(window: &Window<'_>, largest: bool) -> f64 {
    let Some(first) = window.samples.first() else { return f64::NAN };
    let mut extreme = *first;
    for sample in window.samples {
        let beats = if largest { sample.v >= extreme.v } else { sample.v <= extreme.v };
        if beats || extreme.v.is_nan() {
            extreme = *sample;
        }
    }
    seconds(extreme.t.0)
}
