//! Functions that turn each value into one value.

use super::arithmetic::{go_int, go_max, go_min};
use super::column::{ABSENT, Grid, is_absent, present};
use super::date::date;
use super::{Eval, Evaluator, Sink};
use crate::engine::error::QueryError;
use crate::engine::plan::{MapFunction, Scalar, Vector};
use crate::functions::FunctionId as F;

impl Evaluator<'_> {
    pub(super) fn map(
        &self,
        function: MapFunction,
        args: &[Scalar],
        input: &Vector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let mut scalars = Vec::with_capacity(args.len());
        for arg in args {
            scalars.push(self.scalar(arg, grid)?);
        }
        let arg = |number: usize| scalars.get(number).map(Vec::as_slice).unwrap_or_default();
        let MapFunction::Function(function) = function else {
            return self.dropping_names(input, grid, sink, &mut |values| each(values, |value| -value));
        };
        match function {
            F::Clamp => {
                let (low, high) = (arg(0), arg(1));
                self.dropping_names(input, grid, sink, &mut |values| clamp(values, low, high))
            }
            F::ClampMin => {
                let high = vec![f64::INFINITY; grid.len()];
                self.dropping_names(input, grid, sink, &mut |values| clamp(values, arg(0), &high))
            }
            F::ClampMax => {
                let low = vec![f64::NEG_INFINITY; grid.len()];
                self.dropping_names(input, grid, sink, &mut |values| clamp(values, &low, arg(0)))
            }
            F::Round => {
                let to = if scalars.is_empty() { vec![1.0; grid.len()] } else { arg(0).to_vec() };
                self.dropping_names(input, grid, sink, &mut |values| round(values, &to))
            }
            other => {
                let Some(simple) = simple(other) else {
                    return Err(QueryError::Unsupported(format!("function {other:?}")));
                };
                self.dropping_names(input, grid, sink, &mut |values| each(values, simple))
            }
        }
    }
}

fn each(values: &mut [f64], function: impl Fn(f64) -> f64) {
    for value in values.iter_mut().filter(|value| !is_absent(**value)) {
        *value = present(function(*value));
    }
}

fn clamp(values: &mut [f64], low: &[f64], high: &[f64]) {
    for ((value, low), high) in values.iter_mut().zip(low).zip(high) {
        if high < low {
            *value = ABSENT;
        } else if !is_absent(*value) {
            *value = present(go_max(*low, go_min(*high, *value)));
        }
    }
}

/// To the nearest multiple, halves up.
fn round(values: &mut [f64], to: &[f64]) {
    for (value, to) in values.iter_mut().zip(to) {
        if !is_absent(*value) {
            // Dividing by the inverse keeps more digits than multiplying.
            let inverse = 1.0 / to;
            *value = present((*value * inverse + 0.5).floor() / inverse);
        }
    }
}

/// Functions of the value alone.
fn simple(function: F) -> Option<fn(f64) -> f64> {
    Some(match function {
        F::Abs => f64::abs,
        F::Acos => f64::acos,
        F::Acosh => f64::acosh,
        F::Asin => f64::asin,
        F::Asinh => f64::asinh,
        F::Atan => f64::atan,
        F::Atanh => f64::atanh,
        F::Ceil => f64::ceil,
        F::Cos => f64::cos,
        F::Cosh => f64::cosh,
        F::Deg => |value| value * 180.0 / std::f64::consts::PI,
        F::Exp => f64::exp,
        F::Floor => f64::floor,
        F::Ln => f64::ln,
        F::Log10 => f64::log10,
        F::Log2 => f64::log2,
        F::Rad => |value| value * std::f64::consts::PI / 180.0,
        F::Sgn => |value| match value {
            ..0.0 => -1.0,
            value if value > 0.0 => 1.0,
            value => value,
        },
        F::Sin => f64::sin,
        F::Sinh => f64::sinh,
        F::Sqrt => f64::sqrt,
        F::Tan => f64::tan,
        F::Tanh => f64::tanh,
        F::DaysInMonth => |value| date(F::DaysInMonth, go_int(value)),
        F::DayOfMonth => |value| date(F::DayOfMonth, go_int(value)),
        F::DayOfWeek => |value| date(F::DayOfWeek, go_int(value)),
        F::DayOfYear => |value| date(F::DayOfYear, go_int(value)),
        F::Hour => |value| date(F::Hour, go_int(value)),
        F::Minute => |value| date(F::Minute, go_int(value)),
        F::Month => |value| date(F::Month, go_int(value)),
        F::Year => |value| date(F::Year, go_int(value)),
        _ => return None,
    })
}
