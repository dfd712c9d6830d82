//! What the daemon runs with, for people: the merged tree with the defaults that apply filled in, redacted.

use std::sync::Arc;

use breakwatch_plugin_api::{ComponentId, Key, Node, NodeKind, Place, format_duration};

use crate::check::{CheckConfig, CheckKind};
use crate::config::Config;
use crate::print::to_yaml;
use crate::redact::redact;

/// The effective configuration as YAML. Secrets are shown as `<secret>`; the rest reads back to the same
/// configuration.
#[must_use]
pub fn print_config(config: &Config) -> String {
    let mut root = config.node.clone();
    for (id, check) in &config.checks {
        at(&mut root, "checks", |checks| at(checks, &id.to_string(), |node| fill_check(node, check)));
    }
    fill_sections(&mut root, config);
    to_yaml(&escape(redact(&root)))
}

/// One check with its defaults, as YAML under its id, redacted: for the API and the page of a check.
#[must_use]
pub fn print_check(config: &Config, id: &ComponentId) -> Option<String> {
    let check = config.checks.get(id)?;
    let mut node = config.node.get("checks")?.get(&id.to_string())?.clone();
    fill_check(&mut node, check);
    let mut root = Node::empty_map(node.place.clone());
    at(&mut root, &id.to_string(), |slot| *slot = node);
    Some(to_yaml(&escape(redact(&root))))
}

fn fill_check(node: &mut Node, check: &CheckConfig) {
    if matches!(check.kind, CheckKind::Probe { .. }) {
        fill(node, "interval", &format_duration(check.interval));
        fill(node, "timeout", &format_duration(check.timeout));
        fill(node, "probe_when_open", check.probe_when_open.as_str());
    }
    fill(node, "impact", check.impact.as_str());
}

fn fill_sections(root: &mut Node, config: &Config) {
    at(root, "bulkheads", |bulkheads| {
        let named = config.bulkheads.own.iter().map(|(name, limits)| (name.as_str(), limits));
        let general = [("kind", &config.bulkheads.kind), ("host", &config.bulkheads.host)];
        for (name, limits) in general.into_iter().chain(named) {
            at(bulkheads, name, |bulkhead| {
                fill(bulkhead, "max_concurrent", &limits.max_concurrent.to_string());
                fill(bulkhead, "max_queued", &limits.max_queued.to_string());
            });
        }
    });
    at(root, "rules", |rules| {
        fill(rules, "shipped", if config.rules.shipped { "true" } else { "false" });
        fill(rules, "evaluation_interval", &format_duration(config.rules.evaluation_interval));
    });
    at(root, "store", |store| {
        fill(store, "path", &config.store.path.display().to_string());
        fill(store, "tick", &format_duration(config.store.tick));
        at(store, "retention", |retention| {
            fill(retention, "time", &format_duration(config.store.retention_time));
            fill(retention, "rollups", &format_duration(config.store.retention_rollups));
        });
    });
    at(root, "server", |server| fill(server, "listen", &config.server.listen.to_string()));
}

/// Writes the dollars that would be read as a substitution twice.
fn escape(mut node: Node) -> Node {
    node.kind = match node.kind {
        NodeKind::Scalar { text, quoted } => NodeKind::Scalar { text: escape_text(&text), quoted },
        NodeKind::List(items) => NodeKind::List(items.into_iter().map(escape).collect()),
        NodeKind::Map(entries) => {
            NodeKind::Map(entries.into_iter().map(|(key, value)| (key, escape(value))).collect())
        }
        NodeKind::Null => NodeKind::Null,
    };
    node
}

fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let dollars = rest[at..].len() - rest[at..].trim_start_matches('$').len();
        let (before, after) = (&rest[..at], &rest[at + dollars..]);
        out.push_str(before);
        let twice = dollars > 1 || after.starts_with('{');
        out.extend(std::iter::repeat_n('$', if twice { 2 * dollars } else { dollars }));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Sets a key that is not written.
fn fill(node: &mut Node, key: &str, value: &str) {
    if node.get(key).is_none_or(Node::is_null) {
        at(node, key, |slot| slot.kind = NodeKind::Scalar { text: value.to_owned(), quoted: false });
    }
}

/// Changes the value under a key, which is made (with nothing in it) if it is not there.
fn at(node: &mut Node, key: &str, change: impl FnOnce(&mut Node)) {
    if node.as_map().is_none() {
        node.kind = NodeKind::Map(Vec::new());
    }
    let place = Place { file: Arc::clone(&node.place.file), ..Place::default() };
    if let NodeKind::Map(entries) = &mut node.kind {
        if !entries.iter().any(|(known, _)| &*known.name == key) {
            let value = Node { place: place.clone(), kind: NodeKind::Null, sensitive: false };
            entries.push((Key { name: key.into(), place }, value));
        }
        if let Some((_, value)) = entries.iter_mut().find(|(known, _)| &*known.name == key) {
            change(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dollars_that_would_be_read_are_doubled() {
        for (text, escaped) in [
            ("^ok$", "^ok$"),
            ("$x", "$x"),
            ("${x}", "$${x}"),
            ("a$$b", "a$$$$b"),
            ("$$${", "$$$$$${"),
            ("", ""),
        ] {
            assert_eq!(escape_text(text), escaped);
        }
    }
}
