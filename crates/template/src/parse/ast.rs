//! What a template is once it is read: a tree of nodes, each with the byte offset it came from.

use std::sync::Arc;

use super::number::Number;

/// One named template.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<Source>,
    pub(crate) root: Vec<Node>,
}

/// The text a template was read from; error positions refer to it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) text: Box<str>,
}

/// A piece of a template that is run for its output.
#[derive(Debug)]
pub(crate) enum Node {
    Text(Box<str>),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Box<Range>),
    Template(Invocation),
    Break,
    Continue,
}

/// `if` or `with`, its `else if` arms in a row.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) arms: Vec<(Pipe, Vec<Node>)>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

/// `{{template "name" pipeline}}`
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) at: usize,
    pub(crate) name: Arc<str>,
    pub(crate) pipe: Option<Pipe>,
}

/// `$x, $y := command | command`
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) at: usize,
    /// Variables that are declared, or assigned if `assigns`.
    pub(crate) variables: Vec<Arc<str>>,
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

/// An operand, or a function or method with its arguments. Never empty.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) first: Expr,
    pub(crate) args: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Str {
        written: Box<str>,
        value: Arc<str>,
    },
    /// `.A.B`
    Field(Vec<Arc<str>>),
    /// `$name.A.B`, the name with its dollar sign.
    Variable(Arc<str>, Vec<Arc<str>>),
    /// A function.
    Ident(Arc<str>),
    /// `(pipeline).A.B` or `function.A.B`
    Chain(Box<Expr>, Vec<Arc<str>>),
    Pipe(Box<Pipe>),
}
