//! The canonical text of an expression, as Prometheus' `String()` prints it.

use std::fmt::{self, Write};
use std::time::Duration;

use breakwatch_model::{METRIC_NAME, MatchOp, Matcher, is_valid_label_name};

use crate::ast::{
    Aggregate, AtModifier, Binary, Cardinality, DurationExpr, DurationOp, Expr, Extension, MatrixSelector,
    NumberLiteral, Offset, Subquery, VectorSelector,
};
use crate::duration::format_duration;
use crate::number::{go_fixed, go_shortest, go_shortest_fixed};
use crate::quote::quote;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_expr(f, self)
    }
}

fn write_expr(out: &mut impl Write, expr: &Expr) -> fmt::Result {
    // A left spine is printed in a loop: the leftmost operand, then each operator with its right operand.
    let mut spine = Vec::new();
    let mut leaf = expr;
    while let Expr::Binary(binary) = leaf {
        spine.push(binary);
        leaf = &binary.lhs;
    }
    write_node(out, leaf)?;
    for binary in spine.into_iter().rev() {
        write!(out, " {} ", operator(binary))?;
        write_expr(out, &binary.rhs)?;
    }
    Ok(())
}

fn write_node(out: &mut impl Write, expr: &Expr) -> fmt::Result {
    match expr {
        Expr::Aggregate(aggregate) => {
            write!(out, "{}(", aggregate_head(aggregate))?;
            if let Some(param) = &aggregate.param {
                write!(out, "{param}, ")?;
            }
            write!(out, "{})", aggregate.expr)
        }
        // Left spines never get here: the caller takes them apart.
        Expr::Binary(binary) => write!(out, "{}", operator(binary)),
        Expr::Call(call) => {
            write!(out, "{}(", call.function.name)?;
            for (index, arg) in call.args.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(out, "{comma}{arg}")?;
            }
            out.write_char(')')
        }
        Expr::Matrix(matrix) => write_matrix(out, matrix),
        Expr::Number(number) => out.write_str(&number_literal(number)),
        Expr::Paren(paren) => write!(out, "({})", paren.expr),
        Expr::String(string) => out.write_str(&quote(&string.value)),
        Expr::Subquery(subquery) => write!(out, "{}{}", subquery.expr, subquery_suffix(subquery)),
        Expr::Unary(unary) => write!(out, "{}{}", unary.op.as_str(), unary.expr),
        Expr::Vector(selector) => write_selector(out, selector),
    }
}

/// The aggregator with its grouping: `sum by (job) `.
pub(crate) fn aggregate_head(aggregate: &Aggregate) -> String {
    let labels = label_list(&aggregate.grouping);
    match (aggregate.without, aggregate.grouping.is_empty()) {
        (true, _) => format!("{} without ({labels}) ", aggregate.op),
        (false, false) => format!("{} by ({labels}) ", aggregate.op),
        (false, true) => aggregate.op.to_string(),
    }
}

/// The operator with its modifiers: `== bool on (job) group_left ()`.
pub(crate) fn operator(binary: &Binary) -> String {
    let mut out = binary.op.to_string();
    if binary.return_bool {
        out.push_str(" bool");
    }
    let Some(matching) = binary.matching() else { return out };
    let grouped = match matching.cardinality {
        Cardinality::ManyToOne => Some("group_left"),
        Cardinality::OneToMany => Some("group_right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if !matching.labels.is_empty() || matching.on || grouped.is_some() {
        let word = if matching.on { "on" } else { "ignoring" };
        out.push_str(&format!(" {word} ({})", label_list(&matching.labels)));
    }
    if let Some(word) = grouped {
        out.push_str(&format!(" {word} ({})", label_list(&matching.include)));
    }
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left.to_bits() == right.to_bits() => {
            out.push_str(&format!(" fill ({})", go_shortest(left)));
        }
        (left, right) => {
            for (word, value) in [("fill_left", left), ("fill_right", right)] {
                if let Some(value) = value {
                    out.push_str(&format!(" {word} ({})", go_shortest(value)));
                }
            }
        }
    }
    out
}

fn label_list(labels: &[String]) -> String {
    let names: Vec<_> = labels.iter().map(|label| label_name(label)).collect();
    names.join(", ")
}

/// A label name, quoted unless it is one in Prometheus' classic form.
fn label_name(name: &str) -> String {
    if is_valid_label_name(name) { name.to_owned() } else { quote(name) }
}

/// A matcher as it is written in braces.
pub(crate) fn matcher(matcher: &Matcher) -> String {
    format!("{}{}{}", label_name(matcher.name()), matcher.op().as_str(), quote(matcher.value()))
}

fn number_literal(number: &NumberLiteral) -> String {
    if !number.is_duration {
        return go_shortest_fixed(number.value);
    }
    let sign = if number.value < 0.0 { "-" } else { "" };
    format!("{sign}{}", format_duration(Duration::from_secs_f64(number.value.abs())))
}

fn nanos(nanos: i64) -> String {
    format_duration(Duration::from_nanos(nanos.unsigned_abs()))
}

fn duration(plain: i64, computed: Option<&DurationExpr>) -> String {
    computed.map_or_else(|| nanos(plain), duration_expr)
}

fn duration_expr(expr: &DurationExpr) -> String {
    match expr {
        DurationExpr::Number(number) => number_literal(number),
        DurationExpr::Step(_) => "step()".to_owned(),
        DurationExpr::Range(_) => "range()".to_owned(),
        DurationExpr::Unary { negate, operand, wrapped, .. } => {
            let sign = if *negate { "-" } else { "" };
            parens(*wrapped, format!("{sign}{}", duration_expr(operand)))
        }
        DurationExpr::Binary { op, lhs, rhs, wrapped, .. } => {
            let (lhs, rhs) = (duration_expr(lhs), duration_expr(rhs));
            let text = match op {
                DurationOp::Min => format!("min_of({lhs}, {rhs})"),
                DurationOp::Max => format!("max_of({lhs}, {rhs})"),
                DurationOp::Add => format!("{lhs} + {rhs}"),
                DurationOp::Sub => format!("{lhs} - {rhs}"),
                DurationOp::Mul => format!("{lhs} * {rhs}"),
                DurationOp::Div => format!("{lhs} / {rhs}"),
                DurationOp::Mod => format!("{lhs} % {rhs}"),
                DurationOp::Pow => format!("{lhs} ^ {rhs}"),
            };
            parens(*wrapped, text)
        }
    }
}

fn parens(wanted: bool, text: String) -> String {
    if wanted { format!("({text})") } else { text }
}

fn at(at: Option<AtModifier>) -> String {
    match at {
        None => String::new(),
        Some(AtModifier::Time(millis)) => format!(" @ {}", go_fixed(millis as f64 / 1000.0, 3)),
        Some(AtModifier::Start) => " @ start()".to_owned(),
        Some(AtModifier::End) => " @ end()".to_owned(),
    }
}

fn offset(offset: &Offset) -> String {
    match (&offset.expr, offset.nanos) {
        (Some(computed), _) => format!(" offset {}", duration_expr(computed)),
        (None, 0) => String::new(),
        (None, ahead @ ..0) => format!(" offset -{}", nanos(ahead)),
        (None, back) => format!(" offset {}", nanos(back)),
    }
}

fn extension(extension: Option<Extension>) -> &'static str {
    match extension {
        None => "",
        Some(Extension::Anchored) => " anchored",
        Some(Extension::Smoothed) => " smoothed",
    }
}

/// The name and the braces of a selector. Matchers are sorted by their text.
fn write_series(out: &mut impl Write, selector: &VectorSelector) -> fmt::Result {
    let name = selector.name.as_deref().unwrap_or_default();
    out.write_str(name)?;
    let mut matchers: Vec<String> = selector
        .matchers
        .iter()
        .filter(|m| {
            let is_name = m.name() == METRIC_NAME && m.op() == MatchOp::Equal;
            !(is_name && m.value() == name && !name.is_empty())
        })
        .map(matcher)
        .collect();
    if matchers.is_empty() {
        // Only the second argument of `info` may be so empty.
        return out.write_str(if name.is_empty() { "{}" } else { "" });
    }
    matchers.sort_unstable();
    write!(out, "{{{}}}", matchers.join(","))
}

fn write_selector(out: &mut impl Write, selector: &VectorSelector) -> fmt::Result {
    write_series(out, selector)?;
    let (at, extension, offset) = (at(selector.at), extension(selector.extension), offset(&selector.offset));
    write!(out, "{at}{extension}{offset}")
}

fn write_matrix(out: &mut impl Write, matrix: &MatrixSelector) -> fmt::Result {
    let selector = &matrix.selector;
    write_series(out, selector)?;
    write!(
        out,
        "[{}]{}{}{}",
        duration(matrix.range, matrix.range_expr.as_ref()),
        extension(selector.extension),
        at(selector.at),
        offset(&selector.offset)
    )
}

/// `[1h:5m] @ 1.000 offset 1m`
pub(crate) fn subquery_suffix(subquery: &Subquery) -> String {
    let step = match (&subquery.step_expr, subquery.step) {
        (Some(computed), _) => duration_expr(computed),
        (None, 0) => String::new(),
        (None, plain) => nanos(plain),
    };
    format!(
        "[{}:{step}]{}{}",
        duration(subquery.range, subquery.range_expr.as_ref()),
        at(subquery.at),
        offset(&subquery.offset)
    )
}
