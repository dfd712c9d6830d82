//! `${env:NAME}`, `${env:NAME:-default}` and `${file:path}` in values; `$$` is a `$`.
//!
//! Done on the tree, after YAML: what comes from outside can never change the structure, and an error has
//! its place. What came from outside is marked `sensitive` and is never printed.

#[cfg(test)]
mod tests;

use std::path::Path;

use breakwatch_plugin_api::{Diagnostics, Key, Node, NodeKind, Place};

/// Looks up an environment variable.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The largest file `${file:…}` reads: a secret, a token, a certificate chain.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// How deep defaults may hold further substitutions.
const MAX_NESTING: usize = 8;

/// The process' environment. A variable that is not valid UTF-8 counts as not set.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Replaces every substitution in the values of a tree. Paths of `${file:…}` are relative to `base_dir`, the
/// directory of the file the tree was read from.
#[must_use]
pub fn substitute(
    node: Node,
    base_dir: &Path,
    environment: Environment<'_>,
    diagnostics: &Diagnostics,
) -> Node {
    let outside = Outside { base_dir, environment, diagnostics };
    outside.node(node)
}

struct Outside<'a> {
    base_dir: &'a Path,
    environment: Environment<'a>,
    diagnostics: &'a Diagnostics,
}

/// A text being put together.
#[derive(Default)]
struct Expanded {
    text: String,
    /// Whether a piece of it came from the environment or a file.
    from_outside: bool,
}

impl Outside<'_> {
    fn node(&self, mut node: Node) -> Node {
        node.kind = match node.kind {
            NodeKind::List(items) => NodeKind::List(items.into_iter().map(|item| self.node(item)).collect()),
            NodeKind::Map(entries) => {
                NodeKind::Map(entries.into_iter().map(|(key, value)| self.entry(key, value)).collect())
            }
            NodeKind::Scalar { text, quoted } if text.contains('$') => {
                let mut expanded = Expanded::default();
                if let Err(message) = self.text(&text, &node.place, 0, &mut expanded) {
                    self.diagnostics.error(&node.place, message);
                    return node_with(node.place, text, quoted, true);
                }
                return node_with(node.place, expanded.text, quoted, expanded.from_outside);
            }
            other => other,
        };
        node
    }

    fn entry(&self, key: Key, value: Node) -> (Key, Node) {
        if key.name.contains("${") {
            self.diagnostics.error(&key.place, "`${…}` works in values, not in keys");
        }
        (key, self.node(value))
    }

    /// Appends `text` with its substitutions done.
    fn text(&self, text: &str, place: &Place, nesting: usize, out: &mut Expanded) -> Result<(), String> {
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('$') {
                out.text.push('$');
                rest = tail;
            } else if let Some(tail) = after.strip_prefix('{') {
                let end = closing_brace(tail).ok_or("`${` without its `}` (write `$$` for a `$`)")?;
                self.reference(&tail[..end], place, nesting, out)?;
                rest = &tail[end + 1..];
            } else {
                out.text.push('$');
                rest = after;
            }
        }
        out.text.push_str(rest);
        Ok(())
    }

    /// Appends what `${inner}` stands for.
    fn reference(
        &self,
        inner: &str,
        place: &Place,
        nesting: usize,
        out: &mut Expanded,
    ) -> Result<(), String> {
        if nesting >= MAX_NESTING {
            return Err(format!("`${{…}}` nested deeper than {MAX_NESTING} levels"));
        }
        match inner.split_once(':') {
            Some(("env", rest)) => {
                let (name, default) = match rest.split_once(":-") {
                    Some((name, default)) => (name, Some(default)),
                    None => (rest, None),
                };
                self.variable(name, default, place, nesting, out)
            }
            Some(("file", path)) => {
                out.text.push_str(&self.file(path, place)?);
                out.from_outside = true;
                Ok(())
            }
            _ => Err(format!(
                "`${{{inner}}}` is not known: write `${{env:NAME}}`, `${{env:NAME:-default}}` or \
                 `${{file:path}}`, and `$${{` for a plain `${{`"
            )),
        }
    }

    fn variable(
        &self,
        name: &str,
        default: Option<&str>,
        place: &Place,
        nesting: usize,
        out: &mut Expanded,
    ) -> Result<(), String> {
        if !is_variable_name(name) {
            return Err(format!("{name:?} is not the name of an environment variable"));
        }
        // As in a shell, `:-` also stands in for a variable that is set to nothing.
        let value = (self.environment)(name).filter(|value| default.is_none() || !value.is_empty());
        match (value, default) {
            (Some(value), _) => {
                out.text.push_str(&value);
                out.from_outside = true;
                Ok(())
            }
            (None, Some(default)) => self.text(default, place, nesting + 1, out),
            (None, None) => Err(format!(
                "the environment variable {name} is not set (a default is written `${{env:{name}:-default}}`)"
            )),
        }
    }

    fn file(&self, path: &str, place: &Place) -> Result<String, String> {
        let full = self.base_dir.join(path);
        let shown = full.display();
        let metadata = std::fs::metadata(&full).map_err(|error| format!("cannot read {shown}: {error}"))?;
        if !metadata.is_file() {
            return Err(format!("cannot read {shown}: not a file"));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(format!("{shown} is larger than {MAX_FILE_BYTES} bytes"));
        }
        if crate::files::is_world_readable(&metadata) {
            self.diagnostics.warning(
                place,
                format!("everybody on this machine can read {shown}; if it holds a secret, `chmod 0640` it"),
            );
        }
        let bytes = std::fs::read(&full).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8 text"))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// The tree's node for an expanded text. Written plain, an empty result means "nothing", as an empty value does.
fn node_with(place: Place, text: String, quoted: bool, sensitive: bool) -> Node {
    let null = !quoted && matches!(text.as_str(), "" | "~" | "null");
    let kind = if null { NodeKind::Null } else { NodeKind::Scalar { text, quoted } };
    Node { place, kind, sensitive: sensitive && !null }
}

/// Where the brace is that closes one already opened; inner `${…}` are skipped.
fn closing_brace(text: &str) -> Option<usize> {
    let (mut depth, mut before) = (0usize, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
