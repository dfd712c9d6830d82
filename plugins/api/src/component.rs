//! Component ids (`type` or `type/name`, as in the OpenTelemetry Collector) and documented fields.

use std::fmt;
use std::sync::Arc;

/// `type` or `type/name`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ComponentId {
    /// The kind: `http`, `otlp`.
    pub kind: Arc<str>,
    /// The instance's name; empty when there is only one of the kind.
    pub name: Arc<str>,
}

impl ComponentId {
    /// Reads `type` or `type/name`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        let kind_ok = !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let name_ok = name.chars().all(|c| !c.is_control() && c != '"') && name.len() <= 200;
        if !kind_ok || !name_ok || (text.contains('/') && name.is_empty()) {
            return Err(format!("{text:?} is not a component id (`type` or `type/name`)"));
        }
        Ok(Self { kind: kind.into(), name: name.into() })
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, "/{}", self.name) }
    }
}

/// A documented setting: what the reference pages, `components` and the key check read.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Its type in words: `duration`, `text`, `list of texts`.
    pub kind: &'static str,
    /// The default as it would be written; empty when the key is required or has none.
    pub default: &'static str,
    /// One or two sentences.
    pub help: &'static str,
}
