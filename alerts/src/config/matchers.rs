//! Conditions in their three forms: `match` (equal), `match_re` (pattern) and `matchers` (any).

use breakwatch_model::{MatchOp, Matcher};
use breakwatch_plugin_api::{Diagnostics, Node, Section};

use crate::matchers::parse_matchers;

/// The names under which the three forms stand in a mapping.
pub(super) struct Keys {
    /// `match`, `source_match`, `target_match`.
    pub(super) equal: &'static str,
    /// `match_re` and so on.
    pub(super) pattern: &'static str,
    /// `matchers` and so on.
    pub(super) list: &'static str,
}

/// Reads all three forms, sorted as Alertmanager sorts them.
pub(super) fn read(section: &mut Section<'_>, keys: &Keys) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    for (key, op) in [(keys.equal, MatchOp::Equal), (keys.pattern, MatchOp::Regex)] {
        if let Some(node) = section.get(key) {
            matchers.extend(from_map(node, op, section.diagnostics()));
        }
    }
    if let Some(node) = section.get(keys.list) {
        matchers.extend(from_list(node, section.diagnostics()));
    }
    crate::matchers::sort(&mut matchers);
    matchers
}

fn from_map(node: &Node, op: MatchOp, diagnostics: &Diagnostics) -> Vec<Matcher> {
    let Some(entries) = node.as_map() else {
        let message = format!("expected a mapping of label names to values, found {}", node.describe());
        diagnostics.error(&node.place, message);
        return Vec::new();
    };
    let read = |(key, value): &(breakwatch_plugin_api::Key, Node)| {
        let Some(text) = value.as_str() else {
            diagnostics.error(&value.place, format!("expected text, found {}", value.describe()));
            return None;
        };
        let matcher = Matcher::new(op, &*key.name, text);
        matcher.map_err(|error| diagnostics.error(&value.place, error.to_string())).ok()
    };
    entries.iter().filter_map(read).collect()
}

/// A list of texts, each with one matcher or several; a single text counts as a list of one.
pub(super) fn from_list(node: &Node, diagnostics: &Diagnostics) -> Vec<Matcher> {
    let single = std::slice::from_ref(node);
    let items = if node.as_str().is_some() { single } else { super::items(node, diagnostics) };
    let mut matchers = Vec::new();
    for item in items {
        let Some(text) = item.as_str() else {
            let message =
                format!("expected a matcher such as `severity=\"page\"`, found {}", item.describe());
            diagnostics.error(&item.place, message);
            continue;
        };
        match parse_matchers(text) {
            Ok(list) => matchers.extend(list),
            Err(error) => diagnostics.error(&item.place, format!("cannot read matcher {text:?}: {error}")),
        }
    }
    matchers
}
