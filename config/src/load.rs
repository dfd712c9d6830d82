//! From paths to one merged tree: the main files in their order, each followed by the `conf.d` beside it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use breakwatch_plugin_api::{Diagnostics, Node, NodeKind, Place};

use crate::merge::{merge, report_twice_defined};
use crate::redact::written_secrets;
use crate::substitute::{Environment, substitute};
use crate::yaml::{self, load_text};

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

fn read_text(path: &Path, name: &str, diagnostics: &Diagnostics) -> Option<String> {
    let fail = |message: String| {
        diagnostics.error(&whole_file(name), message);
        None
    };
    match std::fs::metadata(path) {
        Err(error) => return fail(format!("cannot read the file: {error}")),
        Ok(metadata) if metadata.is_dir() => return fail("this is a directory, not a file".to_owned()),
        Ok(metadata) if metadata.len() > yaml::MAX_BYTES as u64 => {
            return fail(format!("the file is larger than {} MiB", yaml::MAX_BYTES / (1024 * 1024)));
        }
        Ok(_) => {}
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return fail(format!("cannot read the file: {error}")),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let mut place = whole_file(name);
            place.line = u32::try_from(line).unwrap_or(u32::MAX);
            diagnostics.error(&place, "the file is not UTF-8 text");
            None
        }
    }
}

/// The directory that relative paths in a file are relative to.
pub(crate) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The directory that relative paths in a value are relative to: that of the file it stands in.
pub(crate) fn base_dir(place: &Place) -> PathBuf {
    directory_of(Path::new(&*place.file))
}

/// A path from a value, relative to the value's file.
pub(crate) fn resolve(path: &str, place: &Place) -> PathBuf {
    let path = Path::new(path);
    if path.is_absolute() { path.to_owned() } else { base_dir(place).join(path) }
}

fn whole_file(name: &str) -> Place {
    Place { file: Arc::from(name), line: 1, column: 1, path: "".into() }
}

/// Whether every user of the machine may read a file.
pub(crate) fn is_world_readable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}
