//! The file operations the store relies on, and nothing more.
//!
//! Every byte the store writes itself (sled's files aside) passes through [`Disk`], for one reason: the
//! promises of a store are promises about what a disk may forget. Behind this trait tests put a disk that
//! forgets everything that was not synced, that is full, or that fails (see [`SimDisk`]), and the same code
//! runs against it that runs in production against [`RealDisk`].

mod lock;
mod real;
mod sim;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) use lock::while_held;
pub use real::RealDisk;
pub use sim::{CrashMode, SimDisk};

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name inside the directory. Names that are not UTF-8 are not ours and are left out of listings.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes (files).
    pub len: u64,
}

/// Where files live. Paths are absolute or relative to the process, as the caller's are.
pub trait Disk: Send + Sync + Debug {
    /// Makes a directory and its parents, mode 0700, and the new names durable.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Opens a file for reading and writing, made (mode 0600) if it is not there and `create` is set.
    /// Symbolic links are not followed.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading alone.
    ///
    /// # Errors
    /// As the system says.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;

    /// Renames, replacing what is at `to`. Durable after [`Disk::sync_dir`] of both directories.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with everything in it.
    ///
    /// # Errors
    /// As the system says.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    /// As the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether something is at `path`.
    fn exists(&self, path: &Path) -> bool;
}

/// An open file. All methods take `&self`; positions are explicit.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads into `buf` from `offset`; gives how much there was (short only at the end of the file).
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// As the system says; part of the data may have been written then.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// # Errors
    /// As the system says. Nothing may be assumed of what was written since the last success.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As [`DiskFile::len`].
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// As the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// Reads exactly `len` bytes from `offset`.
///
/// # Errors
/// As the system says; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
pub fn read_exact_at(file: &dyn DiskFile, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; len];
    if file.read_at(&mut buf, offset)? < len {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it should be"));
    }
    Ok(buf)
}

/// Reads a whole file.
///
/// # Errors
/// As the system says.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open_read(path)?;
    let len = usize::try_from(file.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut buf = vec![0; len];
    let read = file.read_at(&mut buf, 0)?;
    buf.truncate(read);
    Ok(buf)
}

/// Puts `data` at `path` so that after a crash there is either the old file or the new one, whole.
///
/// # Errors
/// As the system says; the old file is untouched then.
pub fn replace_file(disk: &dyn Disk, path: &Path, data: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let file = disk.open(&temporary, true)?;
    file.set_len(0)?;
    file.write_at(data, 0)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |parent| disk.sync_dir(parent))
}
