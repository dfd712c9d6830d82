//! The blocks there are: found at start, added when a day is finished, removed by retention.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use breakwatch_model::{StorageError, Timestamp};
use parking_lot::{Mutex, RwLock};

use super::file::{Block, Kind};
use crate::datadir::DataDir;
use crate::disk::{read_file, replace_file};
use crate::head::DAY;
use crate::incident::Unit;

/// Blocks, by day; a shared list that queries hold on to while it changes.
type List = Arc<Vec<Arc<Block>>>;

/// The blocks of a data directory.
#[derive(Debug)]
pub(crate) struct Blocks {
    dir: DataDir,
    list: RwLock<List>,
    /// Held while the list is written to disk.
    writing: Mutex<()>,
    next: AtomicU64,
}

impl Blocks {
    /// Reads the footers of all blocks. One that is damaged is set aside; one that is listed and not there is
    /// reported; what a crash left half-written is removed.
    pub(crate) fn open(dir: &DataDir) -> Result<Self, StorageError> {
        let blocks = Self {
            dir: dir.clone(),
            list: RwLock::default(),
            writing: Mutex::default(),
            next: AtomicU64::new(0),
        };
        let path = blocks.path();
        let fail = |error: &io::Error| StorageError::io(format!("cannot open {}", path.display()), error);
        dir.disk().create_dir_all(&path).map_err(|error| fail(&error))?;
        let mut found = Vec::new();
        for entry in dir.disk().list(&path).map_err(|error| fail(&error))? {
            let file = path.join(&entry.name);
            if entry.name.ends_with(".tmp") {
                let _ = dir.disk().remove_file(&file);
            } else if entry.name.ends_with(".blk") {
                found.extend(blocks.open_one(&file));
            }
        }
        found.sort_by_key(|block| (block.footer.day, block.path.clone()));
        for name in blocks.manifest() {
            // A damaged one was reported already and lies in quarantine.
            let there = found.iter().any(|block| block.path.ends_with(&name));
            if !there && dir.incidents().since(0).iter().all(|incident| !incident.message.contains(&name)) {
                dir.report(Unit::Block, format!("the block {name} is missing"), None);
            }
        }
        *blocks.list.write() = Arc::new(found);
        if let Err(error) = blocks.write_manifest() {
            dir.report(Unit::Block, format!("the list of blocks cannot be written: {error}"), None);
        }
        Ok(blocks)
    }

    fn open_one(&self, path: &Path) -> Option<Arc<Block>> {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        let why = match Block::open(&**self.dir.disk(), path, serial) {
            Ok(Ok(block)) => return Some(Arc::new(block)),
            Ok(Err(error)) => format!("it is not {error}"),
            Err(error) => error.to_string(),
        };
        let kept = self.dir.quarantine(path);
        self.dir.report(Unit::Block, format!("the block {} is unusable: {why}", path.display()), kept);
        None
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("blocks")
    }

    /// A name for a new block of a day.
    pub(crate) fn new_path(&self, kind: Kind, day: i64) -> PathBuf {
        let name = |n: u32| self.path().join(format!("{}-{day:06}-{n}.blk", kind.prefix()));
        (0..).map(name).find(|path| !self.dir.disk().exists(path)).unwrap_or_else(|| name(0))
    }

    /// Takes a finished file in.
    pub(crate) fn add(&self, path: &Path) -> Result<(), StorageError> {
        let block = self.open_one(path).ok_or_else(|| {
            StorageError::Corrupt(format!("the block {} cannot be read back", path.display()))
        })?;
        {
            let mut list = self.list.write();
            let mut blocks: Vec<Arc<Block>> = list.iter().cloned().collect();
            blocks.push(block);
            blocks.sort_by_key(|block| (block.footer.day, block.path.clone()));
            *list = Arc::new(blocks);
        }
        self.write_manifest().map_err(|error| StorageError::io("cannot write the list of blocks", &error))
    }

    /// The blocks there are now.
    pub(crate) fn list(&self) -> List {
        Arc::clone(&self.list.read())
    }

    /// Whether a day has its raw block.
    pub(crate) fn has_day(&self, day: i64) -> bool {
        self.list.read().iter().any(|block| block.footer.day == day && block.footer.kind == Kind::Raw)
    }

    /// The end of the newest finished day.
    pub(crate) fn finished_until(&self) -> Option<Timestamp> {
        let list = self.list.read();
        let days = list.iter().filter(|block| block.footer.kind == Kind::Raw).map(|block| block.footer.day);
        days.max().map(|day| Timestamp((day + 1).saturating_mul(DAY)))
    }

    /// Bytes of raw blocks and of rollups.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.list.read().iter().fold((0, 0), |(raw, rollups), block| match block.footer.kind {
            Kind::Rollup => (raw, rollups + block.bytes),
            _ => (raw + block.bytes, rollups),
        })
    }

    /// Removes the blocks of `kinds` that ended longer than `age` ago, and the oldest beyond `most` bytes.
    /// Gives how many went.
    pub(crate) fn retire(
        &self,
        rollups: bool,
        now: Timestamp,
        age: Duration,
        most: Option<u64>,
    ) -> Result<usize, StorageError> {
        let mut gone = Vec::new();
        {
            let mut list = self.list.write();
            let of_kind = |block: &Block| (block.footer.kind == Kind::Rollup) == rollups;
            let mut bytes: u64 = list.iter().filter(|block| of_kind(block)).map(|block| block.bytes).sum();
            let mut kept = Vec::with_capacity(list.len());
            for block in list.iter() {
                let end = Timestamp((block.footer.day + 1).saturating_mul(DAY));
                let over = end <= now - age || most.is_some_and(|most| bytes > most);
                if of_kind(block) && over {
                    bytes -= block.bytes;
                    gone.push(Arc::clone(block));
                } else {
                    kept.push(Arc::clone(block));
                }
            }
            if gone.is_empty() {
                return Ok(0);
            }
            *list = Arc::new(kept);
        }
        let fail = |error: &io::Error| StorageError::io("cannot remove old blocks", error);
        // The list first: a file that outlives its entry is found again, the other way round would look like
        // damage. Unless the disk is too full for a list: then room comes first.
        let listed = self.write_manifest();
        for block in &gone {
            match self.dir.disk().remove_file(&block.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(&error)),
                _ => {}
            }
        }
        self.dir.disk().sync_dir(&self.path()).map_err(|error| fail(&error))?;
        listed.or_else(|_| self.write_manifest()).map_err(|error| fail(&error))?;
        Ok(gone.len())
    }

    /// Takes a block that turned out damaged out of the list and sets it aside.
    pub(crate) fn lose(&self, lost: &Block, why: &str) {
        {
            let mut list = self.list.write();
            if !list.iter().any(|block| block.serial == lost.serial) {
                return;
            }
            *list = Arc::new(list.iter().filter(|block| block.serial != lost.serial).cloned().collect());
        }
        let kept = self.dir.quarantine(&lost.path);
        self.dir.report(Unit::Block, format!("the block {} is unusable: {why}", lost.path.display()), kept);
        let _ = self.write_manifest();
    }

    fn manifest_path(&self) -> PathBuf {
        self.path().join("manifest")
    }

    fn manifest(&self) -> Vec<String> {
        let bytes = read_file(&**self.dir.disk(), &self.manifest_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| line.ends_with(".blk"))
            .map(str::to_owned)
            .collect()
    }

    /// Writes the list of blocks, if it is not what is written already.
    fn write_manifest(&self) -> io::Result<()> {
        let _one = self.writing.lock();
        let list = self.list();
        let names: Vec<&str> = list.iter().filter_map(|block| block.path.file_name()?.to_str()).collect();
        if self.manifest() == names {
            return Ok(());
        }
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        replace_file(&**self.dir.disk(), &self.manifest_path(), text.as_bytes())
    }
}
