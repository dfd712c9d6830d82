//! A disk in memory that forgets what was not synced, fills up, and fails on demand.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::{Disk, DiskFile, Entry};

/// What a crash leaves of writes and directory changes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashMode {
    /// Nothing of them: the worst a power cut does to well-ordered writes.
    Nothing,
    /// Everything: what a killed process leaves, because the page cache survives it.
    Everything,
    /// A seeded choice per write and per directory; the last write of a file may be torn at any byte.
    Some(u64),
}

/// A disk in memory. Clones share the same files.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<State>>, Arc<Gate>);

/// Where syncs wait while the disk is held.
#[derive(Debug, Default)]
struct Gate {
    held: Mutex<bool>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Files by number.
    nodes: BTreeMap<u64, Node>,
    /// What the running system sees: path to file number; directories map to `None`.
    names: BTreeMap<PathBuf, Option<u64>>,
    /// What survives a crash.
    durable: BTreeMap<PathBuf, Option<u64>>,
    next: u64,
    /// Operations that change something, so far.
    operations: u64,
    /// The operation at which the machine dies; it and all after it fail.
    die_at: Option<u64>,
    /// Most bytes all files may take together.
    capacity: Option<u64>,
    /// Every change fails with this kind while it is set.
    failing: Option<io::ErrorKind>,
    /// Names of the operations, for reports.
    trace: Vec<String>,
    /// Counts crashes, so that handles from before one are dead.
    epoch: u64,
}

#[derive(Clone, Debug, Default)]
struct Node {
    synced: Vec<u8>,
    current: Vec<u8>,
    /// Since the last sync, in order.
    pending: Vec<Pending>,
}

#[derive(Clone, Debug)]
enum Pending {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl Pending {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let start = *offset as usize;
                let end = start + data.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[start..end].copy_from_slice(data);
            }
            Self::Length(len) => content.resize(*len as usize, 0),
        }
    }
}

impl State {
    /// Counts an operation; fails if the machine is dead or the disk is told to fail.
    fn change(&mut self, what: &str, path: &Path) -> io::Result<()> {
        self.operations += 1;
        if self.die_at.is_some_and(|at| self.operations >= at) {
            return Err(io::Error::other("the machine is dead"));
        }
        if let Some(kind) = self.failing {
            return Err(kind.into());
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        self.trace.push(format!("{what} {name}"));
        Ok(())
    }

    fn used(&self) -> u64 {
        self.nodes.values().map(|node| node.current.len() as u64).sum()
    }

    /// Applies a change of a file's content, if the disk has room for it.
    fn apply(&mut self, node: u64, change: Pending) -> io::Result<()> {
        let capacity = self.capacity;
        let used = self.used();
        let file = self.nodes.get_mut(&node).ok_or(io::ErrorKind::NotFound)?;
        let before = file.current.len() as u64;
        let after = match &change {
            Pending::Write(offset, data) => before.max(offset + data.len() as u64),
            Pending::Length(len) => *len,
        };
        if capacity.is_some_and(|capacity| after > before && used - before + after > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut file.current);
        file.pending.push(change);
        Ok(())
    }
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the bytes all files may take together (`None`: no limit).
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// Bytes all files take together.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// Makes every change fail with `kind` until called with `None`.
    pub fn set_failing(&self, kind: Option<io::ErrorKind>) {
        self.0.lock().failing = kind;
    }

    /// Makes every sync wait, as on a disk that hangs, until called with `false`.
    pub fn hold_syncs(&self, hold: bool) {
        *self.1.held.lock() = hold;
        self.1.opened.notify_all();
    }

    /// How many changing operations there were: the crash points of a workload.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// What the operations were (`sync wal-1`), in order.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.0.lock().trace.clone()
    }

    /// The machine dies at changing operation number `operation` (counted from 1).
    pub fn die_at(&self, operation: u64) {
        self.0.lock().die_at = Some(operation);
    }

    /// Power goes and comes back: open handles are dead, unsynced changes are lost as `mode` says.
    pub fn crash(&self, mode: CrashMode) {
        let mut state = self.0.lock();
        let mut random = match mode {
            CrashMode::Some(seed) => seed | 1,
            _ => 0,
        };
        let mut chance = |out_of: u64| match mode {
            CrashMode::Nothing => 0,
            CrashMode::Everything => out_of,
            CrashMode::Some(_) => {
                // xorshift64: enough to scatter choices, and the same for the same seed.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % (out_of + 1)
            }
        };
        for node in state.nodes.values_mut() {
            let mut content = std::mem::take(&mut node.synced);
            let kept = chance(node.pending.len() as u64) as usize;
            for change in node.pending.iter().take(kept) {
                change.apply(&mut content);
            }
            if let (CrashMode::Some(_), Some(Pending::Write(offset, data))) = (mode, node.pending.get(kept)) {
                let torn = chance(data.len() as u64) as usize;
                Pending::Write(*offset, data[..torn].to_vec()).apply(&mut content);
            }
            *node = Node { synced: content.clone(), current: content, pending: Vec::new() };
        }
        if chance(1) == 1 {
            state.durable = state.names.clone();
        }
        state.names = state.durable.clone();
        let State { nodes, names, .. } = &mut *state;
        nodes.retain(|number, _| names.values().any(|name| *name == Some(*number)));
        state.die_at = None;
        state.failing = None;
        state.epoch += 1;
    }

    /// Changes the bytes of a file as damage would, past every check.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        if let Some(Some(number)) = state.names.get(path).copied()
            && let Some(node) = state.nodes.get_mut(&number)
        {
            change(&mut node.current);
            *node = Node { synced: node.current.clone(), current: node.current.clone(), pending: Vec::new() };
        }
    }

    /// A disk with the same content that goes its own way.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.0.lock();
        let copy = State {
            nodes: state.nodes.clone(),
            names: state.names.clone(),
            durable: state.names.clone(),
            next: state.next,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(copy)), Arc::default())
    }

    /// Every file with its length.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.0.lock();
        let len = |number: &u64| state.nodes.get(number).map_or(0, |node| node.current.len() as u64);
        state.names.iter().filter_map(|(path, node)| Some((path.clone(), len(node.as_ref()?)))).collect()
    }

    fn handle(&self, path: &Path, number: u64, epoch: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), path: path.to_owned(), number, epoch })
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let missing: Vec<PathBuf> =
            path.ancestors().filter(|p| !state.names.contains_key(*p)).map(Path::to_owned).collect();
        for dir in missing.into_iter().rev() {
            state.change("mkdir", &dir)?;
            state.names.insert(dir.clone(), None);
            state.durable.insert(dir, None);
        }
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        match state.names.get(path).copied() {
            Some(Some(number)) => Ok(self.handle(path, number, state.epoch)),
            Some(None) => Err(io::ErrorKind::IsADirectory.into()),
            None if create => {
                state.change("create", path)?;
                state.next += 1;
                let number = state.next;
                state.nodes.insert(number, Node::default());
                state.names.insert(path.to_owned(), Some(number));
                Ok(self.handle(path, number, state.epoch))
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path, false)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let state = self.0.lock();
        if !matches!(state.names.get(path), Some(None)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.iter().filter(|(p, _)| p.parent() == Some(path));
        Ok(inside
            .filter_map(|(p, node)| {
                let len = node.and_then(|n| state.nodes.get(&n)).map_or(0, |node| node.current.len() as u64);
                Some(Entry { name: p.file_name()?.to_str()?.to_owned(), is_dir: node.is_none(), len })
            })
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change("rename", to)?;
        let moved: Vec<PathBuf> = state.names.keys().filter(|p| p.starts_with(from)).cloned().collect();
        for path in moved {
            let node = state.names.remove(&path).flatten();
            let rest = path.strip_prefix(from).unwrap_or(Path::new(""));
            let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            state.names.insert(target, node);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        if !matches!(state.names.get(path), Some(Some(_))) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change("remove", path)?;
        state.names.remove(path);
        forget_unnamed(&mut state);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.change("remove-dir", path)?;
        state.names.retain(|p, _| !p.starts_with(path));
        forget_unnamed(&mut state);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.change("sync-dir", path)?;
        let State { names, durable, .. } = &mut *state;
        durable.retain(|p, _| {
            p.parent() != Some(path)
                && !p.ancestors().skip(1).any(|a| a.parent() == Some(path) && !names.contains_key(a))
        });
        // A directory that was renamed brings what is durable below it along.
        durable.extend(
            names.iter().filter(|(p, _)| p.parent() == Some(path)).map(|(p, node)| (p.clone(), *node)),
        );
        forget_unnamed(&mut state);
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.lock().names.contains_key(path)
    }
}

/// Frees the space of files that have no name any more, now or after a crash.
fn forget_unnamed(state: &mut State) {
    let State { nodes, names, durable, .. } = state;
    let named: std::collections::BTreeSet<u64> =
        names.values().chain(durable.values()).filter_map(|node| *node).collect();
    nodes.retain(|number, _| named.contains(number));
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    number: u64,
    epoch: u64,
}

impl SimFile {
    fn with<R>(&self, act: impl FnOnce(&mut State) -> io::Result<R>) -> io::Result<R> {
        let mut state = self.disk.0.lock();
        if state.epoch != self.epoch {
            return Err(io::Error::other("the file was open across a crash"));
        }
        act(&mut state)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state| {
            let node = state.nodes.get(&self.number).ok_or(io::ErrorKind::NotFound)?;
            let rest = node.current.get(offset as usize..).unwrap_or_default();
            let len = rest.len().min(buf.len());
            buf[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.with(|state| {
            state.change("write", &self.path)?;
            state.apply(self.number, Pending::Write(offset, data.to_vec()))
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut held = self.disk.1.held.lock();
        while *held {
            self.disk.1.opened.wait(&mut held);
        }
        drop(held);
        self.with(|state| {
            state.change("sync", &self.path)?;
            let node = state.nodes.get_mut(&self.number).ok_or(io::ErrorKind::NotFound)?;
            let Node { synced, pending, .. } = node;
            pending.drain(..).for_each(|change| change.apply(synced));
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|state| {
            let node = state.nodes.get(&self.number).ok_or(io::ErrorKind::NotFound)?;
            Ok(node.current.len() as u64)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.change("set-len", &self.path)?;
            state.apply(self.number, Pending::Length(len))
        })
    }
}
