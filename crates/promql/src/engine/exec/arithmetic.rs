//! Arithmetic on single values, and the compensated sums Prometheus uses.

use crate::ast::BinaryOp;

/// An operator between two scalars; comparisons give 0 or 1.
pub(in crate::engine) fn scalar(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    if op.is_comparison() { f64::from(u8::from(compare(op, lhs, rhs))) } else { compute(op, lhs, rhs) }
}

/// An arithmetic operator.
#[inline]
pub(super) fn compute(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    match op {
        BinaryOp::Add => lhs + rhs,
        BinaryOp::Sub => lhs - rhs,
        BinaryOp::Mul => lhs * rhs,
        BinaryOp::Div => lhs / rhs,
        BinaryOp::Mod => lhs % rhs,
        BinaryOp::Pow => lhs.powf(rhs),
        BinaryOp::Atan2 => lhs.atan2(rhs),
        // Set operators have no values, comparisons are told apart by the caller.
        _ => f64::NAN,
    }
}

/// A comparison.
#[inline]
#[expect(clippy::float_cmp, reason = "the language compares exactly")]
pub(super) fn compare(op: BinaryOp, lhs: f64, rhs: f64) -> bool {
    match op {
        BinaryOp::Equal => lhs == rhs,
        BinaryOp::NotEqual => lhs != rhs,
        BinaryOp::LessEqual => lhs <= rhs,
        BinaryOp::Less => lhs < rhs,
        BinaryOp::GreaterEqual => lhs >= rhs,
        BinaryOp::Greater => lhs > rhs,
        _ => false,
    }
}

/// Adds `value` to a sum with its compensation (Kahan's summation with Neumaier's improvement).
#[inline]
pub(super) fn kahan_add(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + value;
    let compensation = if total.is_infinite() {
        0.0
    } else if sum.abs() >= value.abs() {
        compensation + ((sum - total) + value)
    } else {
        compensation + ((value - total) + sum)
    };
    (total, compensation)
}

/// Go's `math.Min`: negative infinity if either is, else NaN if either is.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    match (a, b) {
        (f64::NEG_INFINITY, _) | (_, f64::NEG_INFINITY) => f64::NEG_INFINITY,
        _ if a.is_nan() || b.is_nan() => f64::NAN,
        _ => a.min(b),
    }
}

/// Go's `math.Max`: positive infinity if either is, else NaN if either is.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    match (a, b) {
        (f64::INFINITY, _) | (_, f64::INFINITY) => f64::INFINITY,
        _ if a.is_nan() || b.is_nan() => f64::NAN,
        _ => a.max(b),
    }
}

/// Go's `int64(f)` on amd64: what does not fit becomes the smallest integer.
pub(super) fn go_int(value: f64) -> i64 {
    if value >= -(2f64.powi(63)) && value < 2f64.powi(63) { value as i64 } else { i64::MIN }
}
