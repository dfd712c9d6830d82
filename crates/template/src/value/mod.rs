//! The values templates work on.
//!
//! Go templates see Go's types: whether a number is an `int` or a `float64`, and whether a list is a `[]string`
//! or a named type with methods, decides what prints, what compares and which function takes it. So values
//! keep just as much of a type as templates can notice.

mod convert;
mod json;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

pub(crate) use json::to_json;
pub(crate) use types::{ANY_LIST, ANY_MAP, STRING_LIST, STRING_MAP};
pub use types::{Element, Method, Type};

use crate::func::Function;
use crate::time::Moment;

/// How deep values may nest when a template builds them (`list`, `dict`, `append`, `args`). Printing and
/// dropping a value recurse as deep as it is.
pub(crate) const MAX_VALUE_DEPTH: u16 = 32;

/// Anything a template can name, pass or print. Cloning is at most one reference count.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// No value: a missing field of nothing, `nil`. Prints as `<no value>`.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`; also Go's `rune` and `byte`.
    Int(i64),
    /// `float64`
    Float(f64),
    /// `string`
    Str(Arc<str>),
    /// Text that is already safe in HTML (`safeHtml`); not escaped again.
    Html(Arc<str>),
    /// A URL that is already known to be safe (`safeUrl`); its scheme is not filtered.
    Url(Arc<str>),
    /// A slice.
    List(Arc<List>),
    /// A map with string keys.
    Map(Arc<Map>),
    /// A struct.
    Record(Arc<Record>),
    /// `time.Time`
    Time(Arc<Moment>),
    /// `time.Duration`, in nanoseconds.
    Duration(i64),
    /// A function, for `call`.
    Func(Arc<Function>),
}

/// A list and its type.
#[derive(Debug)]
pub struct List {
    pub(crate) items: Vec<Value>,
    pub(crate) ty: &'static Type,
    depth: u16,
}

/// A map, its entries sorted by key, and its type.
#[derive(Debug)]
pub struct Map {
    pub(crate) entries: Vec<(Arc<str>, Value)>,
    pub(crate) ty: &'static Type,
    depth: u16,
}

/// A struct: named fields in the order they print.
#[derive(Debug)]
pub struct Record {
    pub(crate) fields: Vec<(&'static str, Value)>,
    pub(crate) ty: &'static Type,
    depth: u16,
}

impl Value {
    /// A `[]interface{}`.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::typed_list(&ANY_LIST, items)
    }

    /// A `[]string`.
    #[must_use]
    pub fn strings<S: Into<Arc<str>>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::typed_list(&STRING_LIST, items.into_iter().map(|s| Self::Str(s.into())).collect())
    }

    /// A list of a named type, which may have methods.
    #[must_use]
    pub fn typed_list(ty: &'static Type, items: Vec<Self>) -> Self {
        let depth = 1 + items.iter().map(Self::depth).max().unwrap_or(0);
        Self::List(Arc::new(List { items, ty, depth }))
    }

    /// A `map[string]interface{}`; of a key given twice the last value stays.
    pub fn map<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::typed_map(&ANY_MAP, entries)
    }

    /// A `map[string]string`.
    pub fn string_map<K: Into<Arc<str>>, V: Into<Arc<str>>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self::typed_map(&STRING_MAP, entries.into_iter().map(|(k, v)| (k, Self::Str(v.into()))))
    }

    /// A map of a named type, which may have methods.
    pub fn typed_map<K: Into<Arc<str>>>(
        ty: &'static Type,
        entries: impl IntoIterator<Item = (K, Self)>,
    ) -> Self {
        let mut entries: Vec<(Arc<str>, Self)> = entries.into_iter().map(|(k, v)| (k.into(), v)).collect();
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            // Of equal keys the last one given stays: it is moved to the front of its run, the rest goes.
            entries.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        let depth = 1 + entries.iter().map(|(_, v)| v.depth()).max().unwrap_or(0);
        Self::Map(Arc::new(Map { entries, ty, depth }))
    }

    /// A struct of a named type.
    #[must_use]
    pub fn record(ty: &'static Type, fields: Vec<(&'static str, Self)>) -> Self {
        let depth = 1 + fields.iter().map(|(_, v)| v.depth()).max().unwrap_or(0);
        Self::Record(Arc::new(Record { fields, ty, depth }))
    }

    /// How many lists, maps and structs stand inside each other here.
    pub(crate) fn depth(&self) -> u16 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Record(record) => record.depth,
            _ => 0,
        }
    }

    /// The value's type as a table of methods; `None` for the plain types, which have none.
    pub(crate) fn ty(&self) -> Option<&'static Type> {
        match self {
            Self::List(list) => Some(list.ty),
            Self::Map(map) => Some(map.ty),
            Self::Record(record) => Some(record.ty),
            Self::Time(_) => Some(&crate::time::TIME),
            Self::Duration(_) => Some(&crate::time::DURATION),
            _ => None,
        }
    }

    /// The name Go has for the type, as it stands in messages and `%T`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Url(_) => "template.URL",
            Self::Func(_) => "func",
            _ => self.ty().map_or("", |ty| ty.name),
        }
    }

    /// Whether `if`, `and`, `or`, `not` take the value as true: not the zero of its type.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Duration(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) | Self::Html(text) | Self::Url(text) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Record(_) | Self::Time(_) | Self::Func(_) => true,
        }
    }

    /// The text of a string of any kind.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Html(text) | Self::Url(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(&list.items),
            _ => None,
        }
    }

    /// A field of a struct or an entry of a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(name),
            Self::Record(record) => record.get(name),
            _ => None,
        }
    }
}

impl Map {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.entries.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.entries.get(at).map(|(_, v)| v)
    }

    /// What an absent key gives under Prometheus' `missingkey=zero`.
    pub(crate) fn zero(&self) -> Value {
        match self.ty.element {
            Element::Str => Value::Str("".into()),
            Element::Any => Value::Nil,
        }
    }
}

impl Record {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, v)| v)
    }
}
