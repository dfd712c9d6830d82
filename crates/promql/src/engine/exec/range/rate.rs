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
    /// How the last window lay around its samples: with regular scrapes and steps, the next lies the same.
    layout: Layout,
}

/// Where a window lies around its samples, and what follows from that alone.
#[derive(Clone, Copy, Default)]
struct Layout {
    /// Milliseconds from the window's start to the first sample, to the last sample and to its end.
    spans: [i64; 3],
    count: usize,
    /// The same distances in seconds.
    to_start: f64,
    sampled: f64,
    /// Half the interval between samples, and how far from the edge a sample may be to count as near it.
    half: f64,
    threshold: f64,
    /// How far to extrapolate at the start, unless the counter would be below zero there, and at the end.
    start: f64,
    end: f64,
    /// The factor that follows.
    factor: f64,
}

impl Layout {
    const fn limited(&self, to_edge: f64) -> f64 {
        if to_edge >= self.threshold { self.half } else { to_edge }
    }

    const fn range_seconds(&self) -> f64 {
        let [_, _, end] = self.spans;
        end as f64 / 1000.0
    }
}

impl Rate {
    pub(super) fn new(is_counter: bool, is_rate: bool, zero_first: bool) -> Self {
        Self { is_counter, is_rate, zero_first, resets: VecDeque::new(), seen: 0, layout: Layout::default() }
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

    /// Looks how a window lies. Samples near an edge mean that the series goes on beyond it; otherwise it is
    /// taken to start or end half a sample interval outside.
    fn lay(&mut self, window: &Window<'_>, first: i64, last: i64) {
        let start = window.end.saturating_sub(window.range);
        let spans = [first, last, window.end].map(|time| time.saturating_sub(start));
        let count = window.samples.len();
        if self.layout.spans == spans && self.layout.count == count {
            return;
        }
        let [first, last, end] = spans;
        let [to_start, sampled, to_end] =
            [first, last - first, end - last].map(|millis| millis as f64 / 1000.0);
        let between = sampled / (count - 1) as f64;
        let mut layout = Layout {
            spans,
            count,
            to_start,
            sampled,
            half: between / 2.0,
            threshold: between * 1.1,
            ..Layout::default()
        };
        layout.start = layout.limited(to_start);
        layout.end = layout.limited(to_end);
        layout.factor = self.factor(&layout, layout.start);
        self.layout = layout;
    }

    fn factor(&self, layout: &Layout, start: f64) -> f64 {
        let factor = (layout.sampled + start + layout.end) / layout.sampled;
        if self.is_rate { factor / layout.range_seconds() } else { factor }
    }

    /// The factor for a counter that starts at `first` and grows by `growth`.
    fn factor_above_zero(&self, first: f64, growth: f64) -> f64 {
        /// More than rounding can make of the comparison.
        const CLEARLY: f64 = 1.0 + 1e-9;
        let layout = &self.layout;
        let edge = if self.zero_first { layout.to_start } else { layout.start };
        // Most counters would have been zero long before the window: no need to know exactly when.
        if first * layout.sampled > edge * growth * CLEARLY {
            return layout.factor;
        }
        let to_zero = layout.sampled * (first / growth);
        let start = if self.zero_first {
            layout.limited(layout.to_start.min(to_zero))
        } else {
            layout.start.min(to_zero)
        };
        self.factor(layout, start)
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
        self.lay(window, first.t.0, last.t.0);
        // A counter is never negative, so it cannot have started before it would have been zero.
        let counts_from_zero = self.is_counter && result > 0.0 && first.v >= 0.0;
        let factor =
            if counts_from_zero { self.factor_above_zero(first.v, result) } else { self.layout.factor };
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
