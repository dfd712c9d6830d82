//! Functions a template may call, and how their arguments are checked.
//!
//! A set of [`Functions`] is made once and shared: it says which names exist, so that an unknown one is an error
//! at load, and what each takes. What differs from run to run (the time, the query engine, the links) reaches
//! a function through its [`Call`].

pub(crate) mod alertmanager;
mod base64;
mod builtin;
mod call;
mod case;
mod compare;
mod encode;
mod hostport;
mod humanize;
mod index;
mod pattern;
pub(crate) mod prometheus;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use call::{Call, CallError, Param};
pub(crate) use encode::{html_escape, query_escape};
pub(crate) use pattern::Patterns;

use crate::value::Value;

/// A function's body.
type Body = dyn Fn(&mut Call<'_, '_>) -> Result<Value, CallError> + Send + Sync;

/// A function: what it takes and what it does.
pub struct Function {
    pub(crate) params: Vec<Param>,
    /// The type of any number of further arguments.
    pub(crate) variadic: Option<Param>,
    pub(crate) kind: Kind,
}

/// What runs when a function is called.
pub(crate) enum Kind {
    /// Evaluates its arguments one by one until the first that is false.
    And,
    /// Evaluates its arguments one by one until the first that is true.
    Or,
    /// Calls its first argument.
    Call,
    /// Runs a template by a computed name.
    Template,
    Body(Box<Body>),
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "func({:?}, ...{:?})", self.params, self.variadic)
    }
}

impl Function {
    /// A function of a fixed number of arguments.
    pub fn new(
        params: &[Param],
        body: impl Fn(&mut Call<'_, '_>) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> Self {
        Self { params: params.to_vec(), variadic: None, kind: Kind::Body(Box::new(body)) }
    }

    /// A function of some arguments and any number of further ones.
    pub fn variadic(
        params: &[Param],
        rest: Param,
        body: impl Fn(&mut Call<'_, '_>) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> Self {
        Self { params: params.to_vec(), variadic: Some(rest), kind: Kind::Body(Box::new(body)) }
    }

    /// The type of the argument at `index`.
    pub(crate) fn param(&self, index: usize) -> Param {
        self.params.get(index).copied().or(self.variadic).unwrap_or(Param::Any)
    }
}

/// The functions templates of one kind may call, by name. Cloning shares the functions.
#[derive(Clone, Debug)]
pub struct Functions {
    by_name: HashMap<&'static str, Arc<Function>>,
}

impl Functions {
    /// Go's own functions: `and or not eq ne lt le gt ge len index slice print printf println html js urlquery call`.
    #[must_use]
    pub fn new() -> Self {
        let mut functions = Self { by_name: HashMap::new() };
        builtin::register(&mut functions);
        functions
    }

    /// Go's functions and those of Prometheus' rule files.
    #[must_use]
    pub fn prometheus() -> Self {
        let mut functions = Self::new();
        prometheus::register(&mut functions);
        functions
    }

    /// Go's functions and those of Alertmanager's notification templates.
    #[must_use]
    pub fn alertmanager() -> Self {
        let mut functions = Self::new();
        alertmanager::register(&mut functions);
        functions
    }

    /// Adds `tmpl name data`, which runs a template by a computed name. Prometheus has it in consoles only.
    #[must_use]
    pub fn with_tmpl(mut self) -> Self {
        let params = vec![Param::Str, Param::Any];
        self.insert("tmpl", Function { params, variadic: None, kind: Kind::Template });
        self
    }

    /// Adds or replaces a function.
    pub fn insert(&mut self, name: &'static str, function: Function) {
        self.by_name.insert(name, Arc::new(function));
    }

    /// Takes over every function of `other` whose name is not known here yet.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        for (name, function) in &other.by_name {
            self.by_name.entry(name).or_insert_with(|| Arc::clone(function));
        }
        self
    }

    /// Whether a function of that name exists.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.by_name.get(name)
    }

    /// The names of all functions, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.by_name.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

impl Default for Functions {
    fn default() -> Self {
        Self::new()
    }
}
