//! What follows an operand or an operator: ranges, `offset`, `@`, grouping and matching clauses.

use super::duration::nanos;
use super::{Fail, Parsed, Parser};
use crate::ast::{
    AtModifier, BinaryOp, Cardinality, DurationExpr, Expr, Extension, MatrixSelector, Offset, Subquery,
    VectorMatching, VectorSelector,
};
use crate::number::go_fixed;
use crate::quote::quote;
use crate::span::Span;
use crate::token::{Item, Keyword, Preprocessor, Token};

const DURATION: &str = "number, duration, step(), or range()";

/// What may stand between a binary operator and its right operand.
#[derive(Default)]
pub(super) struct BinaryModifiers {
    pub(super) return_bool: bool,
    pub(super) matching: VectorMatching,
}

impl Parser<'_> {
    /// Everything that may follow an operand.
    pub(super) fn modifiers(&mut self, mut expr: Expr) -> Parsed<Expr> {
        // A range on a range nests the tree without recursion here, so it is counted as depth.
        let mut ranges = 0;
        loop {
            let item = self.peek()?;
            match item.token {
                Token::LeftBracket => {
                    ranges += 1;
                    self.check_depth(ranges)?;
                    expr = self.range(expr)?;
                }
                Token::Keyword(Keyword::Offset) => self.offset(&mut expr)?,
                Token::At => self.at(&mut expr)?,
                Token::Keyword(Keyword::Anchored) => self.extend(&mut expr, Extension::Anchored)?,
                Token::Keyword(Keyword::Smoothed) => self.extend(&mut expr, Extension::Smoothed)?,
                _ => return Ok(expr),
            }
        }
    }

    /// `[5m]` or `[1h:1m]`
    fn range(&mut self, expr: Expr) -> Parsed<Expr> {
        let open = self.next()?;
        let range = self.positive_duration();
        let range = self.within(range, "subquery or range selector", DURATION)?;
        let item = self.next()?;
        match item.token {
            Token::RightBracket => Ok(self.matrix(expr, range, open.span.to(item.span))),
            Token::Colon => self.subquery(expr, range),
            _ => Err(self.unexpected(item, "subquery or range", "\":\" or \"]\"")),
        }
    }

    fn matrix(&mut self, expr: Expr, range: DurationExpr, brackets: Span) -> Expr {
        let problem = match &expr {
            Expr::Vector(selector) if !selector.offset.is_none() => {
                "no offset modifiers allowed before range"
            }
            Expr::Vector(selector) if selector.at.is_some() => "no @ modifiers allowed before range",
            Expr::Vector(_) => "",
            _ => "ranges only allowed for vector selectors",
        };
        if !problem.is_empty() {
            self.note(brackets, problem);
        }
        let span = expr.span().to(brackets);
        let (range, range_expr) = split(range);
        match expr {
            Expr::Vector(selector) => Expr::Matrix(MatrixSelector { selector, range, range_expr, span }),
            other => other,
        }
    }

    fn subquery(&mut self, expr: Expr, range: DurationExpr) -> Parsed<Expr> {
        const CONTEXT: &str = "subquery selector";
        let mut step = None;
        if self.peek()?.token != Token::RightBracket {
            let parsed = self.positive_duration();
            step = Some(self.within(parsed, CONTEXT, "number, duration, step(), range(), or \"]\"")?);
        }
        let item = self.next()?;
        if item.token != Token::RightBracket {
            return Err(self.unexpected(item, CONTEXT, "\"]\""));
        }
        let span = expr.span().to(item.span);
        let (range, range_expr) = split(range);
        let (step, step_expr) = step.map(split).unwrap_or_default();
        Ok(Expr::Subquery(Subquery {
            expr: Box::new(expr),
            range,
            range_expr,
            step,
            step_expr,
            offset: Offset::default(),
            at: None,
            span,
        }))
    }

    fn offset(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.next()?;
        let parsed = self.offset_duration();
        let duration = self.within(parsed, "offset", DURATION)?;
        let (nanos, computed) = split(duration);
        let (end, at) = (self.last_end, expr.span());
        let Some(target) = Modified::of(expr) else {
            self.note(
                at,
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            );
            return Ok(());
        };
        target.span.end = end;
        if target.offset.is_none() {
            *target.offset = Offset { nanos, expr: computed };
        } else {
            self.note(at, "offset may not be set multiple times");
        }
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.next()?;
        let parsed = self.at_time(expr.span());
        let time = self.within(parsed, "@", "timestamp")?;
        let (end, at) = (self.last_end, expr.span());
        let Some(target) = Modified::of(expr) else {
            self.note(
                at,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            );
            return Ok(());
        };
        if target.at.is_some() {
            self.note(at, "@ <timestamp> may not be set multiple times");
            return Ok(());
        }
        *target.at = Some(time);
        target.span.end = end;
        Ok(())
    }

    fn at_time(&mut self, subject: Span) -> Parsed<AtModifier> {
        let item = self.next()?;
        if let Token::Preprocessor(word @ (Preprocessor::Start | Preprocessor::End)) = item.token {
            self.expect(Token::LeftParen)?;
            self.expect(Token::RightParen)?;
            return Ok(if word == Preprocessor::Start { AtModifier::Start } else { AtModifier::End });
        }
        let seconds = self.signed_number(item)?;
        // The bounds of a 64-bit number of seconds, as Prometheus checks them.
        if !seconds.is_finite() || seconds >= i64::MAX as f64 || seconds <= i64::MIN as f64 {
            let shown = go_fixed(seconds, 6);
            self.note(subject, format!("timestamp out of bounds for @ modifier: {shown}"));
        }
        Ok(AtModifier::Time((seconds * 1000.0).round() as i64))
    }

    /// A number with an optional sign, whose first item has been taken.
    fn signed_number(&mut self, first: Item) -> Parsed<f64> {
        let (sign, item) = match first.token {
            Token::Operator(BinaryOp::Add) => (1.0, self.next()?),
            Token::Operator(BinaryOp::Sub) => (-1.0, self.next()?),
            _ => (1.0, first),
        };
        match item.token {
            Token::Number | Token::Duration => Ok(sign * self.number_literal(item).value),
            _ => Err(Fail::Unexpected(item)),
        }
    }

    fn extend(&mut self, expr: &mut Expr, extension: Extension) -> Parsed<()> {
        self.next()?;
        let word = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
        let span = expr.span();
        if !self.options.experimental {
            self.note(span, format!("{word} modifier is experimental and not enabled"));
            return Ok(());
        }
        let selector = match expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &mut matrix.selector,
            Expr::Subquery(_) => {
                self.note(span, format!("{word} modifier is not supported for subqueries"));
                return Ok(());
            }
            _ => {
                self.note(span, format!("{word} modifier not implemented"));
                return Ok(());
            }
        };
        if selector.extension.is_some_and(|present| present != extension) {
            self.note(span, "anchored and smoothed modifiers cannot be used together");
        } else {
            selector.extension = Some(extension);
        }
        Ok(())
    }

    /// `by (…)` or `without (…)`: the labels, and whether it is `without`.
    pub(super) fn aggregate_modifier(&mut self) -> Parsed<Option<(Vec<String>, bool)>> {
        let without = match self.peek()?.token {
            Token::Keyword(Keyword::By) => false,
            Token::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.next()?;
        Ok(Some((self.grouping()?, without)))
    }

    /// `bool`, `on (…)`, `group_left (…)`, `fill (…)`
    pub(super) fn binary_modifiers(&mut self) -> Parsed<BinaryModifiers> {
        let mut modifiers = BinaryModifiers {
            return_bool: self.accept(Token::Keyword(Keyword::Bool))?.is_some(),
            ..BinaryModifiers::default()
        };
        let matching = &mut modifiers.matching;
        matching.on = match self.peek()?.token {
            Token::Keyword(Keyword::On) => true,
            Token::Keyword(Keyword::Ignoring) => false,
            _ => {
                self.fill(matching)?;
                return Ok(modifiers);
            }
        };
        self.next()?;
        matching.labels = self.grouping()?;
        matching.cardinality = match self.peek()?.token {
            Token::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            Token::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => Cardinality::OneToOne,
        };
        if matching.cardinality != Cardinality::OneToOne {
            self.next()?;
            if self.peek()?.token == Token::LeftParen {
                matching.include = self.grouping()?;
            }
        }
        self.fill(matching)?;
        Ok(modifiers)
    }

    /// `fill (v)`, or `fill_left (v)` and `fill_right (v)` in either order.
    fn fill(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        loop {
            let Token::Keyword(word @ (Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)) =
                self.peek()?.token
            else {
                return Ok(());
            };
            let (left, right) = (word != Keyword::FillRight, word != Keyword::FillLeft);
            let item = self.peek()?;
            if (left && matching.fill_left.is_some()) || (right && matching.fill_right.is_some()) {
                return Err(Fail::Unexpected(item));
            }
            self.next()?;
            self.expect(Token::LeftParen)?;
            let first = self.next()?;
            let value = Some(self.signed_number(first)?);
            self.expect(Token::RightParen)?;
            if left {
                matching.fill_left = value;
            }
            if right {
                matching.fill_right = value;
            }
        }
    }

    /// A list of labels in parentheses.
    fn grouping(&mut self) -> Parsed<Vec<String>> {
        const CONTEXT: &str = "grouping opts";
        let open = self.next()?;
        if open.token != Token::LeftParen {
            return Err(self.unexpected(open, CONTEXT, "\"(\""));
        }
        let mut labels = Vec::new();
        loop {
            let item = self.next()?;
            match item.token {
                Token::RightParen => return Ok(labels),
                token if is_label(token) => labels.push(self.grouping_label(item)),
                _ => return Err(self.unexpected(item, CONTEXT, "label")),
            }
            let item = self.next()?;
            match item.token {
                Token::RightParen => return Ok(labels),
                Token::Comma => {}
                _ => return Err(self.unexpected(item, CONTEXT, "\",\" or \")\"")),
            }
        }
    }

    fn grouping_label(&mut self, item: Item) -> String {
        if item.token != Token::String {
            return item.text(self.input()).to_owned();
        }
        let label = self.unquoted(item);
        if label.is_empty() {
            self.note(item.span, format!("invalid label name for grouping: {}", quote(&label)));
        }
        label
    }
}

/// The parts of an expression that modifiers change.
struct Modified<'a> {
    offset: &'a mut Offset,
    at: &'a mut Option<AtModifier>,
    span: &'a mut Span,
}

impl<'a> Modified<'a> {
    fn of(expr: &'a mut Expr) -> Option<Self> {
        Some(match expr {
            Expr::Vector(VectorSelector { offset, at, span, .. })
            | Expr::Subquery(Subquery { offset, at, span, .. }) => Self { offset, at, span },
            Expr::Matrix(matrix) => {
                let selector = &mut matrix.selector;
                Self { offset: &mut selector.offset, at: &mut selector.at, span: &mut matrix.span }
            }
            _ => return None,
        })
    }
}

/// A plain duration as nanoseconds, a computed one as it is.
fn split(duration: DurationExpr) -> (i64, Option<DurationExpr>) {
    match duration {
        DurationExpr::Number(number) => (nanos(number.value), None),
        computed => (0, Some(computed)),
    }
}

/// Whether the token can be a label in a grouping: any word or string.
fn is_label(token: Token) -> bool {
    match token {
        Token::Identifier
        | Token::MetricIdentifier
        | Token::String
        | Token::Aggregator(_)
        | Token::Keyword(_)
        | Token::Preprocessor(_) => true,
        Token::Operator(op) => op.is_set() || op == BinaryOp::Atan2,
        _ => false,
    }
}
