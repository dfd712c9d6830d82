//! Functions: arguments are checked against parameters, then the function runs.

use std::sync::Arc;

use super::{At, Exec, Run};
use crate::error::Stage;
use crate::func::{Call, CallError, Function, Kind, Param};
use crate::parse::ast::{Expr, ExprKind};
use crate::value::Value;

impl<'t> Exec<'t, '_> {
    /// Calls the function `name` with operands and the value of the pipeline so far.
    pub(super) fn function(
        &mut self,
        dot: &Value,
        node: At<'t>,
        name: &'t str,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Run<Value> {
        let Some(function) = self.program.functions.get(name) else {
            return self.fault(format!("{} is not a defined function", crate::fmt::quoted(name)));
        };
        self.check_count(function, name, args.len(), last.is_some())?;
        match function.kind {
            Kind::And => return self.short_circuit(dot, args, last, false),
            Kind::Or => return self.short_circuit(dot, args, last, true),
            _ => {}
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        for (i, arg) in args.iter().enumerate() {
            values.push(self.argument(dot, arg, function.param(i))?);
        }
        if let Some(value) = last {
            let param = function.param(values.len());
            values.push(self.checked(value, param)?);
        }
        match &function.kind {
            Kind::Call => {
                let callee = args.first().map_or_else(|| self.describe(&values[0]), ToString::to_string);
                self.call_value(node, &callee, &values)
            }
            Kind::Template => self.call_template(node, name, &values),
            Kind::Body(body) => self.call(node, name, &values, body),
            Kind::And | Kind::Or => Ok(Value::Nil),
        }
    }

    fn check_count(&self, function: &Function, name: &str, args: usize, piped: bool) -> Run<()> {
        let (want, got) = (function.params.len(), args + usize::from(piped));
        if function.variadic.is_some() {
            if got < want {
                // Go counts only the written arguments here.
                return self
                    .fault(format!("wrong number of args for {name}: want at least {want} got {args}"));
            }
        } else if got != want {
            return self.fault(format!("wrong number of args for {name}: want {want} got {got}"));
        }
        Ok(())
    }

    /// `and` and `or`: later arguments are not evaluated once the answer is known.
    fn short_circuit(
        &mut self,
        dot: &Value,
        args: &'t [Expr],
        last: Option<Value>,
        stop: bool,
    ) -> Run<Value> {
        let mut value = Value::Nil;
        for arg in args {
            value = self.argument(dot, arg, Param::Any)?;
            if value.is_true() == stop {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Runs a body and places its error. Reading its texts and keeping what it makes is paid here for all functions.
    pub(super) fn call(
        &mut self,
        node: At<'t>,
        name: &str,
        values: &[Value],
        body: impl FnOnce(&mut Call<'_, '_>) -> Result<Value, CallError>,
    ) -> Run<Value> {
        self.spend(1)?;
        let read = values.iter().filter_map(Value::as_str).map(str::len).sum();
        self.budget.spend_bytes(read).map_err(|e| self.exceeded(e))?;
        let mut call = Call {
            args: values,
            data: self.data,
            context: self.context,
            budget: &mut self.budget,
            patterns: &mut self.patterns,
        };
        match body(&mut call) {
            Ok(value) => {
                self.budget.keep(&value).map_err(|e| self.exceeded(e))?;
                Ok(value)
            }
            Err(error) => {
                self.at = node;
                Err(match error {
                    CallError::Failed(why) => {
                        self.placed(Stage::Execute, format!("error calling {name}: {why}"))
                    }
                    CallError::Limit(which) => self.placed(Stage::Limit, which),
                })
            }
        }
    }

    /// `call function args…`
    fn call_value(&mut self, node: At<'t>, callee: &str, values: &[Value]) -> Run<Value> {
        let failed = |exec: &mut Self, why: String| {
            exec.at = node;
            exec.fault(format!("error calling call: {why}"))
        };
        let Some((first, args)) = values.split_first() else { return self.fault("call of nil") };
        let function = match first {
            Value::Func(function) => Arc::clone(function),
            Value::Nil => return failed(self, "call of nil".to_owned()),
            other => return failed(self, format!("non-function {callee} of type {}", other.type_name())),
        };
        let (want, got) = (function.params.len(), args.len());
        let enough = if function.variadic.is_some() { got >= want } else { got == want };
        if !enough {
            let least = if function.variadic.is_some() { "at least " } else { "" };
            return failed(self, format!("wrong number of args for {callee}: got {got} want {least}{want}"));
        }
        for (i, value) in args.iter().enumerate() {
            let param = function.param(i);
            if !param.accepts(value) {
                let why =
                    format!("arg {i}: value has type {}; should be {}", value.type_name(), param.name());
                return failed(self, why);
            }
        }
        match &function.kind {
            Kind::Body(body) => self.call(node, "call", args, body),
            _ => failed(self, format!("{callee} cannot be called")),
        }
    }

    /// `tmpl name data`: the output of another template, taken as safe.
    fn call_template(&mut self, node: At<'t>, name: &str, values: &[Value]) -> Run<Value> {
        let [Value::Str(template), data] = values else { return Ok(Value::Nil) };
        let Some(tree) = self.lookup(template) else {
            self.at = node;
            let quoted = crate::fmt::quoted(template);
            return self.fault(format!("error calling {name}: template {quoted} not defined"));
        };
        let out = std::mem::replace(&mut self.out, self.budget.text());
        let escaper = self.escaper.as_ref().map(|_| crate::html::Escaper::new());
        let escaper = std::mem::replace(&mut self.escaper, escaper);
        let variables = std::mem::replace(&mut self.variables, vec![(Arc::from("$"), data.clone())]);
        let caller = std::mem::replace(&mut self.tree, tree);
        self.deeper(|exec| exec.list(data, &tree.root))?;
        self.tree = caller;
        self.variables = variables;
        self.escaper = escaper;
        let made = std::mem::replace(&mut self.out, out);
        Ok(Value::Html(made.into_string().into()))
    }

    /// An operand as an argument of the wanted type.
    pub(super) fn argument(&mut self, dot: &Value, expr: &'t Expr, param: Param) -> Run<Value> {
        self.at = At::Expr(expr);
        match (&expr.kind, param) {
            (ExprKind::Nil, _) if param.takes_nil() => Ok(param.nil()),
            (ExprKind::Nil, _) => self.fault(format!("cannot assign nil to {}", param.name())),
            (ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Str { .. }, Param::Any) => {
                self.operand(dot, expr)
            }
            (ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Str { .. }, _) => self.literal(expr, param),
            _ => {
                let value = self.operand(dot, expr)?;
                self.checked(value, param)
            }
        }
    }

    /// A literal takes the type its parameter has, if it can.
    fn literal(&self, expr: &Expr, param: Param) -> Run<Value> {
        let expected = match (param, &expr.kind) {
            (Param::Bool, ExprKind::Bool(value)) => return Ok((*value).into()),
            (Param::Str, ExprKind::Str { value, .. }) => return Ok(Arc::clone(value).into()),
            (Param::Int, ExprKind::Number(number)) if number.int.is_some() => {
                return Ok(number.int.unwrap_or(0).into());
            }
            (Param::Duration, ExprKind::Number(number)) if number.int.is_some() => {
                return Ok(Value::Duration(number.int.unwrap_or(0)));
            }
            (Param::Float, ExprKind::Number(number)) if number.float.is_some() => {
                return Ok(number.float.unwrap_or(0.0).into());
            }
            (Param::Bool, _) => "bool",
            (Param::Str, _) => "string",
            (Param::Int | Param::Duration, _) => "integer",
            (Param::Float, _) => "float",
            _ => return self.fault(format!("can't handle {expr} for arg of type {}", param.name())),
        };
        self.fault(format!("expected {expected}; found {expr}"))
    }

    /// The value, if it is of the wanted type.
    pub(super) fn checked(&self, value: Value, param: Param) -> Run<Value> {
        match value {
            Value::Nil if param.takes_nil() => Ok(param.nil()),
            Value::Nil => self.fault(format!("invalid value; expected {}", param.name())),
            value if param.accepts(&value) => Ok(value),
            value => self.fault(format!(
                "wrong type for value; expected {}; got {}",
                param.name(),
                value.type_name()
            )),
        }
    }
}
