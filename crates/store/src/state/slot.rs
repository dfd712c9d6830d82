//! One of the two log files of the state: preallocated, written from the start again and again.
//!
//! A slot begins with a snapshot of everything, followed by commits. When it is full, the other slot gets
//! the next generation: a fresh snapshot, then commits go on there. The slot before stays whole until the
//! one after it is full in turn, so there is always a complete older copy, and on a full disk the two keep
//! taking turns in the room they already have.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ops::{LogOp, read_ops};
use crate::codec::{Bytes, Malformed, put_uvarint};
use crate::disk::{Disk, DiskFile, read_file};
use crate::format::FORMAT_VERSION;
use crate::frame::{Found, HEADER_LEN, Scan, newest_generation, put_frame};

const KIND_HEADER: u8 = 1;
const KIND_SNAPSHOT: u8 = 2;
const KIND_END: u8 = 3;
const KIND_COMMIT: u8 = 4;
/// Last in a slot: the other one is complete and has taken over. Without it an incomplete newer slot is what
/// a crash left; with it, it is damage.
const KIND_SUPERSEDED: u8 = 5;

/// Room kept at the end of a slot for its last frame.
pub(crate) const CLOSING_ROOM: u64 = HEADER_LEN as u64;

/// Preallocation is written in pieces of this size: real bytes, because a hole is a promise the file
/// system breaks when the disk is full.
const FILL: usize = 64 << 10;

/// What a slot's file holds.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) generation: u64,
    /// The changes of the snapshot and of each commit after it.
    pub(crate) ops: Vec<LogOp>,
    /// Whether the whole snapshot is there and sound.
    pub(crate) complete: bool,
    /// How many commits there are after the snapshot.
    pub(crate) commits: u64,
    /// Whether the other slot took over.
    pub(crate) superseded: bool,
    /// Byte ranges that were unreadable between readable frames.
    pub(crate) damage: Vec<Range<usize>>,
    /// Whether the bytes at the end look like a frame that was begun: torn by a crash, or damaged.
    pub(crate) torn: bool,
    /// Whether the file is shorter than it was when this generation began.
    pub(crate) cut: bool,
    /// Where the next frame goes.
    pub(crate) end: usize,
    /// The next frame's number.
    pub(crate) next: u64,
}

impl Content {
    /// Reads what is in `bytes`; `None` when there is not one valid frame.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let generation = newest_generation(bytes)?;
        let mut content = Self { generation, ..Self::default() };
        let mut snapshot_frames = 0;
        let mut scan = Scan::new(bytes, generation, 0);
        for found in scan.by_ref() {
            let frame = match found {
                Found::Frame(frame) => frame,
                Found::Damage(range) => {
                    content.damage.push(range);
                    continue;
                }
            };
            content.next = frame.number + 1;
            let read = match frame.kind {
                KIND_HEADER => {
                    content.cut = read_header(frame.payload).is_ok_and(|length| length > bytes.len() as u64);
                    Ok(Vec::new())
                }
                KIND_SNAPSHOT => {
                    snapshot_frames += 1;
                    read_ops(frame.payload)
                }
                KIND_END => {
                    let expected = Bytes::new(frame.payload).uvarint();
                    content.complete = expected == Ok(snapshot_frames) && content.damage.is_empty();
                    Ok(Vec::new())
                }
                KIND_COMMIT => {
                    content.commits += 1;
                    read_ops(frame.payload)
                }
                KIND_SUPERSEDED => {
                    content.superseded = true;
                    Ok(Vec::new())
                }
                _ => Err(Malformed("a known kind of frame")),
            };
            match read {
                Ok(ops) => content.ops.extend(ops),
                Err(_) => content.damage.push(frame.offset..frame.end()),
            }
        }
        content.end = scan.position();
        content.torn = looks_begun(bytes.get(content.end..).unwrap_or_default(), generation);
        Some(content)
    }
}

/// The format version, then how long the file was: a file that was cut between two frames shows by it.
fn put_header(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
}

fn read_header(payload: &[u8]) -> Result<u64, Malformed> {
    let mut bytes = Bytes::new(payload);
    bytes.u32()?;
    bytes.u64()
}

/// Whether `tail` begins like a frame of `generation`.
fn looks_begun(tail: &[u8], generation: u64) -> bool {
    let mut start = Vec::new();
    put_frame(&mut start, generation, 0, 0, |_| {});
    let same = |range: Range<usize>| tail.get(range.clone()) == start.get(range);
    same(0..4) && same(8..16)
}

/// The file of a slot.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) path: PathBuf,
    file: Arc<dyn DiskFile>,
    capacity: u64,
}

impl Slot {
    /// Opens the file and makes sure of `reserve` bytes in it. Gives the slot, what it held, and why the
    /// reserve could not be had, if so.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        reserve: u64,
    ) -> io::Result<(Self, Option<Content>, Option<io::Error>)> {
        let new = !disk.exists(path);
        let file = disk.open(path, true)?;
        let content = Content::parse(&read_file(disk, path)?);
        let mut slot = Self { path: path.to_owned(), capacity: file.len()?, file };
        let short = slot.reserve(reserve).err();
        if new && let Some(parent) = path.parent() {
            disk.sync_dir(parent)?;
        }
        Ok((slot, content, short))
    }

    /// How many bytes can be written without asking the disk for room.
    pub(crate) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Fills the file with zeros up to `bytes`, durably.
    pub(crate) fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        if self.capacity >= bytes {
            return Ok(());
        }
        let zeros = vec![0; FILL];
        while self.capacity < bytes {
            let piece = zeros.get(..(bytes - self.capacity).min(FILL as u64) as usize).unwrap_or(&zeros);
            if let Err(error) = self.file.write_at(piece, self.capacity) {
                // Part of it may have been written; what is there is room all the same.
                self.capacity = self.file.len().unwrap_or(self.capacity);
                return Err(error);
            }
            self.capacity += piece.len() as u64;
        }
        self.file.sync()
    }

    /// Writes a fresh generation: header, snapshot, end. Gives where commits begin and their first number.
    pub(crate) fn begin(&mut self, generation: u64, snapshot: &[Vec<u8>]) -> io::Result<(u64, u64)> {
        let (out, next) = begin_bytes(generation, self.capacity, snapshot);
        self.file.write_at(&out, 0)?;
        self.capacity = self.capacity.max(out.len() as u64);
        self.file.sync()?;
        Ok((out.len() as u64, next))
    }

    /// Writes commit frames at `offset` and makes them durable.
    pub(crate) fn write(&mut self, frames: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(frames, offset)?;
        self.capacity = self.capacity.max(offset + frames.len() as u64);
        self.file.sync()
    }
}

/// The bytes a generation begins with in a file of `length`, and the number of its first commit.
fn begin_bytes(generation: u64, length: u64, snapshot: &[Vec<u8>]) -> (Vec<u8>, u64) {
    let mut out = Vec::with_capacity(snapshot.iter().map(|p| p.len() + HEADER_LEN).sum::<usize>() + 128);
    let mut number = 0;
    let mut frame = |out: &mut Vec<u8>, kind, payload: &[u8]| {
        put_frame(out, generation, number, kind, |out| out.extend_from_slice(payload));
        number += 1;
    };
    let mut header = Vec::new();
    put_header(&mut header, length);
    frame(&mut out, KIND_HEADER, &header);
    for payload in snapshot {
        frame(&mut out, KIND_SNAPSHOT, payload);
    }
    let mut end = Vec::new();
    put_uvarint(&mut end, snapshot.len() as u64);
    frame(&mut out, KIND_END, &end);
    (out, number)
}

/// A whole log file that holds a snapshot and nothing after it.
pub(crate) fn image(snapshot: &[Vec<u8>]) -> Vec<u8> {
    begin_bytes(1, 0, snapshot).0
}

impl Slot {
    /// Notes at the end that the other slot has taken over. Not synced: it only sharpens reports.
    pub(crate) fn supersede(&self, generation: u64, number: u64, offset: u64) {
        let mut out = Vec::new();
        put_frame(&mut out, generation, number, KIND_SUPERSEDED, |_| {});
        let _ = self.file.write_at(&out, offset);
    }
}

/// Appends a commit frame.
pub(crate) fn put_commit(out: &mut Vec<u8>, generation: u64, number: u64, fill: impl FnOnce(&mut Vec<u8>)) {
    put_frame(out, generation, number, KIND_COMMIT, fill);
}
