//! Info: what lies in a data directory, by its own word and without opening it for writing.

use std::path::Path;

use breakwatch_model::{StorageError, Timestamp};
use serde::Serialize;

use super::copy::failed;
use crate::block::Block;
use crate::disk::{Disk, RealDisk, read_file};

/// A block.
#[derive(Clone, Debug, Serialize)]
pub struct BlockInfo {
    /// File name.
    pub name: String,
    /// `raw`, `rollup` or `partial`.
    pub kind: &'static str,
    /// Its day, as days since the epoch.
    pub day: i64,
    /// Time of its first sample.
    pub from: Timestamp,
    /// Time of its last sample.
    pub to: Timestamp,
    /// How many series it has.
    pub series: u64,
    /// How many samples (rollups: 5-minute buckets).
    pub samples: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What lies in a data directory.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StoreInfo {
    /// What the version file says.
    pub format: String,
    /// Blocks, by name.
    pub blocks: Vec<BlockInfo>,
    /// Days in the hot tier, as days since the epoch, with the bytes each takes.
    pub hot_days: Vec<(i64, u64)>,
    /// Segments of the write-ahead log.
    pub wal_segments: usize,
    /// Their bytes.
    pub wal_bytes: u64,
    /// Bytes of the series registry.
    pub registry_bytes: u64,
    /// Bytes of the state log and its journals.
    pub state_bytes: u64,
    /// What was set aside as damaged.
    pub quarantine: Vec<String>,
    /// Bytes of everything.
    pub total_bytes: u64,
}

/// What every data directory has some of, however damaged it is.
const PARTS: [&str; 4] = ["FORMAT", "state", "wal", "blocks"];

/// Looks at a data directory, in use or not. Reads names, lengths and footers only.
///
/// # Errors
/// When the directory cannot be read, or is no data directory.
pub fn info(path: &Path) -> Result<StoreInfo, StorageError> {
    let disk = RealDisk;
    let root = disk.list(path).map_err(|error| failed("cannot read", path, &error))?;
    if !root.iter().any(|entry| PARTS.contains(&entry.name.as_str())) {
        return Err(StorageError::Unavailable(format!("{} is no data directory", path.display())));
    }
    let text = read_file(&disk, &path.join("FORMAT")).unwrap_or_default();
    let mut wal = disk.list(&path.join("wal")).unwrap_or_default();
    wal.retain(|entry| entry.name.ends_with(".wal"));
    let hot = disk.list(&path.join("hot")).unwrap_or_default();
    let days = hot.iter().filter_map(|entry| entry.name.parse().ok());
    let mut info = StoreInfo {
        format: String::from_utf8_lossy(&text).trim().to_owned(),
        hot_days: days.map(|day: i64| (day, bytes_below(&path.join("hot").join(day.to_string())))).collect(),
        wal_segments: wal.len(),
        wal_bytes: wal.iter().map(|entry| entry.len).sum(),
        registry_bytes: root.iter().find(|entry| entry.name == "series.log").map_or(0, |entry| entry.len),
        state_bytes: bytes_below(&path.join("state")),
        quarantine: disk
            .list(&path.join("quarantine"))
            .unwrap_or_default()
            .into_iter()
            .map(|e| e.name)
            .collect(),
        total_bytes: bytes_below(path),
        ..StoreInfo::default()
    };
    for entry in disk.list(&path.join("blocks")).unwrap_or_default() {
        if let Ok(Ok(block)) = Block::open(&disk, &path.join("blocks").join(&entry.name), 0) {
            let footer = block.footer;
            info.blocks.push(BlockInfo {
                name: entry.name,
                kind: footer.kind.prefix(),
                day: footer.day,
                from: footer.range.start,
                to: footer.range.end,
                series: footer.series,
                samples: footer.samples,
                bytes: block.bytes,
            });
        }
    }
    Ok(info)
}

/// Bytes of all files below a directory.
fn bytes_below(path: &Path) -> u64 {
    let entries = RealDisk.list(path).unwrap_or_default();
    entries.iter().map(|e| if e.is_dir { bytes_below(&path.join(&e.name)) } else { e.len }).sum()
}
