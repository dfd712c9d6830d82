//! Durations that are known when the query is prepared, and durations that are computed when it starts.

use crate::ast::{DurationExpr, DurationOp};
use crate::engine::error::QueryError;

/// A duration in milliseconds.
#[derive(Debug, Clone)]
pub(in crate::engine) enum DurationPlan {
    Millis(i64),
    Computed(DurationExpr),
}

/// What computed durations may ask for, in seconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct QueryTimes {
    pub(in crate::engine) step: f64,
    pub(in crate::engine) range: f64,
}

impl DurationPlan {
    /// A written duration, in nanoseconds, or the computed one in its place.
    pub(super) fn new(nanos: i64, computed: Option<&DurationExpr>) -> Self {
        match computed {
            Some(expr) => Self::Computed(expr.clone()),
            None => Self::Millis(nanos / 1_000_000),
        }
    }

    /// A duration that must be positive: a range or a step.
    pub(in crate::engine) fn positive(&self, times: QueryTimes) -> Result<i64, QueryError> {
        let millis = self.millis(times)?;
        if matches!(self, Self::Computed(_)) && millis <= 0 {
            return Err(QueryError::execution("duration must be greater than 0"));
        }
        Ok(millis)
    }

    /// A duration of any sign: an offset.
    pub(in crate::engine) fn millis(&self, times: QueryTimes) -> Result<i64, QueryError> {
        let expr = match self {
            Self::Millis(millis) => return Ok(*millis),
            Self::Computed(expr) => expr,
        };
        let seconds = evaluate(expr, times)?;
        // The bounds of a duration in 64-bit nanoseconds.
        const MOST: f64 = i64::MAX as f64 / 1e9;
        if !(-MOST..=MOST).contains(&seconds) {
            return Err(QueryError::execution("duration is out of range"));
        }
        Ok((seconds * 1000.0) as i64)
    }
}

fn evaluate(expr: &DurationExpr, times: QueryTimes) -> Result<f64, QueryError> {
    Ok(match expr {
        DurationExpr::Number(number) => number.value,
        DurationExpr::Step(_) => times.step,
        DurationExpr::Range(_) => times.range,
        DurationExpr::Unary { negate, operand, .. } => {
            let value = evaluate(operand, times)?;
            if *negate { -value } else { value }
        }
        DurationExpr::Binary { op, lhs, rhs, .. } => {
            let (lhs, rhs) = (evaluate(lhs, times)?, evaluate(rhs, times)?);
            match op {
                DurationOp::Add => lhs + rhs,
                DurationOp::Sub => lhs - rhs,
                DurationOp::Mul => lhs * rhs,
                DurationOp::Div if rhs == 0.0 => return Err(QueryError::execution("division by zero")),
                DurationOp::Div => lhs / rhs,
                DurationOp::Mod if rhs == 0.0 => return Err(QueryError::execution("modulo by zero")),
                DurationOp::Mod => lhs % rhs,
                DurationOp::Pow => lhs.powf(rhs),
                DurationOp::Min => lhs.min(rhs),
                DurationOp::Max => lhs.max(rhs),
            }
        }
    })
}
