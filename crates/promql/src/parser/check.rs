//! Types: what the grammar allows but the language does not mean.
//!
//! Checks run in the order Prometheus runs them and stop at the first problem.

use breakwatch_model::METRIC_NAME;

use crate::ast::{Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, Unary, ValueType, VectorSelector};
use crate::functions::{FunctionId, Variadic};
use crate::quote::quote;
use crate::span::Span;

type Checked = Result<(), (Span, String)>;

fn fail(span: Span, message: impl Into<String>) -> Checked {
    Err((span, message.into()))
}

/// Checks a whole expression.
pub(super) fn check(expr: &Expr, text: &str) -> Checked {
    // Left spines can be as long as the text, so they are walked in a loop: down to the leftmost operand,
    // then back up from operator to operator.
    let mut spine = Vec::new();
    let mut leaf = expr;
    while let Expr::Binary(binary) = leaf {
        spine.push(binary);
        leaf = &binary.lhs;
    }
    check_node(leaf, text)?;
    for binary in spine.into_iter().rev() {
        check(&binary.rhs, text)?;
        check_binary(binary, text)?;
    }
    Ok(())
}

/// Checks everything but a binary operation.
fn check_node(expr: &Expr, text: &str) -> Checked {
    match expr {
        Expr::Aggregate(aggregate) => check_aggregate(aggregate, text),
        Expr::Call(call) => check_call(call, text),
        Expr::Matrix(matrix) => check_selector(&matrix.selector),
        Expr::Paren(paren) => check(&paren.expr, text),
        Expr::Subquery(subquery) => {
            check(&subquery.expr, text)?;
            let found = subquery.expr.value_type();
            if found == ValueType::Vector {
                return Ok(());
            }
            let message =
                format!("subquery is only allowed on instant vector, got {} instead", found.as_str());
            fail(subquery.span, message)
        }
        Expr::Unary(unary) => check_unary(unary, text),
        Expr::Vector(selector) => check_selector(selector),
        Expr::Binary(_) | Expr::Number(_) | Expr::String(_) => Ok(()),
    }
}

fn expect(expr: &Expr, wanted: ValueType, context: &str, text: &str) -> Checked {
    check(expr, text)?;
    expect_type(expr, wanted, context, expr.span())
}

fn expect_type(expr: &Expr, wanted: ValueType, context: &str, span: Span) -> Checked {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    fail(span, format!("expected type {} in {context}, got {}", wanted.documented(), found.documented()))
}

fn check_aggregate(aggregate: &Aggregate, text: &str) -> Checked {
    expect(&aggregate.expr, ValueType::Vector, "aggregation expression", text)?;
    let Some(param) = &aggregate.param else { return Ok(()) };
    let wanted = if aggregate.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
    expect(param, wanted, "aggregation parameter", text)
}

fn check_unary(unary: &Unary, text: &str) -> Checked {
    check(&unary.expr, text)?;
    let found = unary.expr.value_type();
    if matches!(found, ValueType::Scalar | ValueType::Vector) {
        return Ok(());
    }
    let found = quote(found.documented());
    fail(
        unary.span,
        format!("unary expression only allowed on expressions of type scalar or instant vector, got {found}"),
    )
}

fn check_call(call: &Call, text: &str) -> Checked {
    let (function, given) = (call.function, call.args.len());
    let (name, listed) = (quote(function.name), function.args.len());
    let least = if function.variadic == Variadic::No { listed } else { listed - 1 };
    match function.variadic {
        Variadic::No if given != listed => {
            return fail(call.span, format!("expected {listed} argument(s) in call to {name}, got {given}"));
        }
        _ if given < least => {
            return fail(
                call.span,
                format!("expected at least {least} argument(s) in call to {name}, got {given}"),
            );
        }
        Variadic::UpTo(more) if given > least + more => {
            let most = least + more;
            return fail(
                call.span,
                format!("expected at most {most} argument(s) in call to {name}, got {given}"),
            );
        }
        _ => {}
    }
    if let (FunctionId::Info, Some(labels)) = (function.id, call.args.get(1)) {
        expect_type(labels, ValueType::Vector, &format!("call to function {name}"), call.span)?;
        match labels {
            Expr::Vector(selector) if selector.name.is_none() => {}
            Expr::Vector(_) => {
                return fail(labels.span(), "expected label selectors only, got vector selector instead");
            }
            _ => return fail(labels.span(), "expected label selectors only"),
        }
    }
    for (index, arg) in call.args.iter().enumerate() {
        let Some(wanted) = function.args.get(index).or(function.args.last()) else { break };
        check(arg, text)?;
        let found = arg.value_type();
        if found != *wanted {
            let (wanted, found) = (wanted.documented(), found.documented());
            return fail(
                arg.span(),
                format!("expected type {wanted} in call to function {name}, got {found}"),
            );
        }
    }
    Ok(())
}

/// Checks one operator whose operands have been checked.
fn check_binary(binary: &Binary, text: &str) -> Checked {
    let (op, matching) = (binary.op, &binary.matching);
    let (lhs, rhs) = (binary.lhs.value_type(), binary.rhs.value_type());
    if binary.return_bool && !op.is_comparison() {
        return fail(operator_span(binary, text), "bool modifier can only be used on comparison operators");
    }
    let both_scalar = lhs == ValueType::Scalar && rhs == ValueType::Scalar;
    if op.is_comparison() && !binary.return_bool && both_scalar {
        return fail(operator_span(binary, text), "comparisons between scalars must use BOOL modifier");
    }
    if let Some(label) = matching.labels.iter().find(|label| matching.on && matching.include.contains(label))
    {
        let message = format!("label {} must not occur in ON and GROUP clause at once", quote(label));
        return fail(operator_span(binary, text), message);
    }
    for (operand, found) in [(&binary.lhs, lhs), (&binary.rhs, rhs)] {
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            return fail(
                operand.span(),
                "binary expression must contain only scalar and instant vector types",
            );
        }
    }
    let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
    let quoted = quote(op.as_str());
    if lhs != ValueType::Vector || rhs != ValueType::Vector {
        if !matching.labels.is_empty() {
            return fail(binary.span, "vector matching only allowed between instant vectors");
        }
        if filled {
            return fail(binary.span, "filling in missing series only allowed between instant vectors");
        }
        if op.is_set() {
            return fail(
                binary.span,
                format!("set operator {quoted} not allowed in binary scalar expression"),
            );
        }
    } else if op.is_set() {
        if matching.cardinality != Cardinality::ManyToMany {
            return fail(binary.span, format!("no grouping allowed for {quoted} operation"));
        }
        if filled {
            return fail(binary.span, "filling in missing series not allowed for set operators");
        }
    }
    Ok(())
}

/// Where the operator and its modifiers stand: between the operands, without the space around them.
fn operator_span(binary: &Binary, text: &str) -> Span {
    let (start, end) = (binary.lhs.span().end, binary.rhs.span().start);
    let between = text.get(start..end).unwrap_or_default();
    let skipped = between.len() - between.trim_start().len();
    Span::new(start + skipped, start + between.trim_end().len())
}

/// Checks a selector: not everything may be selected, and the name is given once.
pub(super) fn check_selector(selector: &VectorSelector) -> Checked {
    if let Some(name) = &selector.name {
        let others = &selector.matchers[..selector.matchers.len() - 1];
        return match others.iter().find(|matcher| matcher.name() == METRIC_NAME) {
            None => Ok(()),
            Some(other) => {
                let (first, second) = (quote(name), quote(other.value()));
                fail(selector.span, format!("metric name must not be set twice: {first} or {second}"))
            }
        };
    }
    if selector.may_be_empty || selector.matchers.iter().any(|matcher| !matcher.matches("")) {
        return Ok(());
    }
    fail(selector.span, "vector selector must contain at least one non-empty matcher")
}
