//! Scalars: one number per evaluation time.

use super::arithmetic;
use super::column::{Grid, is_absent, present};
use super::{Eval, Evaluator};
use crate::engine::plan::{Scalar, Vector};

impl Evaluator<'_> {
    /// The scalar's value at each time of the grid.
    pub(super) fn scalar(&self, scalar: &Scalar, grid: &Grid) -> Eval<Vec<f64>> {
        Ok(match scalar {
            Scalar::Const(value) => vec![*value; grid.len()],
            Scalar::Time => (0..grid.len()).map(|step| seconds(grid.time(step))).collect(),
            Scalar::Start => vec![seconds(self.grid.start()); grid.len()],
            Scalar::End => vec![seconds(self.grid.end()); grid.len()],
            Scalar::Range => vec![self.times.range; grid.len()],
            Scalar::Step => vec![self.times.step; grid.len()],
            Scalar::Of(vector) => self.scalar_of(vector, grid)?,
            Scalar::Extreme { largest, of } => {
                let pick = if *largest { arithmetic::go_max } else { arithmetic::go_min };
                let (mut values, others) = (self.scalar(&of.0, grid)?, self.scalar(&of.1, grid)?);
                values.iter_mut().zip(others).for_each(|(value, other)| *value = pick(*value, other));
                values
            }
            Scalar::Negate(inner) => {
                let mut values = self.scalar(inner, grid)?;
                values.iter_mut().for_each(|value| *value = present(-*value));
                values
            }
            Scalar::Chain { first, links } => {
                let mut values = self.scalar(first, grid)?;
                for (op, rhs) in links {
                    if let Scalar::Const(rhs) = rhs {
                        values.iter_mut().for_each(|value| *value = arithmetic::scalar(*op, *value, *rhs));
                    } else {
                        let rhs = self.scalar(rhs, grid)?;
                        for (value, rhs) in values.iter_mut().zip(rhs) {
                            *value = arithmetic::scalar(*op, *value, rhs);
                        }
                    }
                }
                values
            }
        })
    }

    /// The value of a vector's only element, NaN where it has none or several.
    fn scalar_of(&self, vector: &Vector, grid: &Grid) -> Eval<Vec<f64>> {
        let mut values = vec![f64::NAN; grid.len()];
        let mut found = vec![0u8; grid.len()];
        self.vector(vector, grid, &mut |column| {
            for ((value, found), new) in values.iter_mut().zip(&mut found).zip(column.values.iter()) {
                if is_absent(*new) {
                    continue;
                }
                *value = if *found == 0 { *new } else { f64::NAN };
                *found = 1;
            }
            Ok(())
        })?;
        Ok(values)
    }
}

/// Milliseconds as seconds.
pub(super) fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
