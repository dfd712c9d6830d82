//! sled as the chunk store, with what was learnt about it.
//!
//! * It does not sync on Linux: after every flush its file is opened a second time and synced here.
//! * A file shorter than it expects makes it panic, not fail: every call into it is caught.
//! * An error of the disk sticks to the open database: whoever sees one drops it and opens it anew.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use breakwatch_model::StorageError;

use super::{Chunks, Engine, Key};
use crate::disk::while_held;

/// Memory for pages. Chunks are read once and kept decoded elsewhere, so sled needs little.
const CACHE_BYTES: u64 = 8 << 20;

/// Chunks per batch: more only makes its log buffers grow.
const BATCH: usize = 200;

/// Opens sled databases.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SledEngine;

#[derive(Debug)]
struct SledChunks {
    db: sled::Db,
    tree: sled::Tree,
    file: PathBuf,
}

/// Calls into sled; a panic becomes an error.
fn caught<R>(what: &str, act: impl FnOnce() -> Result<R, sled::Error>) -> Result<R, StorageError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(StorageError::io(what, &error)),
        Ok(Err(sled::Error::Corruption { .. })) => Err(StorageError::Corrupt(what.to_owned())),
        Ok(Err(error)) => Err(StorageError::Unavailable(format!("{what}: {error}"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "no message".to_owned());
            Err(StorageError::Corrupt(format!("{what}: sled panicked: {text}")))
        }
    }
}

impl Engine for SledEngine {
    fn open(&self, path: &Path) -> Result<Box<dyn Chunks>, StorageError> {
        let what = format!("cannot open the chunk store {}", path.display());
        let open = || {
            let db = sled::Config::new()
                .path(path)
                .mode(sled::Mode::LowSpace)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .open()?;
            let tree = db.open_tree("chunks")?;
            Ok((db, tree))
        };
        let (db, tree) = caught(&what, || while_held(is_locked, open))?;
        restrict(path);
        Ok(Box::new(SledChunks { db, tree, file: path.join("db") }))
    }
}

/// Whether somebody still has the database open. sled has no error of its own for it.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// sled makes its files readable for everybody; nobody but us reads these.
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let mode = if entry.path().is_dir() { 0o700 } else { 0o600 };
        let _ = std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode));
    }
}

impl Chunks for SledChunks {
    fn keys(&self) -> Result<Vec<Key>, StorageError> {
        caught("cannot list chunks", || {
            let keys = self.tree.iter().keys();
            keys.filter_map(|key| key.map(|key| Key::from_bytes(&key)).transpose()).collect()
        })
    }

    fn put(&self, chunks: &[(Key, Vec<u8>)]) -> Result<(), StorageError> {
        for part in chunks.chunks(BATCH) {
            caught("cannot store chunks", || {
                let mut batch = sled::Batch::default();
                for (key, value) in part {
                    batch.insert(&key.to_bytes()[..], value.as_slice());
                }
                self.tree.apply_batch(batch)
            })?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        caught("cannot flush the chunk store", || self.db.flush())?;
        let synced = File::open(&self.file).and_then(|file| file.sync_data());
        synced.map_err(|error| StorageError::io(format!("cannot sync {}", self.file.display()), &error))
    }

    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, StorageError> {
        let found = caught("cannot read a chunk", || self.tree.get(key.to_bytes()))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn bytes(&self) -> u64 {
        let entries =
            std::fs::read_dir(self.file.parent().unwrap_or(Path::new("."))).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.metadata().ok())
            .filter(std::fs::Metadata::is_file)
            .map(|meta| meta.len())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_somebody_is_about_to_close_is_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("day");
        let first = SledEngine.open(&path).unwrap();
        let error = SledEngine.open(&path).unwrap_err();
        assert!(error.to_string().contains("could not acquire lock"), "{error}");
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let closing = std::thread::spawn(move || {
            gone.recv().unwrap();
            drop(first);
        });
        go.send(()).unwrap();
        SledEngine.open(&path).unwrap();
        closing.join().unwrap();
    }
}
