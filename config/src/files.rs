//! Files on disk: reading one as text, who else can read it, and what a path in it is relative to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use breakwatch_plugin_api::{Diagnostics, Place};

use crate::yaml;

/// The text of a configuration file, or `None` after an error, which is in `diagnostics`.
pub(crate) fn read_text(path: &Path, name: &str, diagnostics: &Diagnostics) -> Option<String> {
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

/// A place in a file as a whole: its first character.
pub(crate) fn whole_file(name: &str) -> Place {
    Place { file: Arc::from(name), line: 1, column: 1, path: "".into() }
}

/// Whether every user of the machine may read a file.
pub(crate) fn is_world_readable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}
