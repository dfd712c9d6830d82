//! Finds calls of templates that do not exist, before a message is due.

use std::sync::Arc;

use super::ast::{Branch, Node, Tree};
use crate::error::{Stage, TemplateError};
use crate::fmt::quoted;

impl Tree {
    /// The first call of a template that is not `known`, as the error that running it would give.
    pub(crate) fn check_calls(&self, known: &dyn Fn(&str) -> bool) -> Result<(), TemplateError> {
        self.check_list(&self.root, known)
    }

    fn check_list(&self, nodes: &[Node], known: &dyn Fn(&str) -> bool) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::If(branch) | Node::With(branch) => self.check_branch(branch, known)?,
                Node::Range(range) => {
                    self.check_list(&range.body, known)?;
                    self.check_list(range.otherwise.as_deref().unwrap_or_default(), known)?;
                }
                Node::Template(call) if !known(&call.name) => {
                    let reason = format!("template {} not defined", quoted(&call.name));
                    let source = &self.source;
                    let mut error =
                        TemplateError::new(Stage::Parse, &source.name, &source.text, call.at, reason);
                    error.executing = Some((Arc::clone(&self.name), call.to_string()));
                    return Err(error);
                }
                Node::Text(_) | Node::Action(_) | Node::Template(_) | Node::Break | Node::Continue => {}
            }
        }
        Ok(())
    }

    fn check_branch(&self, branch: &Branch, known: &dyn Fn(&str) -> bool) -> Result<(), TemplateError> {
        for (_, body) in &branch.arms {
            self.check_list(body, known)?;
        }
        self.check_list(branch.otherwise.as_deref().unwrap_or_default(), known)
    }
}
