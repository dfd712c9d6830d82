//! `anchored` and `smoothed` ranges: no extrapolation, but the samples just outside the window are known.

use breakwatch_model::Sample;

use super::{ABSENT, Kernel, Window, computed, present};
use crate::ast::Extension;
use crate::engine::exec::column::Grid;
use crate::engine::exec::{Eval, Evaluator, Sink};
use crate::engine::plan::RangeCall;
use crate::functions::FunctionId as F;

/// The value at `time` on the line between two samples. A counter that was reset between them starts at zero.
pub(in crate::engine::exec) fn interpolate(
    before: &Sample,
    after: &Sample,
    time: i64,
    is_counter: bool,
) -> f64 {
    let reset = is_counter && after.v < before.v;
    let (start, end) = (if reset { 0.0 } else { before.v }, after.v);
    let part = (time - before.t.0) as f64 / (after.t.0 - before.t.0) as f64;
    present(start + (end - start) * part)
}

impl Evaluator<'_> {
    pub(super) fn extended(
        &self,
        call: &RangeCall,
        extension: Extension,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let kernel = Extended { function: call.function, smoothed: extension == Extension::Smoothed };
        self.run(call, grid, kernel, sink)
    }
}

struct Extended {
    function: F,
    smoothed: bool,
}

impl Kernel for Extended {
    fn value(&mut self, window: &Window<'_>) -> Eval<f64> {
        let (start, end) = (window.end.saturating_sub(window.range), window.end);
        let samples = window.samples;
        // The last sample at or before the start, if there is one.
        let first = samples.partition_point(|sample| sample.t.0 <= start).saturating_sub(1);
        if matches!(self.function, F::Changes | F::Resets) {
            return Ok(self.count(samples, first, start));
        }
        let Some(newest) = samples.len().checked_sub(1) else { return Ok(ABSENT) };
        let first = first.min(newest);
        let last = if self.smoothed {
            samples.partition_point(|sample| sample.t.0 < end).min(newest)
        } else {
            newest
        };
        match (samples.get(first), samples.get(last)) {
            (Some(_), Some(last_sample)) if last_sample.t.0 > start => {
                Ok(self.change(samples, first, last, start, end))
            }
            _ => Ok(ABSENT),
        }
    }
}

impl Extended {
    fn count(&self, samples: &[Sample], first: usize, start: i64) -> f64 {
        if samples.last().is_none_or(|sample| sample.t.0 <= start) {
            return ABSENT;
        }
        let samples = samples.get(first..).unwrap_or_default();
        let window = Window { samples, first: 0, end: 0, range: 0, time: 0, step: 0 };
        if self.function == F::Changes { super::rate::changes(&window) } else { super::rate::resets(&window) }
    }

    fn change(&self, samples: &[Sample], first: usize, last: usize, start: i64, end: i64) -> f64 {
        let is_counter = self.function != F::Delta;
        let left = match (samples.get(first), samples.get(first + 1)) {
            (Some(a), Some(b)) if self.smoothed && a.t.0 < start => interpolate(a, b, start, is_counter),
            (Some(a), _) => a.v,
            (None, _) => return ABSENT,
        };
        let right = match (last.checked_sub(1).and_then(|at| samples.get(at)), samples.get(last)) {
            (Some(a), Some(b)) if self.smoothed && b.t.0 > end => interpolate(a, b, end, is_counter),
            (_, Some(b)) => b.v,
            (_, None) => return ABSENT,
        };
        let mut result = right - left;
        if is_counter {
            // The values at the edges know of resets around them; between them only samples inside count.
            let inside = samples.iter().take(last + 1).skip(first);
            let mut before = left;
            for sample in inside.filter(|sample| sample.t.0 > start && sample.t.0 < end) {
                if sample.v < before {
                    result += before;
                }
                before = sample.v;
            }
            if right < before {
                result += before;
            }
        }
        if self.function == F::Rate {
            result /= (end - start) as f64 / 1000.0;
        }
        computed(result)
    }
}
