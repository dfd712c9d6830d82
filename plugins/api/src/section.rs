//! Reads a mapping key by key, reporting every mistake and every key nobody asked for.

use std::time::Duration;

use crate::{Diagnostics, Key, Levels, Node, Secret, Unit, nearest, quantity};

/// A mapping being read. Ask for every key that may be there, then call [`Section::finish`].
///
/// A getter returns `None` both when the key is absent and when its value is wrong; in the second case it
/// has reported the mistake, so the caller goes on with its default and the whole file is checked in one run.
pub struct Section<'n> {
    node: &'n Node,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
    diagnostics: &'n Diagnostics,
}

impl<'n> Section<'n> {
    /// Opens a node as a mapping; nothing written counts as an empty one.
    #[must_use]
    pub fn open(node: &'n Node, diagnostics: &'n Diagnostics) -> Option<Self> {
        let entries = match node.as_map() {
            Some(entries) => entries,
            None if node.is_null() => &[],
            None => {
                diagnostics.error(&node.place, format!("expected a mapping, found {}", node.describe()));
                return None;
            }
        };
        Some(Self { node, entries, known: Vec::new(), diagnostics })
    }

    /// The mapping itself.
    #[must_use]
    pub fn node(&self) -> &'n Node {
        self.node
    }

    /// Where findings go.
    #[must_use]
    pub fn diagnostics(&self) -> &'n Diagnostics {
        self.diagnostics
    }

    /// The value of a key. A key written without a value counts as absent.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(k, _)| &*k.name == key)?;
        (!node.is_null()).then_some(node)
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            self.diagnostics.error(&self.node.place, format!("missing required key `{key}`"));
        }
        node
    }

    /// Reads a key with `parse`; its error becomes "expected …" at the value's place.
    pub fn parse<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let node = self.get(key)?;
        parse_node(node, self.diagnostics, parse)
    }

    /// Text.
    pub fn string(&mut self, key: &'static str) -> Option<String> {
        self.parse(key, |text| Ok(text.to_owned()))
    }

    /// Text that must be there.
    pub fn required_string(&mut self, key: &'static str) -> Option<String> {
        let node = self.required(key)?;
        parse_node(node, self.diagnostics, |text| Ok(text.to_owned()))
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &'static str) -> Option<bool> {
        let node = self.get(key)?;
        let value = node.as_bool();
        if value.is_none() {
            let message = format!("expected `true` or `false`, found {}", node.describe());
            match node.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("true" | "false") => {
                    self.diagnostics.error_with_help(&node.place, message, "take the quotes away");
                }
                Some("yes" | "on") => {
                    self.diagnostics.error_with_help(&node.place, message, "did you mean `true`?");
                }
                Some("no" | "off") => {
                    self.diagnostics.error_with_help(&node.place, message, "did you mean `false`?");
                }
                _ => self.diagnostics.error(&node.place, message),
            }
        }
        value
    }

    /// A whole number inside `range`.
    pub fn integer(&mut self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        self.parse(key, |text| match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("a whole number from {} to {}", range.start(), range.end())),
        })
    }

    /// A number.
    pub fn number(&mut self, key: &'static str) -> Option<f64> {
        self.parse(key, |text| match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err("a number".to_owned()),
        })
    }

    /// A share: `85%` or `0.85`, from 0 to 1.
    pub fn ratio(&mut self, key: &'static str) -> Option<f64> {
        self.parse(key, quantity::parse_ratio)
    }

    /// A duration in Prometheus' form: `500ms`, `30s`, `1h30m`; more than zero.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parse(key, |text| match quantity::parse_duration(text) {
            Some(duration) if !duration.is_zero() => Ok(duration),
            Some(_) => Err("a duration longer than zero".to_owned()),
            None => Err("a duration such as `500ms`, `30s` or `1h30m`".to_owned()),
        })
    }

    /// A duration that may be zero.
    pub fn duration_or_zero(&mut self, key: &'static str) -> Option<Duration> {
        self.parse(key, |text| {
            quantity::parse_duration(text)
                .ok_or_else(|| "a duration such as `0s`, `500ms` or `1h30m`".to_owned())
        })
    }

    /// A size in bytes: `512MiB`, `5GB`, `1024`.
    pub fn bytes(&mut self, key: &'static str) -> Option<u64> {
        self.parse(key, |text| {
            quantity::parse_bytes(text).ok_or_else(|| "a size such as `512MiB` or `5GB`".to_owned())
        })
    }

    /// Levels at which a number makes the check degraded or unhealthy.
    pub fn levels(&mut self, key: &'static str, unit: Unit) -> Option<Levels> {
        let node = self.get(key)?;
        Levels::read(node, unit, self.diagnostics)
    }

    /// A list of texts; a single text counts as a list of one.
    pub fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        let node = self.get(key)?;
        if let Some(text) = node.as_str() {
            return Some(vec![text.to_owned()]);
        }
        let Some(items) = node.as_list() else {
            self.wrong(node, "a list of texts");
            return None;
        };
        let read = |item| parse_node(item, self.diagnostics, |text| Ok(text.to_owned()));
        Some(items.iter().filter_map(read).collect())
    }

    /// A mapping of texts, in the order written.
    pub fn string_map(&mut self, key: &'static str) -> Option<Vec<(String, String)>> {
        let node = self.get(key)?;
        let Some(entries) = node.as_map() else {
            self.wrong(node, "a mapping of texts");
            return None;
        };
        let read = |(key, value): &(Key, Node)| {
            let value = parse_node(value, self.diagnostics, |text| Ok(text.to_owned()))?;
            Some((key.name.to_string(), value))
        };
        Some(entries.iter().filter_map(read).collect())
    }

    /// One of a set of words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let node = self.get(key)?;
        let found = node.as_str().and_then(|text| choices.iter().find(|(word, _)| *word == text));
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            let near = node.as_str().and_then(|text| nearest(text, choices.iter().map(|(word, _)| *word)));
            let message = format!("expected one of {}, found {}", words.join(", "), node.describe());
            match near {
                Some(word) => {
                    self.diagnostics.error_with_help(&node.place, message, format!("did you mean `{word}`?"));
                }
                None => self.diagnostics.error(&node.place, message),
            }
        }
        found.map(|(_, value)| *value)
    }

    /// A secret text.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.parse(key, |text| Ok(Secret::new(text)))
    }

    /// A mapping under a key.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'n>> {
        let node = self.get(key)?;
        Section::open(node, self.diagnostics)
    }

    /// Declares keys that somebody else reads.
    pub fn allow(&mut self, keys: impl IntoIterator<Item = &'static str>) {
        self.known.extend(keys);
    }

    /// Reports an error at the value of `key`, or at the mapping if the key is not written.
    pub fn error_at(&self, key: &str, message: impl Into<String>) {
        let place = self.node.get(key).map_or(&self.node.place, |node| &node.place);
        self.diagnostics.error(place, message);
    }

    /// Reports every key nobody asked for.
    pub fn finish(self) {
        for (key, _) in self.entries {
            if self.known.iter().any(|known| *known == &*key.name) {
                continue;
            }
            let message = format!("unknown key `{}`", key.name);
            match nearest(&key.name, self.known.iter().copied()) {
                Some(word) => {
                    self.diagnostics.error_with_help(&key.place, message, format!("did you mean `{word}`?"));
                }
                None if self.known.is_empty() => self.diagnostics.error(&key.place, message),
                None => {
                    let mut known = self.known.clone();
                    known.sort_unstable();
                    known.dedup();
                    let known = format!("known keys: {}", known.join(", "));
                    self.diagnostics.error_with_help(&key.place, message, known);
                }
            }
        }
    }

    fn wrong(&self, node: &Node, expected: &str) {
        self.diagnostics.error(&node.place, format!("expected {expected}, found {}", node.describe()));
    }
}

/// Reads a scalar with `parse`; its error text says what was expected.
fn parse_node<T>(
    node: &Node,
    diagnostics: &Diagnostics,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let result = match node.as_str() {
        Some(text) => parse(text),
        None => Err("text".to_owned()),
    };
    match result {
        Ok(value) => Some(value),
        Err(expected) => {
            diagnostics.error(&node.place, format!("expected {expected}, found {}", node.describe()));
            None
        }
    }
}
