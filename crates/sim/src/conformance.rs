//! Other projects' test data. It is not ours to copy, so it is read where it lies.

use std::path::PathBuf;

/// A file or folder of it: below `BREAKWATCH_CONFORMANCE`, or else beside the project. `None`, said loudly, where
/// it is missing.
///
/// # Panics
/// When it is missing and `CI=true`.
#[must_use]
pub fn conformance(part: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let root = std::env::var_os("BREAKWATCH_CONFORMANCE").map_or_else(beside, PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    crate::left_out(&format!("{} is missing; other projects' cases were not run", path.display()));
    None
}
