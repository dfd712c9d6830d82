//! The checkpoint: how far the hot tier is durable, noted outside of it.

use std::path::PathBuf;

use crate::codec::{Bytes, Malformed, put_ivarint, put_uvarint};
use crate::datadir::DataDir;
use crate::disk::{read_file, replace_file};
use crate::frame::{frame_at, put_frame};
use crate::incident::Unit;

/// What is known to be durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Log frames from here on hold samples that are nowhere else.
    pub(crate) replay_from: u64,
    /// Log frames below this were durable.
    pub(crate) durable: u64,
    /// Series and groups below these numbers were given out.
    pub(crate) numbers: (u32, u32),
    /// Ticks of the log before which others are known to be missing.
    pub(crate) holes: Vec<u64>,
    /// Days whose store was lost, and the log frame up to which its notes of stored chunks mean nothing.
    pub(crate) void: Vec<(i64, u64)>,
    /// Chunks in each day's store.
    pub(crate) days: Vec<(i64, u64)>,
}

fn put_days(out: &mut Vec<u8>, days: &[(i64, u64)]) {
    put_uvarint(out, days.len() as u64);
    for (day, number) in days {
        put_ivarint(out, *day);
        put_uvarint(out, *number);
    }
}

fn read_days(bytes: &mut Bytes<'_>) -> Result<Vec<(i64, u64)>, Malformed> {
    let count = bytes.count(2)?;
    (0..count).map(|_| Ok((bytes.ivarint()?, bytes.uvarint()?))).collect()
}

fn path(dir: &DataDir) -> PathBuf {
    dir.path().join("checkpoint")
}

impl Checkpoint {
    /// Reads it; an absent one means nothing is known.
    pub(crate) fn read(dir: &DataDir) -> Self {
        let path = path(dir);
        let bytes = match read_file(&**dir.disk(), &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                dir.report(Unit::Hot, format!("the checkpoint cannot be read: {error}"), None);
                return Self::default();
            }
        };
        let read =
            frame_at(&bytes, 0).ok_or(Malformed("a frame")).and_then(|frame| Self::parse(frame.payload));
        read.unwrap_or_else(|_| {
            let kept = dir.quarantine(&path);
            dir.report(Unit::Hot, "the checkpoint is unreadable; the whole log is replayed", kept);
            Self::default()
        })
    }

    fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes::new(payload);
        let (replay_from, durable) = (bytes.uvarint()?, bytes.uvarint()?);
        let numbers = (bytes.narrow()?, bytes.narrow()?);
        let count = bytes.count(1)?;
        let holes = (0..count).map(|_| bytes.uvarint()).collect::<Result<_, _>>()?;
        let void = read_days(&mut bytes)?;
        let days = read_days(&mut bytes)?;
        Ok(Self { replay_from, durable, numbers, holes, void, days })
    }

    /// As the file's content.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_frame(&mut out, 1, 0, 1, |out| {
            put_uvarint(out, self.replay_from);
            put_uvarint(out, self.durable);
            put_uvarint(out, u64::from(self.numbers.0));
            put_uvarint(out, u64::from(self.numbers.1));
            put_uvarint(out, self.holes.len() as u64);
            self.holes.iter().for_each(|hole| put_uvarint(out, *hole));
            put_days(out, &self.void);
            put_days(out, &self.days);
        });
        out
    }

    /// Writes it, durably.
    pub(crate) fn write(&self, dir: &DataDir) -> std::io::Result<()> {
        replace_file(&**dir.disk(), &path(dir), &self.to_bytes())
    }
}
