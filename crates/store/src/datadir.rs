//! The data directory: one process owns it, one format version fills it, damage has its corner in it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use breakwatch_model::{Clock, StorageError, Timestamp};
use nix::fcntl::OFlag;
use parking_lot::Mutex;

use crate::disk::{Disk, RealDisk, read_file, replace_file, while_held};
use crate::format::{Release, THIS};
use crate::incident::{Incidents, Unit};

/// The file that is there while a backup is being restored into the directory.
pub(crate) const RESTORING: &str = "RESTORING";

/// Keeps others from opening a data directory, without opening it.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Locks a directory that is there. Nothing in it is read or changed.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process has it open, [`StorageError::Io`] when there is none or it
    /// cannot be locked.
    pub fn take(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { _file: take_lock(path)? })
    }
}

/// An open data directory. Clones share it; the lock goes with the last of them.
#[derive(Clone, Debug)]
pub struct DataDir(Arc<Inner>);

struct Inner {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    incidents: Incidents,
    /// Released by the kernel when the process dies, however it dies.
    lock: Mutex<Option<File>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataDir").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DataDir {
    /// Opens (and if need be makes) the directory for this process alone.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process has it, [`StorageError::Unavailable`] when it was
    /// written by a newer release or belongs to another user, [`StorageError::Io`] when it cannot be
    /// made or written.
    pub fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, StorageError> {
        let path = path.into();
        let disk = RealDisk;
        disk.create_dir_all(&path).map_err(|error| {
            StorageError::io(format!("cannot make the data directory {}", path.display()), &error)
        })?;
        check_owner(&path)?;
        let lock = take_lock(&path)?;
        let dir = Self::new(path, Arc::new(disk), clock, Some(lock));
        dir.settle(&THIS, true)?;
        Ok(dir)
    }

    /// Opens a directory as another release would.
    #[cfg(test)]
    pub(crate) fn open_as(
        release: &Release,
        disk: Arc<dyn Disk>,
        path: PathBuf,
        clock: Arc<dyn Clock>,
        may_migrate: bool,
    ) -> Result<Self, StorageError> {
        let dir = Self::new(path, disk, clock, None);
        dir.settle(release, may_migrate)?;
        Ok(dir)
    }

    /// Opens a directory on another disk, without a lock: for tests and for looking at a copy.
    ///
    /// # Errors
    /// As [`DataDir::open`], the lock aside.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        path: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StorageError> {
        let path = path.into();
        disk.create_dir_all(&path).map_err(|error| {
            StorageError::io(format!("cannot make the data directory {}", path.display()), &error)
        })?;
        let dir = Self::new(path, disk, clock, None);
        dir.settle(&THIS, false)?;
        Ok(dir)
    }

    fn new(path: PathBuf, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, lock: Option<File>) -> Self {
        Self(Arc::new(Inner { path, disk, clock, incidents: Incidents::new(), lock: Mutex::new(lock) }))
    }

    /// Makes sure that the directory is whole and of this release's version.
    fn settle(&self, release: &Release, may_migrate: bool) -> Result<(), StorageError> {
        if self.0.disk.exists(&self.0.path.join(RESTORING)) {
            return Err(StorageError::Unavailable(format!(
                "a restore into {} was interrupted: empty the directory and restore again",
                self.0.path.display()
            )));
        }
        release.settle(self, may_migrate)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// What went wrong on disk since the process started.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.0.incidents
    }

    /// The disk it is on.
    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.0.disk
    }

    /// The clock the store goes by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Lets go of the lock, so that another process (or another handle in this one) may open the directory.
    /// Whoever calls this must have closed the state log and the history before.
    pub fn unlock(&self) {
        self.0.lock.lock().take();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Reports an incident.
    pub(crate) fn report(&self, unit: Unit, message: impl Into<String>, quarantined: Option<PathBuf>) {
        self.0.incidents.report(self.now(), unit, message, quarantined);
    }

    /// Moves a damaged file or directory into `quarantine/`; gives its new place, or `None` when even that
    /// failed (it then stays where it is).
    pub(crate) fn quarantine(&self, path: &Path) -> Option<PathBuf> {
        let target = self.quarantine_place(path)?;
        self.0.disk.rename(path, &target).ok()?;
        let _ = self.0.disk.sync_dir(path.parent()?);
        let _ = self.0.disk.sync_dir(target.parent()?);
        Some(target)
    }

    /// Copies a damaged file into `quarantine/`, for files that are repaired in place.
    pub(crate) fn quarantine_copy(&self, path: &Path) -> Option<PathBuf> {
        let target = self.quarantine_place(path)?;
        let content = read_file(&*self.0.disk, path).ok()?;
        replace_file(&*self.0.disk, &target, &content).ok()?;
        Some(target)
    }

    fn quarantine_place(&self, path: &Path) -> Option<PathBuf> {
        let dir = self.0.path.join("quarantine");
        self.0.disk.create_dir_all(&dir).ok()?;
        let name = path.file_name()?.to_str()?;
        let stamp = self.now().millis();
        (0..1000_u32)
            .map(|n| dir.join(format!("{stamp}-{n}-{name}")))
            .find(|target| !self.0.disk.exists(target))
    }
}

/// A directory of somebody else is a mistake in the set-up; found now, not at the first write.
fn check_owner(path: &Path) -> Result<(), StorageError> {
    let meta = path
        .metadata()
        .map_err(|error| StorageError::io(format!("cannot look at {}", path.display()), &error))?;
    let me = nix::unistd::geteuid();
    if me.is_root() || meta.uid() == me.as_raw() {
        return Ok(());
    }
    Err(StorageError::Unavailable(format!(
        "{} belongs to user {}, but the daemon runs as user {me}: change its owner or use another data directory",
        path.display(),
        meta.uid(),
    )))
}

fn take_lock(dir: &Path) -> Result<File, StorageError> {
    let path = dir.join("lock");
    let fail = |error: &std::io::Error| StorageError::io(format!("cannot lock {}", path.display()), error);
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path)
        .map_err(|error| fail(&error))?;
    match while_held(|error| matches!(error, TryLockError::WouldBlock), || file.try_lock()) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            let who = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
            return Err(StorageError::Locked(format!(
                "the data directory {} is in use by another process{who}; stop it, or use another directory",
                dir.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(fail(&error)),
    }
    // The number is for the message above only; on a full disk it may stay stale or empty.
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}
