//! Selectors, their modifiers, and the durations inside them.

use breakwatch_model::Matcher;

use super::{Expr, NumberLiteral};
use crate::span::Span;

/// An instant selector, or the selector inside a range selector.
#[derive(Debug)]
pub struct VectorSelector {
    /// The metric name, if it was written before the braces; its matcher is then the last of `matchers`.
    pub name: Option<String>,
    /// The conditions, in the order they were written.
    pub matchers: Vec<Matcher>,
    /// `offset …`
    pub offset: Offset,
    /// `@ …`
    pub at: Option<AtModifier>,
    /// `anchored` or `smoothed`
    pub extension: Option<Extension>,
    /// Whether it may have only matchers that the empty value meets (the second argument of `info`).
    pub may_be_empty: bool,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// A range selector.
#[derive(Debug)]
pub struct MatrixSelector {
    /// What is selected. Modifiers written after the brackets are kept here.
    pub selector: VectorSelector,
    /// The length of the window in nanoseconds; ignored if `range_expr` is set.
    pub range: i64,
    /// The length as a computed duration.
    pub range_expr: Option<DurationExpr>,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// A range over the results of an instant query.
#[derive(Debug)]
pub struct Subquery {
    /// The instant query.
    pub expr: Box<Expr>,
    /// The length of the window in nanoseconds; ignored if `range_expr` is set.
    pub range: i64,
    /// The length as a computed duration.
    pub range_expr: Option<DurationExpr>,
    /// The resolution in nanoseconds; 0 for the default one. Ignored if `step_expr` is set.
    pub step: i64,
    /// The resolution as a computed duration.
    pub step_expr: Option<DurationExpr>,
    /// `offset …`
    pub offset: Offset,
    /// `@ …`
    pub at: Option<AtModifier>,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// An `offset` modifier.
#[derive(Debug, Default)]
pub struct Offset {
    /// How far back, in nanoseconds (negative: ahead); ignored if `expr` is set.
    pub nanos: i64,
    /// The offset as a computed duration.
    pub expr: Option<DurationExpr>,
}

impl Offset {
    /// Whether no offset was written.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.nanos == 0 && self.expr.is_none()
    }
}

/// An `@` modifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtModifier {
    /// `@ 1.5`: milliseconds since the epoch.
    Time(i64),
    /// `@ start()`: the start of the query.
    Start,
    /// `@ end()`: the end of the query.
    End,
}

/// What a range selector does at the edges of its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    /// `anchored`: takes the last sample before the window as its first.
    Anchored,
    /// `smoothed`: interpolates at both edges.
    Smoothed,
}

/// A duration that is computed when the query starts.
#[derive(Clone, Debug)]
pub enum DurationExpr {
    /// A number of seconds.
    Number(NumberLiteral),
    /// `step()`
    Step(Span),
    /// `range()`
    Range(Span),
    /// `-a` (and `+(…)` around a plain number, to keep its parentheses)
    Unary {
        /// Whether it negates.
        negate: bool,
        /// The operand.
        operand: Box<DurationExpr>,
        /// Whether parentheses stood around it.
        wrapped: bool,
        /// Where it stands.
        span: Span,
    },
    /// `a + b`, `min_of(a, b)` …
    Binary {
        /// The operator.
        op: DurationOp,
        /// Left operand.
        lhs: Box<DurationExpr>,
        /// Right operand.
        rhs: Box<DurationExpr>,
        /// Whether parentheses stood around it.
        wrapped: bool,
        /// Where it stands.
        span: Span,
    },
}

/// An operator between durations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DurationOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `min_of(a, b)`
    Min,
    /// `max_of(a, b)`
    Max,
}

impl DurationExpr {
    /// Where it stands in the query text.
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::Number(number) => number.span,
            Self::Step(span) | Self::Range(span) => *span,
            Self::Unary { span, .. } | Self::Binary { span, .. } => *span,
        }
    }
}
