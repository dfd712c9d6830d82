//! A chunk store on one appended file, over [`Disk`]: what tests put in sled's place, because sled writes past
//! any simulated disk. It keeps its promise exactly: durable after flush, lost before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use breakwatch_model::StorageError;
use parking_lot::Mutex;

use super::{Chunks, Engine, Key};
use crate::disk::{Disk, DiskFile, read_file};
use crate::frame::{Found, Scan, put_frame};

/// Opens stores on a disk.
#[derive(Clone, Debug)]
pub(crate) struct FileEngine(pub(crate) Arc<dyn Disk>);

#[derive(Debug)]
struct FileChunks {
    file: Arc<dyn DiskFile>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    chunks: BTreeMap<Key, Vec<u8>>,
    end: u64,
    next: u64,
}

impl Engine for FileEngine {
    fn open(&self, path: &Path) -> Result<Box<dyn Chunks>, StorageError> {
        let fail =
            |error: &std::io::Error| StorageError::io(format!("cannot open {}", path.display()), error);
        self.0.create_dir_all(path).map_err(|error| fail(&error))?;
        let name = path.join("chunks");
        let file = self.0.open(&name, true).map_err(|error| fail(&error))?;
        let bytes = read_file(&*self.0, &name).map_err(|error| fail(&error))?;
        let mut inner = Inner { chunks: BTreeMap::new(), end: 0, next: 0 };
        let mut scan = Scan::new(&bytes, 1, 0);
        for found in scan.by_ref() {
            if let Found::Frame(frame) = found
                && let Some((key, value)) = frame.payload.split_at_checked(Key::LEN)
                && let Some(key) = Key::from_bytes(key)
            {
                inner.next = frame.number + 1;
                inner.chunks.insert(key, value.to_vec());
            }
        }
        inner.end = scan.position() as u64;
        self.0.sync_dir(path).map_err(|error| fail(&error))?;
        Ok(Box::new(FileChunks { file, inner: Mutex::new(inner) }))
    }
}

fn failed(error: &std::io::Error) -> StorageError {
    StorageError::io("cannot write chunks", error)
}

impl Chunks for FileChunks {
    fn keys(&self) -> Result<Vec<Key>, StorageError> {
        Ok(self.inner.lock().chunks.keys().copied().collect())
    }

    fn put(&self, chunks: &[(Key, Vec<u8>)]) -> Result<(), StorageError> {
        let mut inner = self.inner.lock();
        let mut out = Vec::new();
        for (index, (key, value)) in chunks.iter().enumerate() {
            put_frame(&mut out, 1, inner.next + index as u64, 1, |out| {
                out.extend_from_slice(&key.to_bytes());
                out.extend_from_slice(value);
            });
        }
        self.file.write_at(&out, inner.end).map_err(|error| failed(&error))?;
        inner.end += out.len() as u64;
        inner.next += chunks.len() as u64;
        inner.chunks.extend(chunks.iter().cloned());
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.file.sync().map_err(|error| failed(&error))
    }

    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.inner.lock().chunks.get(&key).cloned())
    }

    fn bytes(&self) -> u64 {
        self.inner.lock().end
    }
}
