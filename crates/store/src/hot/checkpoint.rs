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
    /// Chunks in each day's store.
    pub(crate) days: Vec<(i64, u64)>,
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
        let count = bytes.count(2)?;
        let day = |bytes: &mut Bytes<'_>| Ok((bytes.ivarint()?, bytes.uvarint()?));
        let days = (0..count).map(|_| day(&mut bytes)).collect::<Result<_, Malformed>>()?;
        Ok(Self { replay_from, durable, numbers, days })
    }

    /// As the file's content.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_frame(&mut out, 1, 0, 1, |out| {
            put_uvarint(out, self.replay_from);
            put_uvarint(out, self.durable);
            put_uvarint(out, u64::from(self.numbers.0));
            put_uvarint(out, u64::from(self.numbers.1));
            put_uvarint(out, self.days.len() as u64);
            for (day, count) in &self.days {
                put_ivarint(out, *day);
                put_uvarint(out, *count);
            }
        });
        out
    }

    /// Writes it, durably.
    pub(crate) fn write(&self, dir: &DataDir) -> std::io::Result<()> {
        replace_file(&**dir.disk(), &path(dir), &self.to_bytes())
    }
}
