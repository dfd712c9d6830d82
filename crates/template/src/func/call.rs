//! One call of a function: its arguments, what it may know of the run, and what it costs.

use super::Patterns;
use crate::budget::Budget;
use crate::context::Context;
use crate::limits::{Exceeded, Text};
use crate::time::Moment;
use crate::value::{Element, Type, Value};

/// The type of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Param {
    /// `interface{}`
    Any,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `float64`
    Float,
    /// `string`
    Str,
    /// `[]string`, or a named type of it.
    Strings,
    /// `[]interface{}`
    List,
    /// `time.Time`
    Time,
    /// `time.Duration`
    Duration,
    /// A named type, exactly.
    Named(&'static Type),
}

impl Param {
    /// The type's name as Go prints it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Str => "string",
            Self::Strings => "[]string",
            Self::List => "[]interface {}",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Named(ty) => ty.name,
        }
    }

    /// Whether Go would take `nil` for it. The named types are all pointers or slices, which may be nil.
    pub(crate) fn takes_nil(self) -> bool {
        matches!(self, Self::Any | Self::Strings | Self::List | Self::Named(_))
    }

    /// What `nil` becomes when passed for it.
    pub(crate) fn nil(self) -> Value {
        match self {
            Self::Strings => Value::strings::<&str>([]),
            Self::List => Value::list(Vec::new()),
            Self::Named(ty) if !ty.is_pointer() => Value::typed_list(ty, Vec::new()),
            _ => Value::Nil,
        }
    }

    /// Whether the value is of the type.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Float, Value::Float(_))
            | (Self::Str, Value::Str(_))
            | (Self::Time, Value::Time(_))
            | (Self::Duration, Value::Duration(_)) => true,
            (Self::Strings, Value::List(list)) => list.ty.element == Element::Str,
            (Self::List, Value::List(list)) => list.ty.name == Self::List.name(),
            (Self::Named(ty), value) => value.ty().is_some_and(|own| own.name == ty.name),
            _ => false,
        }
    }
}

/// Why a call failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The function's own error, put behind `error calling name: `.
    Failed(String),
    /// A limit of the run was reached; says which.
    Limit(String),
}

impl From<String> for CallError {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl From<&str> for CallError {
    fn from(message: &str) -> Self {
        Self::Failed(message.to_owned())
    }
}

impl From<Exceeded> for CallError {
    fn from(Exceeded(which): Exceeded) -> Self {
        Self::Limit(which)
    }
}

/// One call: arguments that were checked against the parameters, and the run around it.
pub struct Call<'a, 'c> {
    pub(crate) args: &'a [Value],
    /// The data the whole run is on.
    pub(crate) data: &'a Value,
    pub(crate) context: &'a Context<'c>,
    pub(crate) budget: &'a mut Budget<'c>,
    pub(crate) patterns: &'a mut Patterns,
}

impl<'a, 'c> Call<'a, 'c> {
    /// All arguments.
    #[must_use]
    pub fn args(&self) -> &'a [Value] {
        self.args
    }

    /// The argument at `index`; [`Value::Nil`] past the end.
    #[must_use]
    pub fn arg(&self, index: usize) -> &'a Value {
        const NIL: &Value = &Value::Nil;
        self.args.get(index).unwrap_or(NIL)
    }

    /// The text of a [`Param::Str`] argument.
    #[must_use]
    pub fn str(&self, index: usize) -> &'a str {
        self.arg(index).as_str().unwrap_or("")
    }

    /// The time of a [`Param::Time`] argument.
    pub(crate) fn time(&self, index: usize) -> Result<&'a Moment, CallError> {
        match self.arg(index) {
            Value::Time(time) => Ok(time),
            other => Err(format!("value has type {}; should be time.Time", other.type_name()).into()),
        }
    }

    /// The nanoseconds of a [`Param::Duration`] or the number of a [`Param::Int`] argument.
    pub(crate) fn int(&self, index: usize) -> i64 {
        match self.arg(index) {
            Value::Int(n) | Value::Duration(n) => *n,
            _ => 0,
        }
    }

    /// The data the whole run is on, whatever `$` is where the call stands.
    #[must_use]
    pub fn data(&self) -> &'a Value {
        self.data
    }

    /// What the run knows of its surroundings.
    #[must_use]
    pub fn context(&self) -> &'a Context<'c> {
        self.context
    }

    /// A bounded buffer for the result.
    pub(crate) fn text(&self) -> Text {
        self.budget.text()
    }

    /// Pays for work in proportion to `steps`; a function that loops over its arguments says so here.
    ///
    /// # Errors
    /// The run has used up its steps or its time.
    pub fn spend(&mut self, steps: u64) -> Result<(), CallError> {
        Ok(self.budget.spend(steps)?)
    }
}
