//! Sorting. Only instant queries have an order; a range query's series are sorted by labels at the end.

use std::cmp::Ordering;

use super::column::{Grid, Owned};
use super::natural::comes_before;
use super::quantile::nan_first;
use super::{Eval, Evaluator, Sink};
use crate::engine::plan::Vector;
use crate::span::Span;

impl Evaluator<'_> {
    pub(super) fn sort(
        &self,
        descending: bool,
        input: &Vector,
        span: Span,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        if self.is_range() {
            return self.unsorted(input, span, grid, sink);
        }
        let mut series = self.collect(input, grid)?;
        let value = |owned: &Owned| owned.values.first().copied().unwrap_or(f64::NAN);
        series.sort_by(|a, b| {
            let (a, b) = (value(a), value(b));
            // NaN is last in both directions.
            if a.is_nan() || b.is_nan() || descending { nan_first(&b, &a) } else { nan_first(&a, &b) }
        });
        self.emit_all(series, sink)
    }

    pub(super) fn sort_by_label(
        &self,
        descending: bool,
        labels: &[String],
        input: &Vector,
        span: Span,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        if self.is_range() {
            return self.unsorted(input, span, grid, sink);
        }
        let mut series = self.collect(input, grid)?;
        series.sort_by(|a, b| {
            let order = by_labels(labels, a, b);
            if descending { order.reverse() } else { order }
        });
        self.emit_all(series, sink)
    }

    fn is_range(&self) -> bool {
        !self.grid.is_instant()
    }

    fn unsorted(&self, input: &Vector, span: Span, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        self.warn("sort is ineffective for range queries since results are always ordered by labels", span);
        self.vector(input, grid, sink)
    }
}

fn by_labels(labels: &[String], a: &Owned, b: &Owned) -> Ordering {
    for label in labels {
        let (left, right) = (a.labels.value(label), b.labels.value(label));
        if left != right {
            return if comes_before(left, right) { Ordering::Less } else { Ordering::Greater };
        }
    }
    a.labels.cmp(&b.labels)
}
