use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::testing::SetClock;

/// A directory of version 1 with something in it.
fn old(place: &Path) -> PathBuf {
    let dir = place.join("data");
    drop(DataDir::open(&dir, SetClock::at(0)).unwrap());
    std::fs::create_dir(dir.join("blocks")).unwrap();
    std::fs::write(dir.join("blocks/raw-1-1.blk"), "a block").unwrap();
    std::fs::write(dir.join("checkpoint"), "old").unwrap();
    dir
}

/// Opens a directory as another release would.
fn open(release: &Release, dir: &Path) -> Result<(), StorageError> {
    let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(RealDisk);
    DataDir::open_as(release, disk, dir.to_owned(), SetClock::at(0), true).map(drop)
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with("lock") {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

fn rewrite(dir: &Path) -> Result<(), StorageError> {
    std::fs::write(dir.join("checkpoint"), "new").unwrap();
    Ok(())
}

const NEXT: Release = Release { version: 2, steps: &[rewrite] };

#[test]
fn an_older_directory_is_migrated_behind_a_backup() {
    let place = tempfile::tempdir().unwrap();
    let dir = old(place.path());
    let before = files(&dir);
    open(&NEXT, &dir).unwrap();
    assert_eq!((text(&dir, "FORMAT"), text(&dir, "checkpoint")), (version_line(2), "new".to_owned()));
    assert!(!dir.join(MIGRATING).exists());
    let backup = place.path().join("data.backup-1");
    let moved = |(path, bytes): (PathBuf, Vec<u8>)| (backup.join(path.strip_prefix(&dir).unwrap()), bytes);
    assert_eq!(files(&backup), before.into_iter().map(moved).collect());
    // The backup is a directory of the older release; the migrated one is refused by it and left alone.
    DataDir::open(&backup, SetClock::at(0)).unwrap();
    let after = files(&dir);
    let refused = DataDir::open(&dir, SetClock::at(0)).unwrap_err().to_string();
    assert!(refused.contains("newer release (format 2, this release knows up to 1)"), "{refused}");
    assert_eq!(files(&dir), after);
    // Nothing is left to do for the newer one.
    open(&NEXT, &dir).unwrap();
    assert!(!place.path().join("data.backup-1-2").exists());
}

static CALLS: AtomicU32 = AtomicU32::new(0);

fn cut_off(dir: &Path) -> Result<(), StorageError> {
    std::fs::write(dir.join("half"), "done").unwrap();
    match CALLS.fetch_add(1, Ordering::SeqCst) {
        0 => Err(StorageError::Unavailable("the power went".to_owned())),
        _ => Ok(()),
    }
}

#[test]
fn a_migration_that_was_cut_off_is_taken_up_again() {
    let place = tempfile::tempdir().unwrap();
    let dir = old(place.path());
    let release = Release { version: 3, steps: &[rewrite, cut_off] };
    // What an earlier try left of its backup is not taken for one.
    std::fs::create_dir(place.path().join("data.backup-1.part")).unwrap();
    assert!(open(&release, &dir).is_err());
    assert!(DataDir::open(&dir, SetClock::at(0)).is_err(), "half done is not for the older release");
    assert_eq!(text(&place.path().join("data.backup-1"), "checkpoint"), "old");
    open(&release, &dir).unwrap();
    assert_eq!((text(&dir, "FORMAT"), text(&dir, "checkpoint")), (version_line(3), "new".to_owned()));
    assert!(dir.join("half").exists() && !dir.join(MIGRATING).exists());
    assert!(!place.path().join("data.backup-1-2").exists(), "one backup is enough");
}

#[test]
fn a_backup_that_cannot_be_made_leaves_everything_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let dir = old(place.path());
    // A link in the directory that leads nowhere cannot be copied.
    std::os::unix::fs::symlink("nowhere", dir.join("strange")).unwrap();
    let before = files(&dir.join("blocks"));
    assert!(open(&NEXT, &dir).is_err());
    assert_eq!((text(&dir, "FORMAT"), text(&dir, "checkpoint")), (version_line(1), "old".to_owned()));
    assert_eq!(files(&dir.join("blocks")), before);
    assert!(!place.path().join("data.backup-1").exists());
}

#[test]
fn an_unreadable_version_is_written_anew() {
    let place = tempfile::tempdir().unwrap();
    let dir = old(place.path());
    std::fs::write(dir.join("FORMAT"), "breakwatch-store ?").unwrap();
    let opened = DataDir::open(&dir, SetClock::at(0)).unwrap();
    assert_eq!(text(&dir, "FORMAT"), version_line(FORMAT_VERSION));
    assert_eq!(opened.incidents().total(), 1);
}
