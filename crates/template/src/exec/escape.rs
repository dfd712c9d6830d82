//! Printing into HTML.

use super::{At, Exec, Run};
use crate::html::Sanitizer;
use crate::parse::ast::{ExprKind, Pipe};
use crate::value::Value;

impl<'t> Exec<'t, '_> {
    /// Prints a pipeline's value as the place in the HTML needs it.
    pub(super) fn print_escaped(&mut self, dot: &Value, pipe: &'t Pipe) -> Run<()> {
        self.at = At::Pipe(pipe);
        let (unquoted, steps) = match &mut self.escaper {
            Some(escaper) => (escaper.is_unquoted(), escaper.sanitizers()),
            None => return Ok(()),
        };
        let mut steps = match steps {
            Ok(steps) => steps,
            Err(why) => return self.fault(why),
        };
        let own = self.own_escaper(pipe, unquoted)?;
        let merged = own.is_some_and(|own| merge(&mut steps, own));
        let value = if merged { self.without_last(dot, pipe)? } else { self.pipeline(dot, pipe)? };
        self.at = At::Pipe(pipe);
        let worked = Sanitizer::apply(&steps, &value, &mut self.out).map_err(|e| self.exceeded(e))?;
        self.budget.spend_bytes(worked).map_err(|e| self.exceeded(e))
    }

    /// The `html` or `urlquery` a pipeline ends in. Anywhere else they would be undone or doubled.
    fn own_escaper(&self, pipe: &'t Pipe, unquoted: bool) -> Run<Option<&'t str>> {
        let mut found = None;
        for (i, command) in pipe.commands.iter().enumerate() {
            let ExprKind::Ident(name) = &command.first.kind else { continue };
            if !matches!(&**name, "html" | "urlquery") {
                continue;
            }
            if i + 1 < pipe.commands.len() || (unquoted && **name == *"html") {
                let name = crate::fmt::quoted(name);
                return self.fault(format!("predefined escaper {name} disallowed in template"));
            }
            found = Some(&**name);
        }
        Ok(found)
    }

    /// The pipeline's value before its last command, whose work the escaping has taken over.
    fn without_last(&mut self, dot: &Value, pipe: &'t Pipe) -> Run<Value> {
        match pipe.commands.as_slice() {
            [only] => {
                let mut values = Vec::with_capacity(only.args.len());
                for arg in &only.args {
                    values.push(self.operand(dot, arg)?);
                }
                if let [Value::Nil] = values.as_slice() {
                    return Ok(Value::Nil);
                }
                let mut text = self.budget.text();
                crate::fmt::print(&values, &mut text).map_err(|e| self.exceeded(e))?;
                Ok(text.into_string().into())
            }
            commands => self.commands(dot, pipe, commands.len() - 1),
        }
    }
}

/// Puts the template's own escaper in the place of ours that do the same. Whether there were any.
fn merge(steps: &mut [Sanitizer], own: &str) -> bool {
    let mut merged = false;
    for step in steps {
        if let Some(replacement) = step.replaced_by(own) {
            *step = replacement;
            merged = true;
        }
    }
    merged
}
