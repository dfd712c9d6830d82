//! The syntax tree of an expression.
//!
//! The tree keeps what was written (parentheses, offsets, matcher order, spans), so that it can be printed
//! back, explained and linted. Chains such as `a + b + c + …` make deep left spines, as many levels as there
//! are operators; every walk here follows left spines in a loop and recurses only into what the parser's
//! depth limit bounds. That is also why the tree is not `Clone`: share it by `Arc`.

mod op;
mod selector;

use std::fmt;

pub use op::{AggregateOp, BinaryOp, UnaryOp};
pub use selector::{
    AtModifier, DurationExpr, DurationOp, Extension, MatrixSelector, Offset, Subquery, VectorSelector,
};

use crate::functions::Function;
use crate::span::Span;
pub use crate::value_type::ValueType;

/// An expression.
pub enum Expr {
    /// `sum by (job) (x)`
    Aggregate(Aggregate),
    /// `a + b`
    Binary(Binary),
    /// `rate(x[5m])`
    Call(Call),
    /// `x[5m]`
    Matrix(MatrixSelector),
    /// `1.5`, `5m`
    Number(NumberLiteral),
    /// `(x)`
    Paren(Paren),
    /// `"text"`
    String(StringLiteral),
    /// `x[1h:1m]`
    Subquery(Subquery),
    /// `-x`
    Unary(Unary),
    /// `x{job="a"}`
    Vector(VectorSelector),
}

/// An aggregation over the series of an instant vector.
pub struct Aggregate {
    /// What is computed.
    pub op: AggregateOp,
    /// The vector.
    pub expr: Box<Expr>,
    /// The `k` of `topk`, the quantile of `quantile`, the label of `count_values`.
    pub param: Option<Box<Expr>>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether `grouping` lists what to drop instead of what to keep.
    pub without: bool,
    /// Where it stands.
    pub span: Span,
}

/// How the elements of two vectors find each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cardinality {
    /// Each element has at most one partner.
    #[default]
    OneToOne,
    /// `group_left`: many on the left share one on the right.
    ManyToOne,
    /// `group_right`: many on the right share one on the left.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

impl Cardinality {
    /// As error messages and `parse_query` word it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// The matching clause of a binary operator between two vectors.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct VectorMatching {
    /// How many partners an element may have.
    pub cardinality: Cardinality,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether `labels` lists what must agree (`on`) instead of what is ignored.
    pub on: bool,
    /// The labels `group_left` or `group_right` copies from the one side.
    pub include: Vec<String>,
    /// `fill` or `fill_left`: the value of a missing left element.
    pub fill_left: Option<f64>,
    /// `fill` or `fill_right`: the value of a missing right element.
    pub fill_right: Option<f64>,
}

/// A binary operation.
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left operand.
    pub lhs: Box<Expr>,
    /// Right operand.
    pub rhs: Box<Expr>,
    /// The matching clause; see [`Binary::matching`].
    pub(crate) matching: VectorMatching,
    /// Whether a comparison gives 0 or 1 (`bool`) instead of filtering.
    pub return_bool: bool,
    /// Scalar if both operands are, else vector. Kept here because finding it out walks the left spine.
    pub value_type: ValueType,
    /// Where it stands.
    pub span: Span,
}

impl Binary {
    /// How the two sides match; `None` unless both operands are vectors.
    #[must_use]
    pub fn matching(&self) -> Option<&VectorMatching> {
        let vectors = [&self.lhs, &self.rhs].iter().all(|side| side.value_type() == ValueType::Vector);
        vectors.then_some(&self.matching)
    }
}

impl Drop for Binary {
    /// Takes a left spine apart in a loop: dropping it level by level would overflow the stack.
    fn drop(&mut self) {
        let mut next = std::mem::replace(&mut *self.lhs, Expr::nothing());
        while let Expr::Binary(binary) = &mut next {
            let below = std::mem::replace(&mut *binary.lhs, Expr::nothing());
            next = below;
        }
    }
}

/// A function call.
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// A number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NumberLiteral {
    /// Its value; seconds if it was written as a duration.
    pub value: f64,
    /// Whether it was written as a duration.
    pub is_duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// A parenthesised expression.
pub struct Paren {
    /// What is inside.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// A string.
#[derive(Clone, PartialEq, Debug)]
pub struct StringLiteral {
    /// Its value, unescaped.
    pub value: String,
    /// Where it stands.
    pub span: Span,
}

/// A unary operation.
pub struct Unary {
    /// The operator.
    pub op: UnaryOp,
    /// The operand.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub span: Span,
}

impl Expr {
    /// A leaf to leave behind where an expression is taken out.
    const fn nothing() -> Self {
        Self::Number(NumberLiteral { value: 0.0, is_duration: false, span: Span::new(0, 0) })
    }

    /// The type of the expression's value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        let mut expr = self;
        loop {
            return match expr {
                Self::Paren(paren) => {
                    expr = &paren.expr;
                    continue;
                }
                Self::Unary(unary) => {
                    expr = &unary.expr;
                    continue;
                }
                Self::Aggregate(_) | Self::Vector(_) => ValueType::Vector,
                Self::Binary(binary) => binary.value_type,
                Self::Call(call) => call.function.returns,
                Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
                Self::Number(_) => ValueType::Scalar,
                Self::String(_) => ValueType::String,
            };
        }
    }

    /// Where the expression stands in the query text.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Aggregate(e) => e.span,
            Self::Binary(e) => e.span,
            Self::Call(e) => e.span,
            Self::Matrix(e) => e.span,
            Self::Number(e) => e.span,
            Self::Paren(e) => e.span,
            Self::String(e) => e.span,
            Self::Subquery(e) => e.span,
            Self::Unary(e) => e.span,
            Self::Vector(e) => e.span,
        }
    }

    /// The expression inside any parentheses around it.
    #[must_use]
    pub fn unwrap_parens(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// Calls `visit` for this expression and everything below it, parents before their children, left before
    /// right.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        let mut pending = vec![self];
        while let Some(expr) = pending.pop() {
            visit(expr);
            match expr {
                Self::Aggregate(e) => {
                    pending.push(&e.expr);
                    pending.extend(e.param.as_deref());
                }
                Self::Binary(e) => {
                    pending.push(&e.rhs);
                    pending.push(&e.lhs);
                }
                Self::Call(e) => pending.extend(e.args.iter().rev()),
                Self::Paren(e) => pending.push(&e.expr),
                Self::Subquery(e) => pending.push(&e.expr),
                Self::Unary(e) => pending.push(&e.expr),
                Self::Matrix(_) | Self::Number(_) | Self::String(_) | Self::Vector(_) => {}
            }
        }
    }

    /// Every instant or range selector of the expression, from left to right.
    #[must_use]
    pub fn selectors(&self) -> Vec<&VectorSelector> {
        let mut found = Vec::new();
        self.walk(&mut |expr| match expr {
            Self::Vector(selector) => found.push(selector),
            Self::Matrix(matrix) => found.push(&matrix.selector),
            _ => {}
        });
        found
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
