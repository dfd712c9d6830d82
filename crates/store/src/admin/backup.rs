//! Backup: a copy of everything, consistent, while the daemon goes on.
//!
//! Moving data on pauses while the copy is made, taking samples and committing state do not. What is in
//! memory is in the log, which is copied from where it is needed; the hot tier's chunks are copied out as
//! blocks of unfinished days, because sled's own files cannot be copied under it. Finished blocks are linked
//! where the file system allows, since they never change. The list of files with their CRCs comes last: a
//! backup without it is not one.

use std::path::Path;

use breakwatch_model::{StorageError, Timestamp};
use serde::{Deserialize, Serialize};

use super::copy::{Written, copy_file, empty_dir, failed, measure, sync_dir, write_file};
use crate::format::{FORMAT_VERSION, version_line};
use crate::history::History;
use crate::state::StateLog;

/// The name of the list of files.
pub(crate) const LIST: &str = "BACKUP.json";

/// What a backup consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Version of the on-disk format.
    pub format: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its files: path below the backup, length, CRC-32.
    pub files: Vec<(String, u64, u32)>,
}

impl BackupSummary {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes, _)| bytes).sum()
    }
}

/// Files of a backup being made.
pub(crate) struct Target<'a> {
    root: &'a Path,
    files: Vec<(String, u64, u32)>,
}

impl Target<'_> {
    fn note(&mut self, name: &str, written: Written) {
        self.files.push((name.to_owned(), written.bytes, written.crc));
    }

    /// Makes a directory.
    pub(crate) fn dir(&self, name: &str) -> Result<(), StorageError> {
        let path = self.root.join(name);
        crate::disk::Disk::create_dir_all(&crate::disk::RealDisk, &path)
            .map_err(|error| failed("cannot make", &path, &error))
    }

    /// Writes a file.
    pub(crate) fn write(&mut self, name: &str, content: &[u8]) -> Result<(), StorageError> {
        let path = self.root.join(name);
        let written = write_file(&path, content).map_err(|error| failed("cannot write", &path, &error))?;
        self.note(name, written);
        Ok(())
    }

    /// Copies at most `most` bytes of a file.
    pub(crate) fn copy(&mut self, from: &Path, name: &str, most: u64) -> Result<(), StorageError> {
        let path = self.root.join(name);
        let written =
            copy_file(from, &path, most).map_err(|error| failed("cannot copy to", &path, &error))?;
        self.note(name, written);
        Ok(())
    }

    /// Links a file that never changes, or copies it where that cannot be.
    pub(crate) fn link(&mut self, from: &Path, name: &str) -> Result<(), StorageError> {
        let path = self.root.join(name);
        if std::fs::hard_link(from, &path).is_err() {
            return self.copy(from, name, u64::MAX);
        }
        self.take(name)
    }

    /// Takes in a file that was written in place.
    pub(crate) fn take(&mut self, name: &str) -> Result<(), StorageError> {
        let path = self.root.join(name);
        let written = measure(&path).map_err(|error| failed("cannot read", &path, &error))?;
        self.note(name, written);
        Ok(())
    }

    pub(crate) const fn root(&self) -> &Path {
        self.root
    }
}

/// Copies state and history to `target`, a new or empty directory. Blocks on the disk; takes as long as
/// copying takes.
///
/// # Errors
/// When `target` is not empty or cannot be written, or the store cannot be read. What was copied so far stays
/// there and is not a backup: the list of files is missing.
pub fn backup(history: &History, state: &StateLog, target: &Path) -> Result<BackupSummary, StorageError> {
    empty_dir(target)?;
    let mut copy = Target { root: target, files: Vec::new() };
    copy.write("FORMAT", version_line(FORMAT_VERSION).as_bytes())?;
    state.back_up(&mut copy)?;
    history.back_up(&mut copy)?;
    let created_at = history.now();
    let summary = BackupSummary { format: FORMAT_VERSION, created_at, files: copy.files };
    let list = serde_json::to_vec_pretty(&summary)
        .map_err(|error| StorageError::Unavailable(format!("cannot list the backup: {error}")))?;
    for dir in ["state/journal", "state", "blocks", "wal"] {
        sync_dir(&target.join(dir))?;
    }
    let path = target.join(LIST);
    write_file(&path, &list).map_err(|error| failed("cannot write", &path, &error))?;
    sync_dir(target)?;
    Ok(summary)
}
