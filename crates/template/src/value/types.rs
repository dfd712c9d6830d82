//! Types that a template can tell apart: their names, their methods and how they print.

use std::fmt;

use super::Value;
use crate::func::{Call, CallError, Param};

/// A named type of lists, maps or structs.
pub struct Type {
    /// As Go names it in messages, `template.KV`.
    pub name: &'static str,
    /// What a list or map of this type holds.
    pub element: Element,
    /// What can be called on a value of it.
    pub methods: &'static [Method],
    /// How it prints, if not as Go prints the plain list, map or struct.
    pub text: Option<fn(&Value) -> String>,
    /// Whether the fields of a struct have names of their own in JSON: `StartsAt` is `startsAt` there.
    pub tagged: bool,
}

/// What a list or map holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    /// Anything.
    Any,
    /// Strings: an absent key of such a map reads as the empty string.
    Str,
}

/// A method of a [`Type`].
pub struct Method {
    /// Its name in templates.
    pub name: &'static str,
    /// The types of its arguments.
    pub params: &'static [Param],
    /// The method itself, on its receiver.
    pub call: fn(&Value, &mut Call<'_, '_>) -> Result<Value, CallError>,
}

impl Type {
    /// A type without methods that prints as Go prints its kind.
    #[must_use]
    pub const fn plain(name: &'static str, element: Element) -> Self {
        Self { name, element, methods: &[], text: None, tagged: false }
    }

    pub(crate) fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// Whether Go would hold values of it by pointer.
    pub(crate) fn is_pointer(&self) -> bool {
        self.name.starts_with('*')
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

pub(crate) static ANY_LIST: Type = Type::plain("[]interface {}", Element::Any);
pub(crate) static STRING_LIST: Type = Type::plain("[]string", Element::Str);
pub(crate) static ANY_MAP: Type = Type::plain("map[string]interface {}", Element::Any);
pub(crate) static STRING_MAP: Type = Type::plain("map[string]string", Element::Str);
