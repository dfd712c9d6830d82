//! Fields, map entries and methods: `.A.B`.

use std::sync::Arc;

use super::{At, Exec, Run};
use crate::options::MissingKey;
use crate::parse::ast::Expr;
use crate::value::Value;

impl<'t> Exec<'t, '_> {
    /// A chain of fields on `receiver`; only the last one gets the arguments.
    pub(super) fn fields(
        &mut self,
        dot: &Value,
        receiver: &Value,
        node: &'t Expr,
        names: &'t [Arc<str>],
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Run<Value> {
        let Some((final_name, inner)) = names.split_last() else { return Ok(receiver.clone()) };
        let mut value = receiver.clone();
        for name in inner {
            value = self.field(dot, &value, node, name, &[], None)?;
        }
        self.field(dot, &value, node, final_name, args, last)
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: &Value,
        node: &'t Expr,
        name: &'t Arc<str>,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Run<Value> {
        self.spend(1)?;
        if let Some(method) = receiver.ty().and_then(|ty| ty.method(name)) {
            return self.method(dot, receiver, node, method, args, last);
        }
        let has_args = !args.is_empty() || last.is_some();
        match receiver {
            // No value has no fields, and asking is no error.
            Value::Nil if self.program.missing_key == MissingKey::Error => {
                self.fault(format!("nil data; no entry for key {}", crate::fmt::quoted(name)))
            }
            Value::Nil => Ok(Value::Nil),
            Value::Record(record) => match record.get(name) {
                Some(_) if has_args => {
                    self.fault(format!("{name} has arguments but cannot be invoked as function"))
                }
                Some(value) => Ok(value.clone()),
                None => self.no_field(receiver, name),
            },
            Value::Map(_) if has_args => self.fault(format!("{name} is not a method but has arguments")),
            Value::Map(map) => match (map.get(name), self.program.missing_key) {
                (Some(value), _) => Ok(value.clone()),
                (None, MissingKey::Invalid) => Ok(Value::Nil),
                (None, MissingKey::Zero) => Ok(map.zero()),
                (None, MissingKey::Error) => {
                    self.fault(format!("map has no entry for key {}", crate::fmt::quoted(name)))
                }
            },
            other => self.no_field(other, name),
        }
    }

    fn no_field(&self, receiver: &Value, name: &str) -> Run<Value> {
        self.fault(format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }

    /// Where an error inside the method is said to be.
    fn method(
        &mut self,
        dot: &Value,
        receiver: &Value,
        node: &'t Expr,
        method: &'static crate::value::Method,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Run<Value> {
        let count = args.len() + usize::from(last.is_some());
        if count != method.params.len() {
            let want = method.params.len();
            return self.fault(format!("wrong number of args for {}: want {want} got {count}", method.name));
        }
        let mut values = Vec::with_capacity(count);
        for (arg, param) in args.iter().zip(method.params) {
            values.push(self.argument(dot, arg, *param)?);
        }
        if let (Some(value), Some(param)) = (last, method.params.last()) {
            values.push(self.checked(value, *param)?);
        }
        self.call(At::Expr(node), method.name, &values, |call| (method.call)(receiver, call))
    }
}
