//! Pipelines and commands: where values come from.

use std::sync::Arc;

use super::{At, Exec, Run};
use crate::parse::ast::{Command, Expr, ExprKind, Pipe};
use crate::parse::number::Number;
use crate::value::Value;

impl<'t> Exec<'t, '_> {
    /// The value of a pipeline, also given to the variables it declares or assigns.
    pub(super) fn pipeline(&mut self, dot: &Value, pipe: &'t Pipe) -> Run<Value> {
        self.commands(dot, pipe, pipe.commands.len())
    }

    /// The value after the first `count` commands.
    pub(super) fn commands(&mut self, dot: &Value, pipe: &'t Pipe, count: usize) -> Run<Value> {
        self.at = At::Pipe(pipe);
        let mut value = None;
        for command in pipe.commands.iter().take(count) {
            self.spend(1)?;
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or_default();
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((Arc::clone(name), value.clone()));
            }
        }
        Ok(value)
    }

    /// One command; `last` is what the one before it gave and becomes the last argument.
    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Run<Value> {
        let first = &command.first;
        match &first.kind {
            ExprKind::Field(names) => {
                self.at = At::Expr(first);
                self.fields(dot, dot, first, names, &command.args, last)
            }
            ExprKind::Chain(inner, names) => {
                let value = self.chain_start(dot, first, inner)?;
                self.fields(dot, &value, first, names, &command.args, last)
            }
            ExprKind::Ident(name) => {
                self.at = At::Expr(first);
                self.function(dot, At::Command(command), name, &command.args, last)
            }
            ExprKind::Pipe(pipe) => {
                self.no_arguments(command, last.is_some())?;
                self.deeper(|exec| exec.pipeline(dot, pipe))
            }
            ExprKind::Variable(name, names) => {
                self.at = At::Expr(first);
                let value = self.variable(name)?;
                if names.is_empty() {
                    self.no_arguments(command, last.is_some())?;
                    return Ok(value);
                }
                self.fields(dot, &value, first, names, &command.args, last)
            }
            ExprKind::Nil => {
                self.at = At::Expr(first);
                self.no_arguments(command, last.is_some())?;
                self.fault("nil is not a command")
            }
            ExprKind::Dot | ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Str { .. } => {
                self.at = At::Expr(first);
                self.no_arguments(command, last.is_some())?;
                self.constant(dot, first)
            }
        }
    }

    fn no_arguments(&self, command: &Command, has_last: bool) -> Run<()> {
        if command.args.is_empty() && !has_last {
            return Ok(());
        }
        self.fault(format!("can't give argument to non-function {}", command.first))
    }

    /// What stands before the fields of a chain.
    pub(super) fn chain_start(&mut self, dot: &Value, chain: &'t Expr, inner: &'t Expr) -> Run<Value> {
        self.at = At::Expr(chain);
        if matches!(inner.kind, ExprKind::Nil) {
            return self.fault(format!("indirection through explicit nil in {chain}"));
        }
        self.operand(dot, inner)
    }

    /// The value of an operand where any type will do.
    pub(super) fn operand(&mut self, dot: &Value, expr: &'t Expr) -> Run<Value> {
        self.at = At::Expr(expr);
        match &expr.kind {
            ExprKind::Field(names) => self.fields(dot, dot, expr, names, &[], None),
            ExprKind::Variable(name, names) => {
                let value = self.variable(name)?;
                if names.is_empty() { Ok(value) } else { self.fields(dot, &value, expr, names, &[], None) }
            }
            ExprKind::Pipe(pipe) => self.deeper(|exec| exec.pipeline(dot, pipe)),
            ExprKind::Ident(name) => self.function(dot, At::Expr(expr), name, &[], None),
            ExprKind::Chain(inner, names) => {
                let value = self.chain_start(dot, expr, inner)?;
                self.fields(dot, &value, expr, names, &[], None)
            }
            _ => self.constant(dot, expr),
        }
    }

    fn constant(&mut self, dot: &Value, expr: &'t Expr) -> Run<Value> {
        match &expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Bool(value) => Ok((*value).into()),
            ExprKind::Str { value, .. } => Ok(Arc::clone(value).into()),
            ExprKind::Number(number) => self.ideal(number),
            _ => Ok(Value::Nil),
        }
    }

    /// A number where nothing but its spelling says what it is.
    fn ideal(&self, number: &Number) -> Run<Value> {
        match (number.looks_float, number.int, number.float) {
            (true, _, Some(float)) => Ok(float.into()),
            (_, Some(int), _) => Ok(int.into()),
            _ => self.fault(format!("{} overflows int", number.written)),
        }
    }

    pub(super) fn variable(&mut self, name: &str) -> Run<Value> {
        // Looking far down a deep stack of variables is work too.
        const LOOKED_AT_PER_STEP: usize = 16;
        let mut above = self.variables.iter().rev().enumerate();
        match above.find(|(_, (known, _))| **known == *name) {
            Some((distance, (_, value))) => {
                let value = value.clone();
                self.spend((distance / LOOKED_AT_PER_STEP) as u64)?;
                Ok(value)
            }
            None => self.fault(format!("undefined variable: {name}")),
        }
    }

    pub(super) fn assign(&mut self, name: &str, value: Value) -> Run<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| **known == *name) {
            Some((_, variable)) => {
                *variable = value;
                Ok(())
            }
            None => self.fault(format!("undefined variable: {name}")),
        }
    }
}
