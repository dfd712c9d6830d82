//! One assertion: a path and what must be found there.

use breakwatch_plugin_api::{Diagnostics, Key, Node, NodeKind, Section};
use regex::Regex;
use serde_json::Value;

use super::path::Path;
use crate::pattern;
use crate::report::clean;

/// How much of a found value a message shows.
const SHOWN: usize = 100;

/// What must hold of a value.
#[derive(Debug)]
enum Want {
    Equals(Scalar),
    NotEquals(Scalar),
    Regex(Regex),
    AtLeast(f64),
    AtMost(f64),
    Exists(bool),
}

/// A value as the user wrote it.
#[derive(Debug)]
struct Scalar {
    text: String,
    /// Written in quotes: only a JSON string can be equal.
    quoted: bool,
}

impl Scalar {
    fn read(node: &Node) -> Option<Self> {
        match &node.kind {
            NodeKind::Scalar { text, quoted } => Some(Self { text: text.clone(), quoted: *quoted }),
            NodeKind::Null => Some(Self { text: "null".to_owned(), quoted: false }),
            _ => None,
        }
    }

    fn equals(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => *text == self.text,
            _ if self.quoted => false,
            Value::Number(number) => {
                number.to_string() == self.text
                    || self.text.parse::<f64>().is_ok_and(|wanted| number.as_f64() == Some(wanted))
            }
            Value::Bool(flag) => self.text == if *flag { "true" } else { "false" },
            Value::Null => self.text == "null" || self.text == "~",
            _ => false,
        }
    }
}

/// A path and what must be found there.
#[derive(Debug)]
pub(crate) struct Assertion {
    written: String,
    path: Path,
    wants: Vec<Want>,
}

impl Assertion {
    /// Reads one entry of the `json:` mapping.
    pub(crate) fn read(key: &Key, node: &Node, diagnostics: &Diagnostics) -> Option<Self> {
        let path = match Path::parse(&key.name) {
            Ok(path) => path,
            Err(expected) => {
                diagnostics.error(&key.place, format!("expected {expected}, found {:?}", key.name));
                return None;
            }
        };
        let wants = match Scalar::read(node) {
            Some(scalar) => vec![Want::Equals(scalar)],
            None => read_wants(Section::open(node, diagnostics)?),
        };
        Some(Self { written: key.name.to_string(), path, wants })
    }

    /// Holds the body against the assertion.
    ///
    /// # Errors
    /// What was expected and what is there.
    pub(crate) fn check(&self, root: &Value) -> Result<(), String> {
        let found = self.path.select(root);
        for want in &self.wants {
            if let Want::Exists(wanted) = want {
                match (*wanted, found.is_empty()) {
                    (true, true) => return Err(format!("JSON {} does not exist", self.written)),
                    (false, false) => return Err(format!("JSON {} exists", self.written)),
                    _ => continue,
                }
            }
            if found.is_empty() {
                return Err(format!("JSON {} does not exist", self.written));
            }
            for value in &found {
                if let Err(expected) = holds(want, value) {
                    let shown = clean(&value.to_string(), SHOWN);
                    return Err(format!("JSON {} is {shown}, expected {expected}", self.written));
                }
            }
        }
        Ok(())
    }
}

fn read_wants(mut section: Section<'_>) -> Vec<Want> {
    let mut wants = Vec::new();
    wants.extend(section.get("equals").and_then(Scalar::read).map(Want::Equals));
    wants.extend(section.get("not_equals").and_then(Scalar::read).map(Want::NotEquals));
    wants.extend(section.parse("regex", pattern::text).map(Want::Regex));
    wants.extend(section.number("at_least").map(Want::AtLeast));
    wants.extend(section.number("at_most").map(Want::AtMost));
    wants.extend(section.bool("exists").map(Want::Exists));
    if wants.is_empty() && section.node().as_map().is_some_and(<[_]>::is_empty) {
        let place = &section.node().place;
        section.diagnostics().error(place, "expected a value or at least one of `equals`, `regex`, `exists`");
    }
    section.finish();
    wants
}

/// Whether a value is as wanted; the error says what was wanted.
fn holds(want: &Want, value: &Value) -> Result<(), String> {
    let (ok, expected) = match want {
        Want::Equals(scalar) => (scalar.equals(value), scalar.text.clone()),
        Want::NotEquals(scalar) => (!scalar.equals(value), format!("anything but {}", scalar.text)),
        Want::Regex(regex) => {
            let ok = match value {
                Value::String(text) => regex.is_match(text),
                other => regex.is_match(&other.to_string()),
            };
            (ok, format!("a match of /{regex}/"))
        }
        Want::AtLeast(limit) => (number(value).is_some_and(|n| n >= *limit), format!("at least {limit}")),
        Want::AtMost(limit) => (number(value).is_some_and(|n| n <= *limit), format!("at most {limit}")),
        Want::Exists(_) => (true, String::new()),
    };
    if ok { Ok(()) } else { Err(expected) }
}

/// A JSON number, or a string that holds one.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use breakwatch_plugin_api::Place;

    use super::*;

    fn scalar(text: &str, quoted: bool) -> Node {
        let kind = NodeKind::Scalar { text: text.to_owned(), quoted };
        Node { place: Place::default(), kind, sensitive: false }
    }

    fn check(path: &str, node: &Node, body: &str) -> Result<(), String> {
        let diagnostics = Diagnostics::new();
        let key = Key { name: Arc::from(path), place: Place::default() };
        let assertion = Assertion::read(&key, node, &diagnostics).expect("reads");
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assertion.check(&serde_json::from_str(body).unwrap())
    }

    fn mapping(entries: &[(&str, &str)]) -> Node {
        let entry = |(name, text): &(&str, &str)| {
            let key = Key { name: Arc::from(*name), place: Place::default() };
            (key, scalar(text, false))
        };
        let kind = NodeKind::Map(entries.iter().map(entry).collect());
        Node { place: Place::default(), kind, sensitive: false }
    }

    #[test]
    fn plain_values_compare_by_what_json_holds() {
        for (wanted, quoted, body, ok) in [
            ("up", false, r#"{"v":"up"}"#, true),
            ("3", false, r#"{"v":3}"#, true),
            ("3", false, r#"{"v":3.0}"#, true),
            ("3", false, r#"{"v":"3"}"#, true),
            ("3", true, r#"{"v":3}"#, false),
            ("true", false, r#"{"v":true}"#, true),
            ("null", false, r#"{"v":null}"#, true),
            ("up", false, r#"{"v":{"up":1}}"#, false),
        ] {
            assert_eq!(check("$.v", &scalar(wanted, quoted), body).is_ok(), ok, "{wanted} in {body}");
        }
    }

    #[test]
    fn messages_say_what_was_found() {
        let result = check("$.db", &scalar("up", false), r#"{"db":"down"}"#);
        assert_eq!(result.unwrap_err(), r#"JSON $.db is "down", expected up"#);
        let result = check("$.gone", &scalar("up", false), "{}");
        assert_eq!(result.unwrap_err(), "JSON $.gone does not exist");
        let result = check("$.n[*]", &mapping(&[("at_most", "5")]), r#"{"n":[1,9]}"#);
        assert_eq!(result.unwrap_err(), "JSON $.n[*] is 9, expected at most 5");
    }

    #[test]
    fn comparisons() {
        for (entry, body, ok) in [
            (("not_equals", "down"), r#"{"v":"up"}"#, true),
            (("regex", "^v1\\."), r#"{"v":"v1.2"}"#, true),
            (("at_least", "2"), r#"{"v":"1.5"}"#, false),
            (("exists", "false"), r#"{"w":1}"#, true),
            (("exists", "false"), r#"{"v":1}"#, false),
            (("exists", "true"), r#"{"v":null}"#, true),
        ] {
            assert_eq!(check("$.v", &mapping(&[entry]), body).is_ok(), ok, "{entry:?} on {body}");
        }
    }
}
