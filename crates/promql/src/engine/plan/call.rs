//! Function calls.

use super::compile::{Compiled, Compiler, Part, absent_labels, unchecked};
use super::{
    DurationPlan, HistogramCall, HistogramKind, InfoCall, LabelReplace, MapFunction, MatrixSource, Plan,
    RangeCall, Scalar, Vector, VectorKind,
};
use breakwatch_model::from_go_regex;

use crate::ast::{AtModifier, Call, Expr, MatrixSelector, Offset, ValueType};
use crate::engine::error::QueryError;
use crate::functions::FunctionId as F;
use crate::span::Span;

impl Compiler {
    pub(super) fn call(&mut self, call: &Call) -> Compiled<Part> {
        let args: Vec<&Expr> = call.args.iter().map(Expr::unwrap_parens).collect();
        if call.function.returns == ValueType::Scalar {
            return self.scalar_call(call.function.id, &args);
        }
        let matrix = call.function.args.iter().position(|arg| *arg == ValueType::Matrix);
        if let Some(position) = matrix {
            return self.range_call(call, &args, position);
        }
        let (kind, invariant, unique) = self.vector_call(call.function.id, &args)?;
        let vector = Vector { kind, invariant, unique, span: call.span };
        Ok(Part { plan: Plan::Vector(vector), invariant })
    }

    fn scalar_call(&mut self, function: F, args: &[&Expr]) -> Compiled<Part> {
        let constant = |scalar| Part { plan: Plan::Scalar(scalar), invariant: true };
        Ok(match (function, args) {
            (F::Time, _) => Part { plan: Plan::Scalar(Scalar::Time), invariant: false },
            (F::Pi, _) => constant(Scalar::Const(std::f64::consts::PI)),
            (F::Start, _) => constant(Scalar::Start),
            (F::End, _) => constant(Scalar::End),
            (F::Range, _) => constant(Scalar::Range),
            (F::Step, _) => constant(Scalar::Step),
            (F::MinOf | F::MaxOf, [a, b]) => {
                let (left, right) = (self.expr(a)?, self.expr(b)?);
                let invariant = left.invariant && right.invariant;
                let (Plan::Scalar(left), Plan::Scalar(right)) = (left.plan, right.plan) else {
                    return Err(unchecked(a));
                };
                let of = Box::new((left, right));
                Part { plan: Plan::Scalar(Scalar::Extreme { largest: function == F::MaxOf, of }), invariant }
            }
            (_, [arg]) => {
                let input = self.vector(arg)?;
                let invariant = input.invariant;
                Part { plan: Plan::Scalar(Scalar::Of(Box::new(input))), invariant }
            }
            _ => return Err(QueryError::BadData("scalar function without argument".to_owned())),
        })
    }

    fn range_call(&mut self, call: &Call, args: &[&Expr], position: usize) -> Compiled<Part> {
        let function = call.function.id;
        let (mut source, mut scalars, mut invariant) = (None, Vec::new(), function != F::PredictLinear);
        for (index, arg) in args.iter().enumerate() {
            let part = self.expr(arg)?;
            invariant &= part.invariant;
            match part.plan {
                Plan::Matrix(matrix) if index == position => source = Some(matrix),
                Plan::Scalar(scalar) => scalars.push(scalar),
                _ => return Err(unchecked(arg)),
            }
        }
        let Some(source) = source else { return Err(QueryError::BadData("range expected".to_owned())) };
        let first = args.first().map_or(call.span, |arg| arg.span());
        let (kind, unique) = if function == F::AbsentOverTime {
            let labels = args.first().map(|arg| absent_labels(arg)).unwrap_or_default();
            (VectorKind::AbsentOverTime { source: Box::new(source), labels }, true)
        } else {
            let keeps_names = matches!(function, F::LastOverTime | F::FirstOverTime);
            let unique = !keeps_names || source_is_unique(&source);
            let call = RangeCall { function, source, args: scalars, span: first };
            (VectorKind::RangeCall(Box::new(call)), unique)
        };
        let vector = Vector { kind, invariant, unique, span: call.span };
        Ok(Part { plan: Plan::Vector(vector), invariant })
    }

    /// Functions whose value is a vector and whose arguments are not ranges.
    fn vector_call(&mut self, function: F, args: &[&Expr]) -> Compiled<(VectorKind, bool, bool)> {
        Ok(match (function, args) {
            (F::Timestamp, [Expr::Vector(selector)]) => {
                (VectorKind::SampleTimes(self.select(selector)), false, true)
            }
            (F::Timestamp, [arg]) => (VectorKind::EvaluationTimes(self.input(arg)?), false, true),
            (F::Absent, [arg]) => {
                let input = self.input(arg)?;
                let invariant = input.invariant;
                (VectorKind::Absent { input, labels: absent_labels(arg) }, invariant, true)
            }
            (F::Vector, [arg]) => {
                let part = self.expr(arg)?;
                let Plan::Scalar(scalar) = part.plan else { return Err(unchecked(arg)) };
                (VectorKind::FromScalar(scalar), part.invariant, true)
            }
            (date, []) => (VectorKind::DateNow(date), false, true),
            (F::Sort | F::SortDesc, [arg]) => {
                let (input, descending) = (self.input(arg)?, function == F::SortDesc);
                let (invariant, unique) = (input.invariant, input.unique);
                (VectorKind::Sort { descending, input }, invariant, unique)
            }
            (F::SortByLabel | F::SortByLabelDesc, [arg, labels @ ..]) => {
                let (input, descending) = (self.input(arg)?, function == F::SortByLabelDesc);
                let (invariant, unique) = (input.invariant, input.unique);
                let labels = labels.iter().map(|label| text(label)).collect::<Compiled<_>>()?;
                (VectorKind::SortByLabel { descending, labels, input }, invariant, unique)
            }
            (F::LabelReplace, [arg, dst, replacement, src, regex]) => {
                let input = self.vector(arg)?;
                let invariant = input.invariant;
                let replace =
                    label_replace(input, &text(dst)?, &text(replacement)?, &text(src)?, &text(regex)?)?;
                (VectorKind::LabelReplace(Box::new(replace)), invariant, false)
            }
            (F::LabelJoin, [arg, dst, separator, sources @ ..]) => {
                self.label_join(arg, dst, separator, sources)?
            }
            (F::HistogramQuantile | F::HistogramQuantiles | F::HistogramFraction, _) => {
                self.histogram(function, args)?
            }
            (F::Info, [base, data @ ..]) => self.info(base, data.first().copied())?,
            (
                F::HistogramAvg
                | F::HistogramCount
                | F::HistogramSum
                | F::HistogramStddev
                | F::HistogramStdvar,
                [arg],
            ) => {
                let input = self.input(arg)?;
                let invariant = input.invariant;
                (VectorKind::Nothing(input), invariant, true)
            }
            (_, [arg, scalars @ ..]) => self.map_call(function, arg, scalars)?,
        })
    }

    /// Functions of one value at a time.
    fn map_call(&mut self, function: F, arg: &Expr, scalars: &[&Expr]) -> Compiled<(VectorKind, bool, bool)> {
        let input = self.input(arg)?;
        let mut invariant = input.invariant && !reads_clock(function);
        let mut args = Vec::with_capacity(scalars.len());
        for scalar in scalars {
            let part = self.expr(scalar)?;
            invariant &= part.invariant;
            let Plan::Scalar(scalar) = part.plan else { return Err(unchecked(scalar)) };
            args.push(scalar);
        }
        let function = MapFunction::Function(function);
        Ok((VectorKind::Map { function, args, input }, invariant, true))
    }

    fn input(&mut self, expr: &Expr) -> Compiled<Box<Vector>> {
        self.vector(expr).map(Box::new)
    }

    fn label_join(
        &mut self,
        arg: &Expr,
        destination: &Expr,
        separator: &Expr,
        sources: &[&Expr],
    ) -> Compiled<(VectorKind, bool, bool)> {
        let input = self.input(arg)?;
        let (destination, separator) = (text(destination)?, text(separator)?);
        let sources = sources.iter().map(|source| text(source)).collect::<Compiled<Vec<_>>>()?;
        if let Some(bad) = sources.iter().find(|source| source.is_empty()) {
            return Err(QueryError::execution(format!("invalid source label name in label_join(): {bad}")));
        }
        if destination.is_empty() {
            return Err(QueryError::execution(format!(
                "invalid destination label name in label_join(): {destination}"
            )));
        }
        let invariant = input.invariant;
        Ok((VectorKind::LabelJoin { destination, separator, sources, input }, invariant, false))
    }

    fn histogram(&mut self, function: F, args: &[&Expr]) -> Compiled<(VectorKind, bool, bool)> {
        let (kind, input) = match (function, args) {
            (F::HistogramQuantile, [quantile, input]) => {
                (HistogramKind::Quantile(self.scalar(quantile)?, quantile.span()), input)
            }
            (F::HistogramFraction, [lower, upper, input]) => {
                (HistogramKind::Fraction(self.scalar(lower)?, self.scalar(upper)?), input)
            }
            (_, [input, label, quantiles @ ..]) => {
                let compile = |quantile: &&Expr| Ok((self.scalar(quantile)?, quantile.span()));
                let quantiles: Vec<(Scalar, Span)> =
                    quantiles.iter().map(compile).collect::<Compiled<_>>()?;
                (HistogramKind::Quantiles(text(label)?, quantiles), input)
            }
            _ => return Err(QueryError::BadData("histogram expected".to_owned())),
        };
        let input = self.vector(input)?;
        // Its quantiles may change with time even if its buckets do not, so only a plain one is invariant.
        let invariant = input.invariant && kind.is_constant();
        Ok((VectorKind::Histogram(Box::new(HistogramCall { kind, input })), invariant, true))
    }

    fn info(&mut self, base: &Expr, data: Option<&Expr>) -> Compiled<(VectorKind, bool, bool)> {
        let modifiers = first_modifiers(base);
        let base = self.vector(base)?;
        let data = match data {
            None => None,
            Some(Expr::Vector(selector)) => Some(selector.matchers.clone()),
            Some(other) => return Err(unchecked(other)),
        };
        let invariant = base.invariant;
        Ok((VectorKind::Info(Box::new(InfoCall { base, data, modifiers })), invariant, false))
    }
}

/// The modifiers around the first selector of an expression and on it, from outside in.
fn first_modifiers(expr: &Expr) -> Vec<(DurationPlan, Option<AtModifier>)> {
    let plan = |offset: &Offset, at| (DurationPlan::new(offset.nanos, offset.expr.as_ref()), at);
    let mut modifiers = Vec::new();
    // What is still to be looked at, next last, with the number of sub-queries around it.
    let mut pending = vec![(expr, 0)];
    while let Some((expr, depth)) = pending.pop() {
        modifiers.truncate(depth);
        match expr {
            Expr::Aggregate(aggregate) => pending.push((&aggregate.expr, depth)),
            Expr::Binary(binary) => pending.extend([(&*binary.rhs, depth), (&*binary.lhs, depth)]),
            Expr::Call(call) => pending.extend(call.args.iter().rev().map(|arg| (arg, depth))),
            Expr::Paren(paren) => pending.push((&paren.expr, depth)),
            Expr::Unary(unary) => pending.push((&unary.expr, depth)),
            Expr::Subquery(subquery) => {
                modifiers.push(plan(&subquery.offset, subquery.at));
                pending.push((&subquery.expr, depth + 1));
            }
            Expr::Matrix(MatrixSelector { selector, .. }) | Expr::Vector(selector) => {
                modifiers.push(plan(&selector.offset, selector.at));
                return modifiers;
            }
            Expr::Number(_) | Expr::String(_) => {}
        }
    }
    Vec::new()
}

impl HistogramKind {
    fn is_constant(&self) -> bool {
        let constant = |scalar: &Scalar| matches!(scalar, Scalar::Const(_));
        match self {
            Self::Quantile(quantile, _) => constant(quantile),
            Self::Fraction(lower, upper) => constant(lower) && constant(upper),
            Self::Quantiles(_, quantiles) => quantiles.iter().all(|(quantile, _)| constant(quantile)),
        }
    }
}

/// Functions whose value depends on the evaluation time even if their arguments do not.
fn reads_clock(function: F) -> bool {
    matches!(
        function,
        F::DaysInMonth
            | F::DayOfMonth
            | F::DayOfWeek
            | F::DayOfYear
            | F::Hour
            | F::Minute
            | F::Month
            | F::Year
    )
}

fn source_is_unique(source: &MatrixSource) -> bool {
    match source {
        MatrixSource::Selector { select, .. } => select.fixed_name,
        MatrixSource::Subquery(subquery) => subquery.input.unique,
    }
}

fn text(expr: &Expr) -> Compiled<String> {
    match expr {
        Expr::String(string) => Ok(string.value.clone()),
        _ => Err(unchecked(expr)),
    }
}

/// The largest compiled program for the pattern of a query; bounds memory for hostile patterns.
const REGEX_SIZE_LIMIT: usize = 1 << 20;

fn label_replace(
    input: Vector,
    destination: &str,
    replacement: &str,
    source: &str,
    pattern: &str,
) -> Compiled<LabelReplace> {
    let regex = regex::RegexBuilder::new(&format!("^(?s:{})$", from_go_regex(pattern)))
        .size_limit(REGEX_SIZE_LIMIT)
        .build()
        .map_err(|_| {
            QueryError::execution(format!("invalid regular expression in label_replace(): {pattern}"))
        })?;
    if destination.is_empty() {
        return Err(QueryError::execution(format!(
            "invalid destination label name in label_replace(): {destination}"
        )));
    }
    Ok(LabelReplace {
        input,
        destination: destination.to_owned(),
        replacement: replacement.to_owned(),
        source: source.to_owned(),
        regex,
    })
}
