//! Durations in brackets and after `offset`, plain or computed.

use super::{Fail, Parsed, Parser};
use crate::ast::{BinaryOp, DurationExpr, DurationOp, NumberLiteral};
use crate::span::Span;
use crate::token::{Item, Preprocessor, Token};

/// Seconds that nanoseconds in 64 bits can hold, in either direction.
const MAX_SECONDS: f64 = 9_223_372_036.854_776;

/// A number of seconds in nanoseconds, rounded.
pub(super) fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

impl Parser<'_> {
    /// The duration of a range or of a subquery's step: more than nothing.
    pub(super) fn positive_duration(&mut self) -> Parsed<DurationExpr> {
        let duration = self.duration_operators(0)?;
        if let DurationExpr::Number(number) = &duration
            && number.value <= 0.0
        {
            self.note(number.span, "duration must be greater than 0");
        }
        Ok(duration)
    }

    /// The duration after `offset`: arithmetic only in parentheses, else `x offset 5m + 1` would be ambiguous.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        self.duration_unary(Self::duration_primary)
    }

    fn duration_operators(&mut self, least: u8) -> Parsed<DurationExpr> {
        // As elsewhere, a sign binds less tightly than a power.
        const POWER: u8 = BinaryOp::Pow.precedence();
        let mut lhs = self.duration_unary(|parser| parser.duration_operators(POWER))?;
        // Each operator nests the tree one level deeper on the left, so it counts as depth.
        for level in 1.. {
            let item = self.peek()?;
            let Some((op, precedence)) = duration_operator(item.token) else { break };
            if precedence < least {
                break;
            }
            self.check_depth(level)?;
            self.next()?;
            let tighter = precedence + u8::from(op != DurationOp::Pow);
            let rhs = self.deeper(|parser| parser.duration_operators(tighter))?;
            self.experimental_duration(lhs.span());
            if matches!(&rhs, DurationExpr::Number(number) if number.value == 0.0) {
                match op {
                    DurationOp::Div => self.note(item.span, "division by zero"),
                    DurationOp::Mod => self.note(item.span, "modulo by zero"),
                    _ => {}
                }
            }
            let span = lhs.span().to(rhs.span());
            lhs = DurationExpr::Binary { op, lhs: Box::new(lhs), rhs: Box::new(rhs), wrapped: false, span };
        }
        Ok(lhs)
    }

    /// A signed operand, or one without a sign.
    fn duration_unary(&mut self, signed: fn(&mut Self) -> Parsed<DurationExpr>) -> Parsed<DurationExpr> {
        let item = self.peek()?;
        let negate = match item.token {
            Token::Operator(BinaryOp::Add) => false,
            Token::Operator(BinaryOp::Sub) => true,
            _ => return self.duration_primary(),
        };
        self.next()?;
        let operand = self.deeper(signed)?;
        let span = item.span.to(operand.span());
        Ok(match operand {
            DurationExpr::Number(number) => {
                let value = if negate { -number.value } else { number.value };
                DurationExpr::Number(NumberLiteral { value, span, ..number })
            }
            operand if negate => {
                DurationExpr::Unary { negate, operand: Box::new(operand), wrapped: false, span }
            }
            operand => operand,
        })
    }

    fn duration_primary(&mut self) -> Parsed<DurationExpr> {
        let item = self.peek()?;
        match item.token {
            Token::Number | Token::Duration => {
                self.next()?;
                let mut number = self.number_literal(item);
                if !(-MAX_SECONDS..=MAX_SECONDS).contains(&number.value) {
                    self.note(number.span, "duration out of range");
                    number.value = 1.0;
                }
                Ok(DurationExpr::Number(number))
            }
            Token::Preprocessor(word @ (Preprocessor::Step | Preprocessor::Range)) => {
                self.next()?;
                self.expect(Token::LeftParen)?;
                let close = self.expect(Token::RightParen)?;
                let span = item.span.to(close.span);
                self.experimental_duration(span);
                let is_step = word == Preprocessor::Step;
                Ok(if is_step { DurationExpr::Step(span) } else { DurationExpr::Range(span) })
            }
            Token::Identifier if item.text(self.input()) == "min_of" => {
                self.duration_pair(item, DurationOp::Min)
            }
            Token::Identifier if item.text(self.input()) == "max_of" => {
                self.duration_pair(item, DurationOp::Max)
            }
            Token::LeftParen => self.duration_parens(item),
            _ => Err(Fail::Unexpected(item)),
        }
    }

    /// `min_of(a, b)` or `max_of(a, b)`
    fn duration_pair(&mut self, item: Item, op: DurationOp) -> Parsed<DurationExpr> {
        self.next()?;
        self.expect(Token::LeftParen)?;
        let lhs = self.deeper(|parser| parser.duration_operators(0))?;
        self.expect(Token::Comma)?;
        let rhs = self.deeper(|parser| parser.duration_operators(0))?;
        let close = self.expect(Token::RightParen)?;
        let span = item.span.to(close.span);
        self.experimental_duration(span);
        Ok(DurationExpr::Binary { op, lhs: Box::new(lhs), rhs: Box::new(rhs), wrapped: false, span })
    }

    fn duration_parens(&mut self, open: Item) -> Parsed<DurationExpr> {
        self.next()?;
        let mut inner = self.deeper(|parser| parser.duration_operators(0))?;
        let close = self.expect(Token::RightParen)?;
        let outer = open.span.to(close.span);
        self.experimental_duration(outer);
        if let DurationExpr::Unary { wrapped, span, .. } | DurationExpr::Binary { wrapped, span, .. } =
            &mut inner
        {
            *wrapped = true;
            *span = outer;
            return Ok(inner);
        }
        Ok(DurationExpr::Unary { negate: false, operand: Box::new(inner), wrapped: true, span: outer })
    }

    fn experimental_duration(&mut self, span: Span) {
        if !self.options.experimental {
            self.note(span, "experimental duration expression is not enabled");
        }
    }
}

fn duration_operator(token: Token) -> Option<(DurationOp, u8)> {
    let Token::Operator(op) = token else { return None };
    let duration_op = match op {
        BinaryOp::Add => DurationOp::Add,
        BinaryOp::Sub => DurationOp::Sub,
        BinaryOp::Mul => DurationOp::Mul,
        BinaryOp::Div => DurationOp::Div,
        BinaryOp::Mod => DurationOp::Mod,
        BinaryOp::Pow => DurationOp::Pow,
        _ => return None,
    };
    Some((duration_op, op.precedence()))
}
