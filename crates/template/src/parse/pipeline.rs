//! Pipelines: declarations, commands and operands.

use std::sync::Arc;

use super::ast::{Command, Expr, ExprKind, Pipe};
use super::number::Number;
use super::unquote::unquote;
use super::{MAX_VARIABLES, Parsed, Parser, fault_at, unexpected};
use crate::fmt::quoted;
use crate::lex::{Kind, Token};

impl<'s> Parser<'s> {
    /// `declarations? command ('|' command)*` up to `end`.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let at = self.peek_non_space()?.at;
        let (variables, assigns) = self.declarations(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let token = self.next_non_space()?;
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConst
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Ident
                | Kind::Number
                | Kind::Nil
                | Kind::RawStr
                | Kind::Str
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back(token);
                    commands.push(self.command()?);
                }
                _ => return Err(unexpected(&token, context)),
            }
        }
        self.check_stages(&commands, context)?;
        Ok(Pipe { at, variables, assigns, commands })
    }

    fn check_stages(&self, commands: &[Command], context: &str) -> Parsed<()> {
        if commands.is_empty() {
            return Err(self.fault(format!("missing value for {context}")));
        }
        // Only the first stage may be something that cannot take an argument.
        let constant = commands.iter().skip(1).position(|command| {
            use ExprKind::{Bool, Dot, Nil, Number, Str};
            matches!(command.first.kind, Bool(_) | Dot | Nil | Number(_) | Str { .. })
        });
        match constant {
            Some(i) => Err(self.fault(format!("non executable command in pipeline stage {}", i + 2))),
            None => Ok(()),
        }
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Parsed<(Vec<Arc<str>>, bool)> {
        let mut variables: Vec<Arc<str>> = Vec::new();
        loop {
            let variable = self.next_non_space()?;
            if variable.kind != Kind::Variable {
                self.back(variable);
                return Ok((variables, false));
            }
            let after = self.next()?;
            let sign = if after.kind == Kind::Space { self.next_non_space()? } else { after };
            if matches!(sign.kind, Kind::Assign | Kind::Declare) {
                self.declare(&mut variables, &variable)?;
                return Ok((variables, sign.kind == Kind::Assign));
            }
            if sign.text != "," {
                // Not a declaration but an operand; give back all that was read.
                self.back(sign);
                if after.kind == Kind::Space {
                    self.back(after);
                }
                self.back(variable);
                return Ok((variables, false));
            }
            self.declare(&mut variables, &variable)?;
            if context != "range" || variables.len() >= 2 {
                return Err(self.fault(format!("too many declarations in {context}")));
            }
            let next = self.peek_non_space()?.kind;
            if !matches!(next, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return Err(self.fault("range can only initialize variables"));
            }
        }
    }

    fn declare(&mut self, variables: &mut Vec<Arc<str>>, token: &Token<'s>) -> Parsed<()> {
        if self.variables.len() >= MAX_VARIABLES {
            return Err(fault_at(token, format!("more than {MAX_VARIABLES} variables")));
        }
        let name: Arc<str> = token.text.into();
        variables.push(Arc::clone(&name));
        self.variables.push(name);
        Ok(())
    }

    /// Operands separated by spaces, up to a pipe sign (taken) or the end of the pipeline (left).
    fn command(&mut self) -> Parsed<Command> {
        let mut operands = Vec::new();
        loop {
            self.peek_non_space()?;
            operands.extend(self.operand()?);
            let token = self.next()?;
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.back(token);
                    break;
                }
                Kind::Pipe => break,
                _ => return Err(unexpected(&token, "operand")),
            }
        }
        if operands.is_empty() {
            return Err(self.fault("empty command"));
        }
        let first = operands.remove(0);
        Ok(Command { first, args: operands })
    }

    /// A term and the fields behind it. `None` when the next token does not begin one.
    fn operand(&mut self) -> Parsed<Option<Expr>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let at = self.peek()?.at;
        let mut names: Vec<Arc<str>> = Vec::new();
        while self.peek()?.kind == Kind::Field {
            names.push(field_name(&self.next()?));
        }
        if names.is_empty() {
            return Ok(Some(term));
        }
        let kind = match term.kind {
            ExprKind::Field(mut fields) => {
                fields.append(&mut names);
                ExprKind::Field(fields)
            }
            ExprKind::Variable(name, mut fields) => {
                fields.append(&mut names);
                ExprKind::Variable(name, fields)
            }
            ExprKind::Bool(_)
            | ExprKind::Str { .. }
            | ExprKind::Number(_)
            | ExprKind::Nil
            | ExprKind::Dot => {
                let term = quoted(&term.to_string());
                return Err(self.fault(format!("unexpected . after term {term}")));
            }
            _ => ExprKind::Chain(Box::new(term), names),
        };
        Ok(Some(Expr { at, kind }))
    }

    /// A literal, a function, `.`, a field, a variable or a pipeline in parentheses.
    fn term(&mut self) -> Parsed<Option<Expr>> {
        let token = self.next_non_space()?;
        let kind = match token.kind {
            Kind::Ident => {
                if !(self.is_function)(token.text) {
                    return Err(fault_at(&token, format!("function {} not defined", quoted(token.text))));
                }
                ExprKind::Ident(token.text.into())
            }
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Variable => {
                if !self.variables.iter().any(|known| **known == *token.text) {
                    return Err(fault_at(&token, format!("undefined variable {}", quoted(token.text))));
                }
                ExprKind::Variable(token.text.into(), Vec::new())
            }
            Kind::Field => ExprKind::Field(vec![field_name(&token)]),
            Kind::Bool => ExprKind::Bool(token.text == "true"),
            Kind::CharConst => {
                ExprKind::Number(Number::from_char(token.text).map_err(|reason| fault_at(&token, reason))?)
            }
            Kind::Number | Kind::Complex => {
                ExprKind::Number(Number::parse(token.text).map_err(|reason| fault_at(&token, reason))?)
            }
            Kind::LeftParen => {
                let pipe =
                    self.deeper(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Expr { at: pipe.at, kind: ExprKind::Pipe(Box::new(pipe)) }));
            }
            Kind::Str | Kind::RawStr => {
                let value = unquote(token.text).ok_or_else(|| fault_at(&token, "invalid syntax"))?;
                ExprKind::Str { written: token.text.into(), value: value.into() }
            }
            _ => {
                self.back(token);
                return Ok(None);
            }
        };
        Ok(Some(Expr { at: token.at, kind }))
    }
}

/// The name in a `.Name` token.
fn field_name(token: &Token<'_>) -> Arc<str> {
    token.text.strip_prefix('.').unwrap_or(token.text).into()
}
