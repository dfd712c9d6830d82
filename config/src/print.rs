//! Writes a tree as YAML that reads back to the same tree.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use breakwatch_plugin_api::{Key, Node, NodeKind};

/// The tree as YAML in block style, two spaces a level. Nothing is redacted here.
#[must_use]
pub(crate) fn to_yaml(node: &Node) -> String {
    let mut out = String::new();
    match &node.kind {
        NodeKind::Map(entries) if !entries.is_empty() => write_map(&mut out, entries, 0, false),
        NodeKind::List(items) if !items.is_empty() => write_list(&mut out, items, 0),
        _ => {
            write_inline(&mut out, node, 0);
            out.push('\n');
        }
    }
    out
}

/// Entries at an indentation; the first one stays on the line if that has begun (`- key: …`).
fn write_map(out: &mut String, entries: &[(Key, Node)], indent: usize, begun: bool) {
    for (i, (key, value)) in entries.iter().enumerate() {
        if i > 0 || !begun {
            pad(out, indent);
        }
        write_key(out, &key.name);
        out.push(':');
        match &value.kind {
            NodeKind::Map(children) if !children.is_empty() => {
                out.push('\n');
                write_map(out, children, indent + 2, false);
            }
            NodeKind::List(items) if !items.is_empty() => {
                out.push('\n');
                write_list(out, items, indent);
            }
            _ => {
                out.push(' ');
                write_inline(out, value, indent);
                out.push('\n');
            }
        }
    }
}

fn write_list(out: &mut String, items: &[Node], indent: usize) {
    for item in items {
        pad(out, indent);
        out.push('-');
        match &item.kind {
            NodeKind::Map(entries) if !entries.is_empty() => {
                out.push(' ');
                write_map(out, entries, indent + 2, true);
            }
            NodeKind::List(children) if !children.is_empty() => {
                out.push('\n');
                write_list(out, children, indent + 2);
            }
            _ => {
                out.push(' ');
                write_inline(out, item, indent);
                out.push('\n');
            }
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Everything that stands behind `key: ` or `- `.
fn write_inline(out: &mut String, node: &Node, indent: usize) {
    match &node.kind {
        NodeKind::Null => out.push_str("null"),
        NodeKind::List(_) => out.push_str("[]"),
        NodeKind::Map(_) => out.push_str("{}"),
        NodeKind::Scalar { text, quoted } => {
            if is_block(text) {
                write_block(out, text, indent);
            } else if !*quoted && is_plain(text) {
                out.push_str(text);
            } else {
                write_quoted(out, text);
            }
        }
    }
}

fn write_key(out: &mut String, name: &str) {
    let special = matches!(name, "<<" | "~" | "null" | "Null" | "NULL");
    if is_plain(name) && !special { out.push_str(name) } else { write_quoted(out, name) }
}

/// Whether a text can stand without quotes, anywhere a block value or key can.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let second = chars.next();
    let starts = match first {
        '-' | '?' | ':' => second.is_some_and(|c| !c.is_whitespace()) && !text.starts_with("---"),
        '.' => !text.starts_with("..."),
        _ => !",[]{}#&*!|>'\"%@`".contains(first),
    };
    let harmless = |c: char| c == ' ' || (!c.is_whitespace() && !c.is_control() && is_printable(c));
    starts
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && text.chars().all(harmless)
        && !text.contains(": ")
        && !text.contains(" #")
}

/// Whether a text of several lines can stand as a literal block (`|`).
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && body.split('\n').all(|line| !line.starts_with([' ', '\t']) && !line.ends_with([' ', '\t']))
        && !body.starts_with('\n')
        && !body.ends_with('\n')
        && text.chars().all(|c| c == '\n' || (!c.is_control() && is_printable(c)))
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent + 2);
            out.push_str(line);
        }
    }
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || !is_printable(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Characters that YAML or a reader's eye may take for something else are written as escapes.
fn is_printable(c: char) -> bool {
    !matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
