//! From paths to one merged tree: the main files in their order, each followed by the `conf.d` beside it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use breakwatch_plugin_api::{Diagnostics, Node, NodeKind};

use crate::files::{directory_of, is_world_readable, read_text, whole_file};
use crate::merge::{merge, report_twice_defined};
use crate::redact::written_secrets;
use crate::substitute::{Environment, substitute};
use crate::yaml::load_text;

/// The directory beside a configuration file whose `*.yml` and `*.yaml` are read after it, in name order.
pub const DROP_IN_DIR: &str = "conf.d";

/// Reads the first YAML document of a file (also a rule file or an Alertmanager file). Nothing is substituted.
/// `None` after an error, which is in `diagnostics`.
#[must_use]
pub fn load_file(path: &Path, diagnostics: &Diagnostics) -> Option<Node> {
    let name = path.display().to_string();
    let text = read_text(path, &name, diagnostics)?;
    load_text(&name, &text, diagnostics)
}

/// Reads configuration files and lays each over the one before (mappings are merged, lists and values
/// replaced). A component defined twice in one file and its `conf.d` is an error. `None` if any of them could
/// not be read; substitution mistakes are reported and leave the tree usable for finding more.
#[must_use]
pub fn load_merged(
    paths: &[PathBuf],
    environment: Environment<'_>,
    diagnostics: &Diagnostics,
) -> Option<Node> {
    let mut merged: Option<Node> = None;
    let mut complete = true;
    let mut seen = BTreeSet::new();
    for path in paths {
        let mut layer = load_layer(path, environment, diagnostics);
        complete &= layer.is_some();
        let dir = directory_of(path);
        if seen.insert(dir.clone()) {
            for drop_in in drop_ins(&dir, diagnostics) {
                let later = load_layer(&drop_in, environment, diagnostics);
                complete &= later.is_some();
                let Some(later) = later else { continue };
                layer = Some(match layer {
                    None => later,
                    Some(base) => {
                        report_twice_defined(&base, &later, diagnostics);
                        merge(base, later)
                    }
                });
            }
        }
        merged = match (merged, layer) {
            (Some(base), Some(over)) => Some(merge(base, over)),
            (base, over) => over.or(base),
        };
    }
    merged.filter(|_| complete)
}

/// One file with its substitutions done; its root must be a mapping (or nothing).
fn load_layer(path: &Path, environment: Environment<'_>, diagnostics: &Diagnostics) -> Option<Node> {
    let node = load_file(path, diagnostics)?;
    let node = substitute(node, &directory_of(path), environment, diagnostics);
    if std::fs::metadata(path).is_ok_and(|metadata| is_world_readable(&metadata)) {
        for place in written_secrets(&node) {
            diagnostics.warning(
                &place,
                "a secret in a file that everybody on this machine can read; `chmod 0640` it, or write \
                 `${file:path}` or `${env:NAME}`",
            );
        }
    }
    match node.kind {
        NodeKind::Map(_) => Some(node),
        NodeKind::Null => Some(Node::empty_map(node.place)),
        _ => {
            diagnostics.error(&node.place, format!("expected a mapping, found {}", node.describe()));
            None
        }
    }
}

/// The files of the `conf.d` in a directory, sorted by name; hidden files are left out.
fn drop_ins(dir: &Path, diagnostics: &Diagnostics) -> Vec<PathBuf> {
    let dir = dir.join(DROP_IN_DIR);
    if !dir.is_dir() {
        return Vec::new();
    }
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) => {
            let name = dir.display().to_string();
            diagnostics.error(&whole_file(&name), format!("cannot read the directory: {error}"));
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        yaml && !hidden && path.is_file()
    });
    paths.sort();
    paths
}
