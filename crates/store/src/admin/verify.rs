//! Verify: reads every byte of a data directory and says what is not as it was written. Changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use breakwatch_model::StorageError;
use serde::Serialize;

use super::copy::failed;
use crate::block::Block;
use crate::chunk::Chunk;
use crate::disk::{Disk, RealDisk, read_file};
use crate::frame::{Found, Scan, newest_generation};
use crate::hot::{Engine, SledEngine};
use crate::state::slot_damage;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, below the data directory.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// How much one encoding is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EncodingUse {
    /// Columns.
    pub columns: u64,
    /// Values in them.
    pub values: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What was checked and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Files that were read.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Chunks whose CRC was computed.
    pub chunks: u64,
    /// How the columns of chunks are encoded, by encoding.
    pub encodings: BTreeMap<&'static str, EncodingUse>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

impl VerifyReport {
    fn wrong(&mut self, file: &str, what: impl Into<String>) {
        self.problems.push(Problem { file: file.to_owned(), what: what.into() });
    }

    fn read(&mut self, root: &Path, name: &str) -> Option<Vec<u8>> {
        match read_file(&RealDisk, &root.join(name)) {
            Ok(bytes) => {
                self.files += 1;
                self.bytes += bytes.len() as u64;
                Some(bytes)
            }
            Err(error) => {
                self.wrong(name, error.to_string());
                None
            }
        }
    }

    /// Checks a file of frames. With `tail`, bytes behind the last frame are damage.
    fn frames(&mut self, root: &Path, name: &str, generation: Option<u64>, tail: bool) {
        let Some(bytes) = self.read(root, name) else { return };
        let Some(generation) = generation.or_else(|| newest_generation(&bytes)) else {
            if !bytes.is_empty() {
                self.wrong(name, "there is no readable frame");
            }
            return;
        };
        let mut scan = Scan::new(&bytes, generation, 0);
        let mut lost = 0;
        for found in scan.by_ref() {
            if let Found::Damage(range) = found {
                lost += range.len();
            }
        }
        let rest = bytes.get(scan.position()..).unwrap_or_default();
        if tail && rest.iter().any(|byte| *byte != 0) {
            lost += rest.len();
        }
        if lost > 0 {
            self.wrong(name, format!("{lost} bytes are unreadable"));
        }
    }

    fn block(&mut self, root: &Path, name: &str) {
        let path = root.join(name);
        let block = match Block::open(&RealDisk, &path, 0) {
            Ok(Ok(block)) => block,
            Ok(Err(error)) => return self.wrong(name, format!("it is not {error}")),
            Err(error) => return self.wrong(name, error.to_string()),
        };
        self.files += 1;
        self.bytes += block.bytes;
        match block.series(&RealDisk) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.wrong(name, format!("its names are not {error}")),
            Err(error) => self.wrong(name, error.to_string()),
        }
        let index = match block.index(&RealDisk) {
            Ok(Ok(index)) => index,
            Ok(Err(error)) => return self.wrong(name, format!("its index is not {error}")),
            Err(error) => return self.wrong(name, error.to_string()),
        };
        for (group, chunk) in index.chunks() {
            self.chunks += 1;
            match block.chunk(&RealDisk, chunk) {
                Ok(Ok(chunk)) => self.columns(name, group, &chunk),
                Ok(Err(error)) => self.wrong(name, format!("the chunk at {} is not {error}", chunk.offset)),
                Err(error) => self.wrong(name, error.to_string()),
            }
        }
    }

    fn columns(&mut self, name: &str, group: u32, chunk: &Chunk) {
        let broken = chunk.slots().find(|slot| chunk.column(*slot, 0).is_err());
        if let Some(slot) = broken {
            self.wrong(name, format!("series {slot} of group {group} cannot be decoded"));
        }
        for (encoding, values, bytes) in chunk.encodings().unwrap_or_default() {
            let used = self.encodings.entry(encoding).or_default();
            used.columns += 1;
            used.values += values as u64;
            used.bytes += bytes as u64;
        }
    }

    fn hot(&mut self, root: &Path, name: &str) {
        let store = match SledEngine.open(&root.join(name)) {
            Ok(store) => store,
            Err(error) => return self.wrong(name, error.to_string()),
        };
        self.bytes += store.bytes();
        let keys = match store.keys() {
            Ok(keys) => keys,
            Err(error) => return self.wrong(name, error.to_string()),
        };
        for key in keys {
            self.chunks += 1;
            match store.get(key).map(|found| found.map(Chunk::parse)) {
                Ok(Some(Ok(chunk))) => self.columns(name, key.group, &chunk),
                Ok(Some(Err(error))) => {
                    self.wrong(name, format!("a chunk of group {} is not {error}", key.group));
                }
                Ok(None) => self.wrong(name, format!("a chunk of group {} is missing", key.group)),
                Err(error) => self.wrong(name, error.to_string()),
            }
        }
    }
}

/// Reads everything in a data directory or a backup. The hot tier can be read only while nobody has the
/// directory open: `exclusive` says so (the caller holds its lock, or it is a copy).
///
/// # Errors
/// When the directory cannot be read at all.
pub fn verify(path: &Path, exclusive: bool) -> Result<VerifyReport, StorageError> {
    let mut report = VerifyReport::default();
    let list = |name: &str| RealDisk.list(&path.join(name)).unwrap_or_default();
    let root = RealDisk.list(path).map_err(|error| failed("cannot read", path, &error))?;
    for name in ["series.log", "checkpoint"] {
        if root.iter().any(|entry| entry.name == name) {
            report.frames(path, name, None, true);
        }
    }
    for name in ["state/log-a", "state/log-b"] {
        if !path.join(name).exists() {
            continue;
        }
        if let Some(what) = report.read(path, name).and_then(|bytes| slot_damage(&bytes)) {
            report.wrong(name, what);
        }
    }
    for entry in list("state/journal") {
        report.frames(path, &format!("state/journal/{}", entry.name), None, true);
    }
    let segments: Vec<_> = list("wal").into_iter().filter(|entry| entry.name.ends_with(".wal")).collect();
    for (number, entry) in segments.iter().enumerate() {
        // The newest may end in a frame that is being written.
        let newest = number + 1 == segments.len();
        report.frames(path, &format!("wal/{}", entry.name), None, !newest || exclusive);
    }
    for entry in list("blocks").iter().filter(|entry| entry.name.ends_with(".blk")) {
        report.block(path, &format!("blocks/{}", entry.name));
    }
    for entry in list("hot").iter().filter(|entry| entry.is_dir) {
        if exclusive {
            report.hot(path, &format!("hot/{}", entry.name));
        } else {
            report.skipped.push(format!("hot/{}: in use", entry.name));
        }
    }
    Ok(report)
}
