//! Copying files so that what is there is whole and durable.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use breakwatch_model::StorageError;

/// Bytes copied at a time.
const PIECE: usize = 1 << 20;

/// A file that was written: its length and the CRC-32 of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}

/// Copies (a part of) a file, durably.
pub(crate) fn copy_file(from: &Path, to: &Path, most: u64) -> io::Result<Written> {
    let mut target = create(to)?;
    let written = each_piece(&mut File::open(from)?.take(most), &mut |piece| target.write_all(piece))?;
    target.sync_all()?;
    Ok(written)
}

/// Reads to the end, a piece at a time.
fn each_piece(source: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<Written> {
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        let read = source.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        each(piece)?;
        bytes += read as u64;
    }
    Ok(Written { bytes, crc: hasher.finalize() })
}

/// Writes a new file, durably.
pub(crate) fn write_file(to: &Path, content: &[u8]) -> io::Result<Written> {
    let mut target = create(to)?;
    target.write_all(content)?;
    target.sync_all()?;
    Ok(Written { bytes: content.len() as u64, crc: crc32fast::hash(content) })
}

/// Length and CRC of a file that is there.
pub(crate) fn measure(path: &Path) -> io::Result<Written> {
    each_piece(&mut File::open(path)?, &mut |_| Ok(()))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// An I/O error with the path it is about.
pub(crate) fn failed(what: &str, path: &Path, error: &io::Error) -> StorageError {
    StorageError::io(format!("{what} {}", path.display()), error)
}

/// Makes sure that `path` is a directory with nothing in it.
pub(crate) fn empty_dir(path: &Path) -> Result<(), StorageError> {
    let disk = crate::disk::RealDisk;
    crate::disk::Disk::create_dir_all(&disk, path).map_err(|error| failed("cannot make", path, &error))?;
    let mut entries = std::fs::read_dir(path).map_err(|error| failed("cannot read", path, &error))?;
    // What `mkfs` leaves at the root of a file system is not somebody's data.
    if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "lost+found")) {
        return Err(StorageError::Limit(format!(
            "{} is not empty; give a new or empty directory",
            path.display()
        )));
    }
    Ok(())
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), StorageError> {
    let disk = crate::disk::RealDisk;
    crate::disk::Disk::sync_dir(&disk, path).map_err(|error| failed("cannot sync", path, &error))
}
