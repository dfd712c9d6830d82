//! Subqueries: an instant query evaluated on a grid of its own, whose values become the samples of a range.

use breakwatch_model::{Sample, Timestamp};

use super::column::{Grid, is_absent};
use super::window::{Frame, WindowSink, Windows};
use super::{Eval, Evaluator};
use crate::engine::error::QueryError;
use crate::engine::plan::SubqueryPlan;

impl Evaluator<'_> {
    pub(super) fn subquery(
        &self,
        subquery: &SubqueryPlan,
        grid: &Grid,
        sink: &mut WindowSink<'_>,
    ) -> Eval<()> {
        let range = subquery.range.positive(self.times)?;
        let offset = subquery.offset.millis(self.times)?;
        let interval = match &subquery.step {
            Some(step) => step.positive(self.times)?,
            None => self.options.subquery_step.as_millis() as i64,
        };
        if interval <= 0 {
            return Err(QueryError::execution("the step of a subquery must be at least one millisecond"));
        }
        let fixed = self.fixed_time(subquery.at);
        let (first, last) = match fixed {
            Some(at) => (at.saturating_sub(offset), at.saturating_sub(offset)),
            None => (grid.start().saturating_sub(offset), grid.end().saturating_sub(offset)),
        };
        let step = if fixed.is_some() { 0 } else { grid.step() };
        let frame = Frame { start: first, step, len: grid.len(), range, before: 0, after: 0 };
        let Some(inner) = inner_grid(first.saturating_sub(range), last, interval, self.options.max_samples)?
        else {
            return Ok(());
        };
        self.vector(&subquery.input, &inner, &mut |column| {
            self.check()?;
            let present = column.values.iter().enumerate().filter(|(_, value)| !is_absent(**value));
            let samples: Vec<Sample> =
                present.map(|(step, value)| Sample::new(Timestamp(inner.time(step)), *value)).collect();
            if samples.is_empty() {
                return Ok(());
            }
            self.hold(samples.len())?;
            let count = samples.len();
            let mut windows = Windows::over(frame, samples);
            sink(column.meta, &mut windows)?;
            self.release(count);
            Ok(())
        })
    }
}

/// The multiples of `interval` in `(after, last]`.
fn inner_grid(after: i64, last: i64, interval: i64, most: usize) -> Eval<Option<Grid>> {
    // The first multiple after the left edge, which is not part of the range.
    let start = after.div_euclid(interval).saturating_add(1).saturating_mul(interval);
    if start > last {
        return Ok(None);
    }
    let steps = (last - start) / interval;
    match usize::try_from(steps) {
        Ok(steps) if steps < most => Ok(Some(Grid::new(start, interval, steps + 1))),
        _ => Err(QueryError::too_many_samples()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_times_are_aligned_and_left_open() {
        let grid = |after, last| inner_grid(after, last, 10, 100).unwrap();
        assert_eq!(grid(0, 30), Some(Grid::new(10, 10, 3)));
        assert_eq!(grid(-5, 5), Some(Grid::new(0, 10, 1)));
        assert_eq!(grid(-10, -1), None);
        assert_eq!(grid(1, 9), None);
        assert!(inner_grid(0, i64::MAX, 1, 100).is_err());
    }
}
