//! How one value prints under one verb, and `print` and `println`.

use super::{Spec, float, int, string};
use crate::limits::{Exceeded, Text};
use crate::value::{Element, Record, Type, Value};

/// Writes values; one for each verb of a format.
pub(super) struct Printer<'o> {
    pub(super) out: &'o mut Text,
    pub(super) spec: Spec,
    /// Inside an error form values print raw, without their own text.
    raw: bool,
}

impl<'o> Printer<'o> {
    pub(super) fn new(out: &'o mut Text, spec: Spec) -> Self {
        Self { out, spec, raw: false }
    }

    /// An argument under a verb.
    pub(super) fn argument(&mut self, value: &Value, verb: char) -> Result<(), Exceeded> {
        match (value, verb) {
            (_, 'T') => string::plain(self.out, &self.spec, value.type_name()),
            (Value::Nil, 'v') => string::pad(self.out, &self.spec, "<nil>"),
            (_, 'p') => self.bad_verb(value, verb),
            _ => self.value(value, verb, 0),
        }
    }

    fn value(&mut self, value: &Value, verb: char, depth: u16) -> Result<(), Exceeded> {
        if self.own_text(value, verb)? {
            return Ok(());
        }
        let written = match value {
            Value::Nil => return self.nil(value, verb),
            Value::Bool(value) if matches!(verb, 't' | 'v') => {
                string::pad(self.out, &self.spec, if *value { "true" } else { "false" })?;
                true
            }
            Value::Bool(_) => false,
            Value::Int(value) | Value::Duration(value) => int::write(self.out, &self.spec, *value, verb)?,
            Value::Float(value) => float::write(self.out, &self.spec, *value, verb)?,
            Value::Str(text) | Value::Html(text) | Value::Url(text) => self.string(text, verb)?,
            Value::List(list) => return self.list(list.ty, &list.items, verb, depth),
            Value::Map(map) => {
                let (open, close) = self.brackets(map.ty, "map[", "]");
                self.out.push_str(&open)?;
                for (i, (key, value)) in map.entries.iter().enumerate() {
                    self.separator(i)?;
                    if !self.string(key, verb)? {
                        self.bad_verb(&Value::from(&**key), verb)?;
                    }
                    self.out.push(':')?;
                    self.element(map.ty, value, verb, depth)?;
                }
                return self.out.push_str(close);
            }
            Value::Record(record) => return self.record(record, verb, depth),
            Value::Time(time) if self.spec.go_syntax => {
                self.out.push_str(&time.to_go_syntax())?;
                true
            }
            Value::Time(time) => self.string(&time.to_string(), verb)?,
            Value::Func(_) => self.string("func", verb)?,
        };
        if written { Ok(()) } else { self.bad_verb(value, verb) }
    }

    /// A type's own text, as Go's `String` methods give it, for the verbs strings have.
    fn own_text(&mut self, value: &Value, verb: char) -> Result<bool, Exceeded> {
        let text = value.ty().and_then(|ty| ty.text);
        match text {
            Some(text) if !self.raw && !self.spec.go_syntax && "vsxXq".contains(verb) => {
                self.string(&text(value), verb)
            }
            _ => Ok(false),
        }
    }

    fn string(&mut self, text: &str, verb: char) -> Result<bool, Exceeded> {
        match verb {
            'v' if self.spec.go_syntax => string::quoted_to(self.out, &self.spec, text)?,
            'v' | 's' => string::plain(self.out, &self.spec, text)?,
            'x' => string::hex(self.out, &self.spec, text, false)?,
            'X' => string::hex(self.out, &self.spec, text, true)?,
            'q' => string::quoted_to(self.out, &self.spec, text)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn nil(&mut self, value: &Value, verb: char) -> Result<(), Exceeded> {
        if verb == 'v' { self.out.push_str("<nil>") } else { self.bad_verb(value, verb) }
    }

    fn list(&mut self, ty: &Type, items: &[Value], verb: char, depth: u16) -> Result<(), Exceeded> {
        let (open, close) = self.brackets(ty, "[", "]");
        self.out.push_str(&open)?;
        for (i, item) in items.iter().enumerate() {
            self.separator(i)?;
            self.element(ty, item, verb, depth)?;
        }
        self.out.push_str(close)
    }

    fn record(&mut self, record: &Record, verb: char, depth: u16) -> Result<(), Exceeded> {
        if record.ty.is_pointer() && depth == 0 {
            self.out.push('&')?;
        }
        if self.spec.go_syntax {
            self.out.push_str(record.ty.name.trim_start_matches('*'))?;
        }
        self.out.push('{')?;
        for (i, (name, field)) in record.fields.iter().enumerate() {
            self.separator(i)?;
            if self.spec.names || self.spec.go_syntax {
                self.out.push_str(name)?;
                self.out.push(':')?;
            }
            self.element(record.ty, field, verb, depth)?;
        }
        self.out.push('}')
    }

    /// An item of a list or map; what is missing from one that holds anything shows that in Go's syntax.
    fn element(&mut self, ty: &Type, value: &Value, verb: char, depth: u16) -> Result<(), Exceeded> {
        match value {
            Value::Nil if ty.element == Element::Any && self.spec.go_syntax => {
                self.out.push_str("interface {}(nil)")
            }
            // A nil inside an interface prints so under every verb.
            Value::Nil => self.out.push_str("<nil>"),
            _ => self.value(value, verb, depth + 1),
        }
    }

    fn brackets(&self, ty: &Type, open: &str, close: &'static str) -> (String, &'static str) {
        if self.spec.go_syntax { (format!("{}{{", ty.name), "}") } else { (open.to_owned(), close) }
    }

    fn separator(&mut self, index: usize) -> Result<(), Exceeded> {
        match index {
            0 => Ok(()),
            _ => self.out.push_str(if self.spec.go_syntax { ", " } else { " " }),
        }
    }

    /// `%!verb(type=value)`
    fn bad_verb(&mut self, value: &Value, verb: char) -> Result<(), Exceeded> {
        self.out.push_str("%!")?;
        self.out.push(verb)?;
        self.out.push('(')?;
        if matches!(value, Value::Nil) {
            self.out.push_str("<nil>")?;
        } else {
            self.out.push_str(value.type_name())?;
            self.out.push('=')?;
            let raw = std::mem::replace(&mut self.raw, true);
            self.argument(value, 'v')?;
            self.raw = raw;
        }
        self.out.push(')')
    }
}

/// What an action prints: no value is said so, a pointer is followed.
pub(crate) fn to_text(value: &Value, out: &mut Text) -> Result<(), Exceeded> {
    match value {
        Value::Nil => out.push_str("<no value>"),
        Value::Str(text) => out.push_str(text),
        // Depth 1, where a struct held by pointer no longer shows that it is.
        Value::Record(_) => Printer::new(out, Spec::default()).value(value, 'v', 1),
        _ => Printer::new(out, Spec::default()).argument(value, 'v'),
    }
}

/// `fmt.Sprint`: a space between operands when neither is a string.
pub(crate) fn print(values: &[Value], out: &mut Text) -> Result<(), Exceeded> {
    let mut after_string = false;
    for (i, value) in values.iter().enumerate() {
        let is_string = value.as_str().is_some();
        if i > 0 && !is_string && !after_string {
            out.push(' ')?;
        }
        Printer::new(out, Spec::default()).argument(value, 'v')?;
        after_string = is_string;
    }
    Ok(())
}

/// `fmt.Sprintln`
pub(crate) fn println(values: &[Value], out: &mut Text) -> Result<(), Exceeded> {
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(' ')?;
        }
        Printer::new(out, Spec::default()).argument(value, 'v')?;
    }
    out.push('\n')
}
