//! Syntax tree to plan.

use breakwatch_model::{Labels, METRIC_NAME, MatchOp, Matcher};

use super::{
    Aggregation, CountValues, DurationPlan, Grouping, MapFunction, MatrixSource, Plan, Scalar, Select,
    SubqueryPlan, Vector, VectorKind,
};
use crate::ast::{Aggregate, AggregateOp, Expr, MatrixSelector, Subquery, UnaryOp, VectorSelector};
use crate::engine::error::QueryError;
use crate::span::Span;

pub(super) type Compiled<T> = Result<T, QueryError>;

/// The state of one compilation: the distinct lists of matchers met so far.
#[derive(Default)]
pub(super) struct Compiler {
    selectors: Vec<Vec<Matcher>>,
}

/// A plan part with what its parents ask about it.
pub(super) struct Part {
    pub(super) plan: Plan,
    pub(super) invariant: bool,
}

/// Compiles a checked expression; gives the plan and the matchers of its selectors by slot.
pub(in crate::engine) fn compile(expr: &Expr) -> Compiled<(Plan, Vec<Vec<Matcher>>)> {
    let mut compiler = Compiler::default();
    let part = compiler.expr(expr)?;
    Ok((part.plan, compiler.selectors))
}

impl Compiler {
    pub(super) fn expr(&mut self, expr: &Expr) -> Compiled<Part> {
        let span = expr.span();
        Ok(match expr {
            Expr::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Expr::Binary(binary) => self.binary(binary)?,
            Expr::Call(call) => self.call(call)?,
            Expr::Matrix(matrix) => {
                let plan = Plan::Matrix(self.matrix(matrix));
                Part { plan, invariant: matrix.selector.at.is_some() }
            }
            Expr::Number(number) => Part { plan: Plan::Scalar(Scalar::Const(number.value)), invariant: true },
            Expr::Paren(paren) => self.expr(&paren.expr)?,
            Expr::String(string) => Part { plan: Plan::String(string.value.clone()), invariant: true },
            Expr::Subquery(subquery) => {
                let plan = Plan::Matrix(self.subquery(subquery)?);
                Part { plan, invariant: subquery.at.is_some() }
            }
            Expr::Unary(unary) => {
                let part = self.expr(&unary.expr)?;
                if unary.op == UnaryOp::Minus { negate(part, span) } else { part }
            }
            Expr::Vector(selector) => {
                let invariant = selector.at.is_some();
                let unique = has_fixed_name(selector);
                let kind = VectorKind::Select(self.select(selector));
                Part { plan: Plan::Vector(Vector { kind, invariant, unique, span }), invariant }
            }
        })
    }

    /// An expression that the checks made sure is an instant vector.
    pub(super) fn vector(&mut self, expr: &Expr) -> Compiled<Vector> {
        match self.expr(expr)?.plan {
            Plan::Vector(vector) => Ok(vector),
            _ => Err(unchecked(expr)),
        }
    }

    /// An expression that the checks made sure is a scalar.
    pub(super) fn scalar(&mut self, expr: &Expr) -> Compiled<Scalar> {
        match self.expr(expr)?.plan {
            Plan::Scalar(scalar) => Ok(scalar),
            _ => Err(unchecked(expr)),
        }
    }

    pub(super) fn select(&mut self, selector: &VectorSelector) -> Select {
        let known = self.selectors.iter().position(|matchers| *matchers == selector.matchers);
        let slot = known.unwrap_or_else(|| {
            self.selectors.push(selector.matchers.clone());
            self.selectors.len() - 1
        });
        Select {
            slot,
            offset: DurationPlan::new(selector.offset.nanos, selector.offset.expr.as_ref()),
            at: selector.at,
            extension: selector.extension,
            fixed_name: has_fixed_name(selector),
        }
    }

    pub(super) fn matrix(&mut self, matrix: &MatrixSelector) -> MatrixSource {
        let range = DurationPlan::new(matrix.range, matrix.range_expr.as_ref());
        MatrixSource::Selector { select: self.select(&matrix.selector), range }
    }

    pub(super) fn subquery(&mut self, subquery: &Subquery) -> Compiled<MatrixSource> {
        let step = match (&subquery.step_expr, subquery.step) {
            (None, 0) => None,
            (computed, nanos) => Some(DurationPlan::new(nanos, computed.as_ref())),
        };
        Ok(MatrixSource::Subquery(Box::new(SubqueryPlan {
            input: self.vector(&subquery.expr)?,
            range: DurationPlan::new(subquery.range, subquery.range_expr.as_ref()),
            step,
            offset: DurationPlan::new(subquery.offset.nanos, subquery.offset.expr.as_ref()),
            at: subquery.at,
        })))
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Compiled<Part> {
        let part = self.expr(&aggregate.expr)?;
        let Plan::Vector(input) = part.plan else { return Err(unchecked(&aggregate.expr)) };
        let param = aggregate.param.as_deref().map(Expr::unwrap_parens);
        let mut grouping = Grouping { labels: aggregate.grouping.clone(), without: aggregate.without };
        let keeps_series = matches!(
            aggregate.op,
            AggregateOp::TopK | AggregateOp::BottomK | AggregateOp::LimitK | AggregateOp::LimitRatio
        );
        let names = !aggregate.without && aggregate.grouping.iter().any(|label| is_metadata_label(label));
        let unique = if keeps_series { input.unique } else { !names };
        let kind = if let (AggregateOp::CountValues, Some(Expr::String(label))) = (aggregate.op, param) {
            let label = label.value.clone();
            if label.is_empty() {
                return Err(QueryError::execution(format!("invalid label name {label:?}")));
            }
            if !grouping.without {
                grouping.labels.push(label.clone());
            }
            grouping.labels.sort_unstable();
            VectorKind::CountValues(Box::new(CountValues { input, label, grouping }))
        } else {
            grouping.labels.sort_unstable();
            let param_span = param.map_or(aggregate.span, Expr::span);
            let param = param.map(|param| self.scalar(param)).transpose()?;
            let op = aggregate.op;
            VectorKind::Aggregate(Box::new(Aggregation { op, input, param, param_span, grouping }))
        };
        let invariant = part.invariant;
        Ok(Part { plan: Plan::Vector(Vector { kind, invariant, unique, span: aggregate.span }), invariant })
    }
}

fn negate(part: Part, span: Span) -> Part {
    let invariant = part.invariant;
    let plan = match part.plan {
        Plan::Scalar(Scalar::Const(value)) => Plan::Scalar(Scalar::Const(-value)),
        Plan::Scalar(scalar) => Plan::Scalar(Scalar::Negate(Box::new(scalar))),
        Plan::Vector(input) => {
            let kind =
                VectorKind::Map { function: MapFunction::Negate, args: Vec::new(), input: Box::new(input) };
            Plan::Vector(Vector { kind, invariant, unique: true, span })
        }
        other => other,
    };
    Part { plan, invariant }
}

/// The labels that say what a metric is, not what it measures; dropped where a value stops being the metric.
pub(in crate::engine) fn is_metadata_label(name: &str) -> bool {
    matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

fn has_fixed_name(selector: &VectorSelector) -> bool {
    selector.matchers.iter().any(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal)
}

/// The labels `absent` gives: those that the selector fixes to one value.
pub(super) fn absent_labels(expr: &Expr) -> Labels {
    let matchers = match expr {
        Expr::Vector(selector) => &selector.matchers,
        Expr::Matrix(matrix) => &matrix.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut labels = Labels::empty().to_builder();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            labels.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            labels.remove(matcher.name());
        }
    }
    labels.build()
}

/// Only reachable with a tree that did not come from the parser, whose checks settle all types.
pub(super) fn unchecked(expr: &Expr) -> QueryError {
    QueryError::BadData(format!("expression of unexpected type {}", expr.value_type().documented()))
}
