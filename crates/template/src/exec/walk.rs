//! Nodes: text, actions, branches, loops and calls of other templates.

use std::sync::Arc;

use super::{At, Exec, Flow, Run, flow_of};
use crate::parse::ast::{Branch, Invocation, Node, Pipe, Range};
use crate::value::Value;

impl<'t> Exec<'t, '_> {
    pub(super) fn list(&mut self, dot: &Value, nodes: &'t [Node]) -> Run<Flow> {
        for node in nodes {
            self.spend(1)?;
            let flow = match node {
                Node::Text(text) => {
                    self.write_text(text)?;
                    Flow::On
                }
                Node::Action(pipe) => {
                    self.action(dot, pipe)?;
                    Flow::On
                }
                Node::If(branch) => self.deeper(|exec| exec.branch(dot, branch, false))?,
                Node::With(branch) => self.deeper(|exec| exec.branch(dot, branch, true))?,
                Node::Range(range) => {
                    self.deeper(|exec| exec.range(dot, range))?;
                    Flow::On
                }
                Node::Template(invocation) => {
                    self.deeper(|exec| exec.invoke(dot, invocation))?;
                    Flow::On
                }
                Node::Break | Node::Continue => flow_of(node),
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    /// A pipeline in the text: its value is printed unless it is kept in a variable.
    fn action(&mut self, dot: &Value, pipe: &'t Pipe) -> Run<()> {
        if self.escaper.is_some() && pipe.variables.is_empty() {
            return self.print_escaped(dot, pipe);
        }
        // What is declared stays until the enclosing end.
        let value = self.pipeline(dot, pipe)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        self.at = At::Pipe(pipe);
        if matches!(value, Value::Func(_)) {
            return self.fault(format!("can't print {{{{{pipe}}}}} of type {}", value.type_name()));
        }
        let before = self.out.as_str().len();
        crate::fmt::to_text(&value, &mut self.out).map_err(|e| self.exceeded(e))?;
        let written = self.out.as_str().len() - before;
        self.budget.spend_bytes(written).map_err(|e| self.exceeded(e))
    }

    fn branch(&mut self, dot: &Value, branch: &'t Branch, is_with: bool) -> Run<Flow> {
        let mark = self.variables.len();
        let mut flow = Flow::On;
        let mut taken = false;
        for (pipe, body) in &branch.arms {
            let value = self.pipeline(dot, pipe)?;
            if value.is_true() {
                flow = self.list(if is_with { &value } else { dot }, body)?;
                taken = true;
                break;
            }
        }
        if let Some(body) = branch.otherwise.as_ref().filter(|_| !taken) {
            flow = self.list(dot, body)?;
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, range: &'t Range) -> Run<()> {
        let mark = self.variables.len();
        self.at = At::Pipe(&range.pipe);
        let value = self.pipeline(dot, &range.pipe)?;
        let ran = match &value {
            Value::Int(count) | Value::Duration(count) => self.range_int(*count, &value, range)?,
            Value::List(list) => {
                let items = list.items.iter().enumerate().map(|(i, item)| (Value::from(i), item.clone()));
                self.rounds(items, range)?
            }
            Value::Map(map) => {
                let entries = map.entries.iter().map(|(key, v)| (Value::Str(Arc::clone(key)), v.clone()));
                self.rounds(entries, range)?
            }
            Value::Nil => false,
            other => {
                let text = self.describe(other);
                return self.fault(format!("range can't iterate over {text}"));
            }
        };
        if let Some(body) = range.otherwise.as_ref().filter(|_| !ran) {
            self.list(dot, body)?;
        }
        self.variables.truncate(mark);
        Ok(())
    }

    fn range_int(&mut self, count: i64, value: &Value, range: &'t Range) -> Run<bool> {
        if range.pipe.variables.len() > 1 {
            let text = self.describe(value);
            return self.fault(format!("can't use {text} to iterate over more than one variable"));
        }
        let wrap: fn(i64) -> Value =
            if matches!(value, Value::Duration(_)) { Value::Duration } else { Value::Int };
        self.rounds((0..count).map(|i| (Value::Nil, wrap(i))), range)
    }

    /// Runs the body for each item; whether there was one.
    fn rounds(&mut self, items: impl Iterator<Item = (Value, Value)>, range: &'t Range) -> Run<bool> {
        let mark = self.variables.len();
        let mut ran = false;
        for (key, item) in items {
            self.spend(1)?;
            ran = true;
            self.set_loop_variables(&range.pipe, key, &item)?;
            let flow = self.list(&item, &range.body)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    /// With two variables the first is the index; with one it is the item. Declared ones are on top of the stack.
    fn set_loop_variables(&mut self, pipe: &'t Pipe, key: Value, item: &Value) -> Run<()> {
        let count = pipe.variables.len();
        if pipe.assigns {
            match pipe.variables.as_slice() {
                [one] => self.assign(one, item.clone())?,
                [first, second, ..] => {
                    self.assign(first, key)?;
                    self.assign(second, item.clone())?;
                }
                [] => {}
            }
            return Ok(());
        }
        let top = self.variables.len();
        if let Some((_, variable)) =
            top.checked_sub(1).filter(|_| count > 0).and_then(|i| self.variables.get_mut(i))
        {
            *variable = item.clone();
        }
        if let Some((_, variable)) =
            top.checked_sub(2).filter(|_| count > 1).and_then(|i| self.variables.get_mut(i))
        {
            *variable = key;
        }
        Ok(())
    }

    fn invoke(&mut self, dot: &Value, invocation: &'t Invocation) -> Run<()> {
        self.at = At::Invocation(invocation);
        let Some(tree) = self.lookup(&invocation.name) else {
            return self.fault(format!("template {} not defined", crate::fmt::quoted(&invocation.name)));
        };
        let dot = match &invocation.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Nil,
        };
        // A template sees no variables but its own.
        let outer = std::mem::replace(&mut self.variables, vec![(Arc::from("$"), dot.clone())]);
        let caller = std::mem::replace(&mut self.tree, tree);
        self.list(&dot, &tree.root)?;
        self.tree = caller;
        self.variables = outer;
        Ok(())
    }

    /// A value as `%v`, cut short, for messages.
    pub(super) fn describe(&self, value: &Value) -> String {
        const SHOWN: usize = 500;
        let mut text = self.budget.text();
        // A value too long to print is not worth a second error.
        let _ = crate::fmt::to_text(value, &mut text);
        match text.as_str().char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}...", &text.as_str()[..end]),
            None => text.into_string(),
        }
    }
}
