//! Expressions: operators by precedence, and the primaries they connect.

use super::{Fail, Parsed, Parser};
use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, NumberLiteral, Paren, StringLiteral,
    Unary, UnaryOp, ValueType,
};
use crate::functions::{Function, FunctionId};
use crate::number::parse_number;
use crate::quote::{quote, unquote};
use crate::token::{Item, Keyword, Token};

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.deeper(|parser| parser.operators(0))
    }

    /// Operators that bind at least as tightly as `least`.
    fn operators(&mut self, least: u8) -> Parsed<Expr> {
        let mut lhs = self.unary()?;
        loop {
            let Token::Operator(op) = self.peek()?.token else { return Ok(lhs) };
            if op.precedence() < least {
                return Ok(lhs);
            }
            self.next()?;
            let modifiers = self.binary_modifiers()?;
            let tighter = op.precedence() + u8::from(!op.is_right_associative());
            let rhs = self.deeper(|parser| parser.operators(tighter))?;
            let both_scalar = lhs.value_type() == ValueType::Scalar && rhs.value_type() == ValueType::Scalar;
            let span = lhs.span().to(rhs.span());
            let filled = modifiers.matching.fill_left.is_some() || modifiers.matching.fill_right.is_some();
            if filled && !self.options.experimental {
                self.note(span, "binop fill modifiers are experimental and not enabled");
            }
            let mut matching = modifiers.matching;
            if op.is_set() && matching.cardinality == Cardinality::OneToOne {
                matching.cardinality = Cardinality::ManyToMany;
            }
            lhs = Expr::Binary(Binary {
                op,
                lhs: Box::new(lhs),
                rhs: Box::new(rhs),
                matching,
                return_bool: modifiers.return_bool,
                value_type: if both_scalar { ValueType::Scalar } else { ValueType::Vector },
                span,
            });
        }
    }

    /// A sign binds like multiplication: `-a ^ b` is `-(a ^ b)`, `-a * b` is `(-a) * b`.
    fn unary(&mut self) -> Parsed<Expr> {
        let item = self.peek()?;
        let op = match item.token {
            Token::Operator(BinaryOp::Add) => UnaryOp::Plus,
            Token::Operator(BinaryOp::Sub) => UnaryOp::Minus,
            _ => {
                let primary = self.primary()?;
                return self.modifiers(primary);
            }
        };
        self.next()?;
        let operand = self.deeper(|parser| parser.operators(BinaryOp::Pow.precedence()))?;
        let span = item.span.to(operand.span());
        Ok(match operand {
            Expr::Number(number) => {
                let value = if op == UnaryOp::Minus { -number.value } else { number.value };
                Expr::Number(NumberLiteral { value, span, ..number })
            }
            operand => Expr::Unary(Unary { op, expr: Box::new(operand), span }),
        })
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let item = self.peek()?;
        match item.token {
            Token::Number | Token::Duration => {
                self.next()?;
                Ok(Expr::Number(self.number_literal(item)))
            }
            Token::String => {
                self.next()?;
                let value = self.unquoted(item);
                Ok(Expr::String(StringLiteral { value, span: item.span }))
            }
            Token::LeftParen => {
                self.next()?;
                let expr = Box::new(self.expression()?);
                let close = self.expect(Token::RightParen)?;
                Ok(Expr::Paren(Paren { expr, span: item.span.to(close.span) }))
            }
            Token::LeftBrace => self.selector().map(Expr::Vector),
            _ if is_metric_identifier(item.token) => self.named(),
            _ => Err(Fail::Unexpected(item)),
        }
    }

    /// What starts with a word: an aggregation, a call or a selector.
    fn named(&mut self) -> Parsed<Expr> {
        let item = self.next()?;
        let after = self.peek()?.token;
        match (item.token, after) {
            (Token::Aggregator(op), Token::LeftParen | Token::Keyword(Keyword::By | Keyword::Without)) => {
                let parsed = self.aggregate(op, item);
                self.within(parsed, "aggregation", "").map(Expr::Aggregate)
            }
            (Token::Identifier | Token::Preprocessor(_), Token::LeftParen) => self.call(item),
            _ => self.selector_after_name(item).map(Expr::Vector),
        }
    }

    fn aggregate(&mut self, op: AggregateOp, item: Item) -> Parsed<Aggregate> {
        let mut modifier = self.aggregate_modifier()?;
        let mut args = self.arguments()?;
        let mut end = self.last_end;
        if modifier.is_none() {
            modifier = self.aggregate_modifier()?;
            if modifier.is_some() {
                end = self.last_end;
            }
        }
        let (grouping, without) = modifier.unwrap_or_default();
        let span = crate::span::Span::new(item.span.start, end);
        let wanted = 1 + usize::from(op.has_param());
        if args.is_empty() {
            self.note(span, "no arguments for aggregate expression provided");
        } else if op.is_experimental() && !self.options.experimental {
            self.note(
                span,
                format!(
                    "{op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
                ),
            );
        } else if args.len() != wanted {
            self.note(
                span,
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                    args.len()
                ),
            );
        }
        // After a noted error the tree is never used, so any stand-in does.
        let expr = Box::new(args.pop().unwrap_or_else(|| placeholder(span)));
        let param = if op.has_param() { args.pop().map(Box::new) } else { None };
        Ok(Aggregate { op, expr, param, grouping, without, span })
    }

    fn call(&mut self, item: Item) -> Parsed<Expr> {
        let mut args = self.arguments()?;
        let span = item.span.to(crate::span::Span::new(self.last_end, self.last_end));
        let name = item.text(self.input());
        let function = Function::find(name);
        match function {
            None => self.note(item.span, format!("unknown function with name {}", quote(name))),
            Some(function) if function.experimental && !self.options.experimental => {
                self.note(item.span, format!("function {} is not enabled", quote(name)));
            }
            Some(function) => {
                // The second argument of `info` names labels, not series; it may match everything.
                if let (FunctionId::Info, Some(Expr::Vector(labels))) = (function.id, args.get_mut(1)) {
                    labels.may_be_empty = true;
                }
            }
        }
        Ok(match function {
            Some(function) => Expr::Call(Call { function, args, span }),
            None => placeholder(span),
        })
    }

    /// `( … , … )`
    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.expect(Token::LeftParen)?;
        let mut args = Vec::new();
        if self.accept(Token::RightParen)?.is_some() {
            return Ok(args);
        }
        loop {
            args.push(self.expression()?);
            let Some(comma) = self.accept(Token::Comma)? else {
                self.expect(Token::RightParen)?;
                return Ok(args);
            };
            let next = self.peek()?;
            if !starts_expression(next.token) {
                let message = "trailing commas not allowed in function call args".to_owned();
                return Err(Fail::Final(comma.span, message));
            }
        }
    }

    /// The value of a number or duration token.
    pub(super) fn number_literal(&mut self, item: Item) -> NumberLiteral {
        let text = item.text(self.input());
        let is_duration = item.token == Token::Duration;
        let value = if is_duration {
            crate::duration::parse_duration(text)
                .map(|duration| duration.as_secs_f64())
                .map_err(|e| e.to_string())
        } else {
            parse_number(text).map_err(|e| format!("error parsing number: {e}"))
        };
        let value = value.unwrap_or_else(|message| {
            self.note(item.span, message);
            0.0
        });
        NumberLiteral { value, is_duration, span: item.span }
    }

    /// The value of a string token.
    pub(super) fn unquoted(&mut self, item: Item) -> String {
        let text = item.text(self.input());
        unquote(text).unwrap_or_else(|error| {
            self.note(item.span, format!("error unquoting string {}: {error}", quote(text)));
            String::new()
        })
    }
}

fn placeholder(span: crate::span::Span) -> Expr {
    Expr::Number(NumberLiteral { value: 0.0, is_duration: false, span })
}

/// Whether the token can name a metric where an expression starts.
pub(super) fn is_metric_identifier(token: Token) -> bool {
    match token {
        Token::Identifier | Token::MetricIdentifier | Token::Aggregator(_) | Token::Preprocessor(_) => true,
        Token::Operator(op) => op.is_set(),
        Token::Keyword(word) => matches!(
            word,
            Keyword::By | Keyword::Offset | Keyword::Without | Keyword::Anchored | Keyword::Smoothed
        ),
        _ => false,
    }
}

fn starts_expression(token: Token) -> bool {
    is_metric_identifier(token)
        || matches!(
            token,
            Token::Number
                | Token::Duration
                | Token::String
                | Token::LeftParen
                | Token::LeftBrace
                | Token::Operator(BinaryOp::Add | BinaryOp::Sub)
        )
}
