//! Restore: a backup back into a data directory.

use std::path::Path;

use breakwatch_model::StorageError;

use super::backup::{BackupSummary, LIST};
use super::copy::{copy_file, empty_dir, failed, sync_dir, write_file};
use crate::datadir::RESTORING;
use crate::format::FORMAT_VERSION;

/// Copies a backup into `target`, a new or empty directory, checking every file on the way. Until it is
/// complete the directory is marked, and nothing opens it.
///
/// # Errors
/// When the backup is incomplete, damaged or of a newer release, or `target` is not empty or cannot be
/// written.
pub fn restore(backup: &Path, target: &Path) -> Result<BackupSummary, StorageError> {
    let list = backup.join(LIST);
    let text = std::fs::read(&list)
        .map_err(|error| failed("this is no complete backup: cannot read", &list, &error))?;
    let summary: BackupSummary = serde_json::from_slice(&text)
        .map_err(|error| StorageError::Corrupt(format!("{} is unreadable: {error}", list.display())))?;
    if summary.format > FORMAT_VERSION {
        return Err(StorageError::Unavailable(format!(
            "the backup was made by a newer release (format {}, this release knows up to {FORMAT_VERSION})",
            summary.format
        )));
    }
    empty_dir(target)?;
    let mark = target.join(RESTORING);
    write_file(&mark, b"").map_err(|error| failed("cannot write", &mark, &error))?;
    sync_dir(target)?;
    let mut dirs = std::collections::BTreeSet::new();
    for (name, bytes, crc) in &summary.files {
        if name.split('/').any(|part| part == ".." || part.is_empty()) {
            return Err(StorageError::Corrupt(format!(
                "{} names a file outside of it: {name}",
                list.display()
            )));
        }
        let (from, to) = (backup.join(name), target.join(name));
        if let Some(parent) = to.parent() {
            crate::disk::Disk::create_dir_all(&crate::disk::RealDisk, parent)
                .map_err(|error| failed("cannot make", parent, &error))?;
            dirs.insert(parent.to_owned());
        }
        let written =
            copy_file(&from, &to, u64::MAX).map_err(|error| failed("cannot restore", &from, &error))?;
        if (written.bytes, written.crc) != (*bytes, *crc) {
            return Err(StorageError::Corrupt(format!("{} is not what was backed up", from.display())));
        }
    }
    for dir in &dirs {
        sync_dir(dir)?;
    }
    std::fs::remove_file(&mark).map_err(|error| failed("cannot remove", &mark, &error))?;
    sync_dir(target)?;
    Ok(summary)
}
