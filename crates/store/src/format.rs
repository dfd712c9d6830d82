//! The version of the directory: which releases may open it, and how an older one is brought up to date.
//!
//! A newer directory is refused and not touched. An older one is copied beside itself first; then the version file is
//! raised, so that an older release keeps away from what is half done, and the steps run. A mark that stays until they
//! are through makes the next start begin them again, so a step may be cut off anywhere and must bear being repeated.

use std::path::{Path, PathBuf};

use breakwatch_model::StorageError;

use crate::admin::{copy_file, failed, sync_dir};
use crate::datadir::DataDir;
use crate::disk::{Disk, RealDisk, read_file, replace_file};
use crate::incident::Unit;

/// The version of the on-disk format this release writes. A release reads every version up to its own and
/// refuses newer ones; the rule for changing it is in `docs/reference/store-format.md`.
pub const FORMAT_VERSION: u32 = 1;

/// What the version file begins with.
const FORMAT_NAME: &str = "breakwatch-store";

/// The file that holds the version a migration began from, until it is done.
const MIGRATING: &str = "MIGRATING";

/// Brings a directory from one version to the next. May be called again on what it left when it was cut off.
pub(crate) type Step = fn(&Path) -> Result<(), StorageError>;

/// What a release can open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    /// The version it writes.
    pub(crate) version: u32,
    /// The steps to it: the first leads from version 1 to 2.
    pub(crate) steps: &'static [Step],
}

/// This release. Version 1 is the first there was.
pub(crate) const THIS: Release = Release { version: FORMAT_VERSION, steps: &[] };

/// The content of the version file.
pub(crate) fn version_line(version: u32) -> String {
    format!("{FORMAT_NAME} {version}\n")
}

impl Release {
    /// Checks the version of a directory, writes it into a new one, and migrates an older one (if `may_migrate`).
    pub(crate) fn settle(&self, dir: &DataDir, may_migrate: bool) -> Result<(), StorageError> {
        let path = dir.path().join("FORMAT");
        let text = match read_file(&**dir.disk(), &path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("cannot read", &path, &error)),
        };
        let found = text.strip_prefix(FORMAT_NAME).and_then(|version| version.trim().parse::<u32>().ok());
        match found {
            Some(version) if version > self.version => Err(StorageError::Unavailable(format!(
                "{} was written by a newer release (format {version}, this release knows up to {}); nothing was \
                 changed: use that release, or another data directory",
                dir.path().display(),
                self.version
            ))),
            Some(version) if version < self.version && version > 0 => {
                if !may_migrate {
                    let message = format!("{} has the older format {version}", dir.path().display());
                    return Err(StorageError::Unavailable(message));
                }
                self.migrate(dir.path(), version)
            }
            Some(version) if version == self.version => match interrupted(dir.path()) {
                Some(from) if may_migrate => self.run_steps(dir.path(), from),
                _ => Ok(()),
            },
            _ => {
                if !text.is_empty() {
                    let kept = dir.quarantine_copy(&path);
                    let message = "the version file was unreadable and has been written anew";
                    dir.report(Unit::Disk, message, kept);
                }
                let line = version_line(self.version);
                replace_file(&**dir.disk(), &path, line.as_bytes())
                    .map_err(|error| failed("cannot write", &path, &error))
            }
        }
    }

    /// From version `from` to this release's, behind a backup.
    fn migrate(&self, dir: &Path, from: u32) -> Result<(), StorageError> {
        let backup = back_up(dir, from)?;
        tracing::warn!(
            "store_migrating: {} has format {from}; it becomes format {}, and a copy of it as it was is {}",
            dir.display(),
            self.version,
            backup.display()
        );
        write(dir, MIGRATING, &format!("{from}\n"))?;
        write(dir, "FORMAT", &version_line(self.version))?;
        self.run_steps(dir, from)
    }

    /// Every step from version `from` on, and the end of the migration.
    fn run_steps(&self, dir: &Path, from: u32) -> Result<(), StorageError> {
        for step in self.steps.iter().skip(from.saturating_sub(1) as usize) {
            step(dir)?;
        }
        let mark = dir.join(MIGRATING);
        RealDisk.remove_file(&mark).map_err(|error| failed("cannot remove", &mark, &error))?;
        sync_dir(dir)?;
        tracing::info!("store_migrated: {} has format {} now", dir.display(), self.version);
        Ok(())
    }
}

/// The version an interrupted migration began from.
fn interrupted(dir: &Path) -> Option<u32> {
    std::fs::read_to_string(dir.join(MIGRATING)).ok()?.trim().parse().ok()
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), StorageError> {
    let path = dir.join(name);
    replace_file(&RealDisk, &path, text.as_bytes()).map_err(|error| failed("cannot write", &path, &error))
}

/// Copies the directory beside itself; gives the copy's path. It is complete or not there.
fn back_up(dir: &Path, version: u32) -> Result<PathBuf, StorageError> {
    let name = |suffix: &str| {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".backup-{version}{suffix}"));
        PathBuf::from(name)
    };
    let part = name(".part");
    if part.exists() {
        RealDisk.remove_dir_all(&part).map_err(|error| failed("cannot remove", &part, &error))?;
    }
    copy_dir(dir, &part)?;
    let numbered = (2..1000).map(|number| name(&format!("-{number}")));
    let free = std::iter::once(name("")).chain(numbered).find(|path| !path.exists());
    let backup = free.ok_or_else(|| StorageError::Limit(format!("too many backups of {}", dir.display())))?;
    RealDisk.rename(&part, &backup).map_err(|error| failed("cannot rename", &part, &error))?;
    if let Some(parent) = backup.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_dir(parent)?;
    }
    Ok(backup)
}

/// Copies a directory with everything in it. Blocks never change, so they are linked where that is possible.
fn copy_dir(from: &Path, to: &Path) -> Result<(), StorageError> {
    RealDisk.create_dir_all(to).map_err(|error| failed("cannot make", to, &error))?;
    for entry in RealDisk.list(from).map_err(|error| failed("cannot read", from, &error))? {
        let (source, target) = (from.join(&entry.name), to.join(&entry.name));
        let is_block = Path::new(&entry.name).extension().is_some_and(|end| end == "blk");
        if entry.is_dir {
            copy_dir(&source, &target)?;
        } else if entry.name != "lock" && !(is_block && std::fs::hard_link(&source, &target).is_ok()) {
            copy_file(&source, &target, u64::MAX).map_err(|error| failed("cannot copy", &source, &error))?;
        }
    }
    sync_dir(to)
}

#[cfg(test)]
mod tests;
