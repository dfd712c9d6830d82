//! The same query pinned to its evaluation time: with `@ <time>` on every selector it must give the same value
//! whenever it is evaluated.

use breakwatch_model::Timestamp;

use crate::ast::{AtModifier, Expr};
use crate::functions::FunctionId as F;

/// The pinned query and the times to evaluate it at; nothing if the query depends on the evaluation time by
/// more than its selectors.
pub(super) fn at_variants(query: &str, at: Timestamp) -> Option<(String, Vec<Timestamp>)> {
    let mut expr = crate::parse(query).ok()?;
    if !pin(&mut expr, at.0) {
        return None;
    }
    let times = if at.0 == 0 { vec![-1000, 0, 1000] } else { vec![-10 * at.0, 0, at.0 / 5, at.0, 10 * at.0] };
    Some((expr.to_string(), times.into_iter().map(Timestamp).collect()))
}

/// Sets `@` wherever it is missing; `false` if that does not pin the value.
fn pin(expr: &mut Expr, at: i64) -> bool {
    let mut pinned = true;
    let time = Some(AtModifier::Time(at));
    // A subquery fixes the times of everything inside it.
    let mut pending = vec![(expr, false)];
    while let Some((expr, fixed)) = pending.pop() {
        match expr {
            Expr::Vector(selector) if !fixed => selector.at = selector.at.or(time),
            Expr::Matrix(matrix) if !fixed => matrix.selector.at = matrix.selector.at.or(time),
            Expr::Vector(_) | Expr::Matrix(_) | Expr::Number(_) | Expr::String(_) => {}
            Expr::Subquery(subquery) => {
                if !fixed {
                    subquery.at = subquery.at.or(time);
                }
                pending.push((&mut subquery.expr, true));
            }
            Expr::Aggregate(aggregate) => {
                pending.push((&mut aggregate.expr, fixed));
                pending.extend(aggregate.param.as_deref_mut().map(|param| (param, fixed)));
            }
            Expr::Binary(binary) => {
                pending.push((&mut binary.lhs, fixed));
                pending.push((&mut binary.rhs, fixed));
            }
            Expr::Call(call) => {
                pinned &= fixed || !depends_on_time(call.function.id);
                pending.extend(call.args.iter_mut().map(|arg| (arg, fixed)));
            }
            Expr::Paren(paren) => pending.push((&mut paren.expr, fixed)),
            Expr::Unary(unary) => pending.push((&mut unary.expr, fixed)),
        }
    }
    pinned
}

fn depends_on_time(function: F) -> bool {
    matches!(
        function,
        F::DaysInMonth
            | F::DayOfMonth
            | F::DayOfWeek
            | F::DayOfYear
            | F::End
            | F::Hour
            | F::Minute
            | F::Month
            | F::Year
            | F::PredictLinear
            | F::Start
            | F::Time
            | F::Timestamp
    )
}
