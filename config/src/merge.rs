//! Lays one configuration over another: mappings merge key by key, everything else is replaced.

use breakwatch_plugin_api::{Diagnostics, Key, Node, NodeKind};

/// `over` laid over `base`. A key of `over` without a value leaves what is there.
pub(crate) fn merge(base: Node, over: Node) -> Node {
    match (base.kind, over.kind) {
        (kind, NodeKind::Null) => Node { kind, ..base },
        (NodeKind::Map(entries), NodeKind::Map(later)) => {
            Node { place: base.place, kind: NodeKind::Map(merge_entries(entries, later)), sensitive: false }
        }
        (_, kind) => Node { kind, ..over },
    }
}

fn merge_entries(mut entries: Vec<(Key, Node)>, later: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    for (key, value) in later {
        match entries.iter_mut().find(|(known, _)| known.name == key.name) {
            None => entries.push((key, value)),
            Some((known, slot)) => {
                let kind = std::mem::replace(&mut slot.kind, NodeKind::Null);
                let before = Node { place: slot.place.clone(), kind, sensitive: slot.sensitive };
                let replaced = before.as_map().is_none() && !value.is_null();
                *slot = merge(before, value);
                if replaced {
                    *known = key;
                }
            }
        }
    }
    entries
}

/// Sections whose entries are named by the user, so that a name twice in one `conf.d` is a mistake and not an
/// override.
const NAMED: [&str; 3] = ["checks", "exporters", "receivers"];

/// Reports components that `later` defines although `base` has them.
pub(crate) fn report_twice_defined(base: &Node, later: &Node, diagnostics: &Diagnostics) {
    for section in NAMED {
        let known = base.get(section).and_then(Node::as_map).unwrap_or_default();
        let added = later.get(section).and_then(Node::as_map).unwrap_or_default();
        for (key, _) in added {
            let Some((first, _)) = known.iter().find(|(k, _)| k.name == key.name) else { continue };
            let message = format!("`{}` is already defined at {}", key.name, first.place);
            diagnostics.error_with_help(&key.place, message, "give it another name");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::to_yaml;

    fn node(text: &str) -> Node {
        let diagnostics = Diagnostics::new();
        crate::load_text("t.yml", text, &diagnostics).expect("test input")
    }

    #[test]
    fn mappings_merge_and_lists_are_replaced() {
        let base = node("a: {b: 1, c: [1, 2], d: {e: 1}}\nf: 1\n");
        let over = node("a: {c: [3], d: {g: 2}, b:}\nh: 3\n");
        assert_eq!(
            to_yaml(&merge(base, over)),
            "a:\n  b: 1\n  c:\n  - 3\n  d:\n    e: 1\n    g: 2\nf: 1\nh: 3\n"
        );
    }

    #[test]
    fn a_replaced_value_is_where_the_later_file_says() {
        let merged = merge(node("a: 1\n"), node("\n\na: 2\n"));
        assert_eq!(merged.get("a").map(|n| n.place.line), Some(3));
    }
}
