//! `absent` and `absent_over_time`: one series where there is none.

use breakwatch_model::Labels;

use super::column::{ABSENT, Grid, is_absent};
use super::{Eval, Evaluator, Sink};
use crate::engine::plan::{MatrixSource, Vector};

impl Evaluator<'_> {
    pub(super) fn absent(
        &self,
        input: &Vector,
        labels: &Labels,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let mut values = vec![1.0; grid.len()];
        self.vector(input, grid, &mut |column| {
            for (value, found) in values.iter_mut().zip(column.values.iter()) {
                if !is_absent(*found) {
                    *value = ABSENT;
                }
            }
            Ok(())
        })?;
        self.emit_present(labels, &mut values, sink)
    }

    pub(super) fn absent_over_time(
        &self,
        source: &MatrixSource,
        labels: &Labels,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let mut values = vec![1.0; grid.len()];
        self.windows(source, grid, &mut |_, windows| {
            for (step, value) in values.iter_mut().enumerate() {
                if !windows.at(step)?.1.is_empty() {
                    *value = ABSENT;
                }
            }
            Ok(())
        })?;
        self.emit_present(labels, &mut values, sink)
    }

    fn emit_present(&self, labels: &Labels, values: &mut [f64], sink: &mut Sink<'_>) -> Eval<()> {
        if values.iter().all(|value| is_absent(*value)) {
            return Ok(());
        }
        sink(self.unlabelled(labels, values))
    }
}
