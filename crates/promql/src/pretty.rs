//! An expression over several lines, as Prometheus' `format_query` and `promtool promql format` lay it out.

use std::fmt::{self, Write};

use crate::ast::Expr;
use crate::printer::{aggregate_head, operator, subquery_suffix};

/// An expression longer than this is split over lines.
const LINE: usize = 100;

/// The deepest indentation. Beyond it an expression stays on one line: every level of a long chain of operators
/// would be indented further than the one before, so the text would grow with the square of its length.
const DEEPEST: usize = 200;

/// Lays an expression out.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, expr, 0);
    out
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

/// Writes what cannot fail: a string takes everything.
fn put(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn write_expr(out: &mut String, expr: &Expr, level: usize) {
    // The left spine in a loop; each operator is a level further in than the one outside it.
    let (mut leaf, mut depth, mut spine) = (expr, level, Vec::new());
    while let Expr::Binary(binary) = leaf {
        if depth >= DEEPEST || !is_long(leaf) {
            break;
        }
        spine.push((binary, depth));
        depth += 1;
        leaf = &binary.lhs;
    }
    write_node(out, leaf, depth);
    for (binary, depth) in spine.into_iter().rev() {
        out.push('\n');
        indent(out, depth);
        put(out, format_args!("{}\n", operator(binary)));
        write_expr(out, &binary.rhs, depth + 1);
    }
}

fn write_node(out: &mut String, expr: &Expr, level: usize) {
    match expr {
        // Unary operators and subqueries hand on what is around them, however short they are.
        Expr::Unary(unary) => {
            let mut operand = String::new();
            write_expr(&mut operand, &unary.expr, level);
            indent(out, level);
            put(out, format_args!("{}{}", unary.op.as_str(), operand.trim()));
        }
        Expr::Subquery(subquery) if level < DEEPEST && is_long(expr) => {
            write_expr(out, &subquery.expr, level);
            out.push_str(&subquery_suffix(subquery));
        }
        Expr::Subquery(_) => put(out, format_args!("{expr}")),
        Expr::Aggregate(aggregate) if level < DEEPEST && is_long(expr) => {
            indent(out, level);
            put(out, format_args!("{}(\n", aggregate_head(aggregate)));
            if let Some(param) = &aggregate.param {
                write_expr(out, param, level + 1);
                out.push_str(",\n");
            }
            write_expr(out, &aggregate.expr, level + 1);
            close(out, level);
        }
        Expr::Call(call) if level < DEEPEST && is_long(expr) => {
            indent(out, level);
            put(out, format_args!("{}(\n", call.function.name));
            for (index, arg) in call.args.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ",\n" });
                write_expr(out, arg, level + 1);
            }
            close(out, level);
        }
        Expr::Paren(paren) if level < DEEPEST && is_long(expr) => {
            indent(out, level);
            out.push_str("(\n");
            write_expr(out, &paren.expr, level + 1);
            close(out, level);
        }
        _ => {
            indent(out, level);
            put(out, format_args!("{expr}"));
        }
    }
}

fn close(out: &mut String, level: usize) {
    out.push('\n');
    indent(out, level);
    out.push(')');
}

/// Whether the expression does not fit a line. Printing stops as soon as that is known.
fn is_long(expr: &Expr) -> bool {
    struct Room(usize);
    impl Write for Room {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    write!(Room(LINE), "{expr}").is_err()
}

#[cfg(test)]
mod tests {
    use super::pretty;

    fn laid_out(text: &str) -> String {
        pretty(&crate::parse(text).unwrap())
    }

    #[test]
    fn short_expressions_stay_on_a_line() {
        assert_eq!(laid_out("sum(x)by(a)/2"), "sum by (a) (x) / 2");
    }

    #[test]
    fn long_ones_are_split_by_structure() {
        let long = format!("topk(5, sum by (job) (rate({}[5m])) > bool on (job) b)", "m".repeat(80));
        let wanted = format!(
            "topk(\n  5,\n    sum by (job) (\n      rate({}[5m])\n    )\n  > bool on (job)\n    b\n)",
            "m".repeat(80)
        );
        // The call fits a line of its own once its operands are split.
        assert_eq!(laid_out(&long).replace(char::is_whitespace, ""), wanted.replace(char::is_whitespace, ""));
        assert!(laid_out(&long).starts_with("topk(\n  5,\n"));
    }

    #[test]
    fn a_long_chain_does_not_grow_with_its_square() {
        let chain = format!("x{}", " + x".repeat(3000));
        assert!(laid_out(&chain).len() < 20 * chain.len());
    }
}
