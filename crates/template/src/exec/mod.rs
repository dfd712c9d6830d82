//! Runs a template on its data.
//!
//! Every node that is run, every function and every byte made is paid from the run's budget, and every level of
//! nesting is counted, so that a run ends whatever the template does.

mod call;
mod escape;
mod eval;
mod field;
mod walk;

use std::sync::Arc;

use crate::budget::Budget;
use crate::context::Context;
use crate::error::{Stage, TemplateError};
use crate::func::{Functions, Patterns};
use crate::html::Escaper;
use crate::limits::{Exceeded, Text};
use crate::options::{Escaping, MissingKey};
use crate::parse::ast::{Command, Expr, Invocation, Node, Pipe, Source, Tree};
use crate::value::Value;

/// What a run reads: the templates it may call, and how they are to be understood.
#[derive(Clone, Copy)]
pub(crate) struct Program<'t> {
    pub(crate) lookup: &'t dyn Fn(&str) -> Option<&'t Tree>,
    pub(crate) functions: &'t Functions,
    pub(crate) missing_key: MissingKey,
    pub(crate) escaping: Escaping,
}

/// Runs `tree` on `data` with variables `extra` in scope beside `$`.
pub(crate) fn run<'t>(
    program: Program<'t>,
    tree: &'t Tree,
    data: &'t Value,
    extra: &[(Arc<str>, Value)],
    context: &Context<'_>,
) -> Result<String, TemplateError> {
    let budget = Budget::new(context.limits, context.expired);
    let escaper = (program.escaping == Escaping::Html).then(Escaper::new);
    let mut variables = vec![(Arc::from("$"), data.clone())];
    variables.extend_from_slice(extra);
    let mut exec = Exec {
        program,
        data,
        context,
        out: budget.text(),
        budget,
        patterns: Patterns::default(),
        escaper,
        variables,
        tree,
        at: At::Start,
    };
    match exec.list(data, &tree.root) {
        Ok(_) => Ok(exec.out.into_string()),
        Err(fault) => Err(fault.0),
    }
}

/// A failed run, its error already placed.
struct Fault(TemplateError);

type Run<T> = Result<T, Box<Fault>>;

/// Whether a loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// The piece of the template that runs, for messages.
#[derive(Clone, Copy)]
enum At<'t> {
    Start,
    Expr(&'t Expr),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Invocation(&'t Invocation),
}

struct Exec<'t, 'c> {
    program: Program<'t>,
    data: &'t Value,
    context: &'c Context<'c>,
    budget: Budget<'c>,
    patterns: Patterns,
    escaper: Option<Escaper>,
    out: Text,
    /// A stack: scopes are cut back to where they began. The first is `$`.
    variables: Vec<(Arc<str>, Value)>,
    /// The template that runs.
    tree: &'t Tree,
    at: At<'t>,
}

impl<'t> Exec<'t, '_> {
    /// An error at the current piece.
    fn fault<T>(&self, reason: impl Into<String>) -> Run<T> {
        Err(self.placed(Stage::Execute, reason.into()))
    }

    fn exceeded(&self, Exceeded(which): Exceeded) -> Box<Fault> {
        self.placed(Stage::Limit, which)
    }

    fn placed(&self, stage: Stage, reason: String) -> Box<Fault> {
        let (offset, piece) = match self.at {
            At::Start => (0, String::new()),
            At::Expr(expr) => (expr.at, expr.to_string()),
            At::Pipe(pipe) => (pipe.at, pipe.to_string()),
            At::Command(command) => (command.first.at, command.to_string()),
            At::Invocation(invocation) => (invocation.at, invocation.to_string()),
        };
        let source: &Source = &self.tree.source;
        let mut error = TemplateError::new(stage, &source.name, &source.text, offset, shortened(reason));
        error.executing = Some((Arc::clone(&self.tree.name), piece));
        Box::new(Fault(error))
    }

    fn spend(&mut self, steps: u64) -> Run<()> {
        self.budget.spend(steps).map_err(|e| self.exceeded(e))
    }

    /// Runs `inner` one level deeper.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        if let Err(exceeded) = self.budget.enter() {
            return Err(self.exceeded(exceeded));
        }
        let result = inner(self);
        self.budget.leave();
        result
    }

    /// Writes text of the template itself.
    fn write_text(&mut self, text: &str) -> Run<()> {
        let written = match &mut self.escaper {
            Some(escaper) => escaper.text(text, &mut self.out),
            None => self.out.push_str(text),
        };
        written.map_err(|e| self.exceeded(e))?;
        let cost = self.budget.spend_bytes(text.len());
        cost.map_err(|e| self.exceeded(e))
    }

    /// The template of a name.
    fn lookup(&self, name: &str) -> Option<&'t Tree> {
        (self.program.lookup)(name)
    }
}

/// A message may quote a value of any length; what is shown to people is cut.
fn shortened(mut reason: String) -> String {
    const LONGEST: usize = 4096;
    if let Some((end, _)) = reason.char_indices().nth(LONGEST) {
        reason.truncate(end);
        reason.push_str("...");
    }
    reason
}

/// Whether the node can end a loop's round.
fn flow_of(node: &Node) -> Flow {
    match node {
        Node::Break => Flow::Break,
        Node::Continue => Flow::Continue,
        _ => Flow::On,
    }
}
