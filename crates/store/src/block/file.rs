//! A block on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use breakwatch_model::{TimeRange, Timestamp};
use parking_lot::Mutex;

use crate::chunk::Chunk;
use crate::codec::{Bytes, Malformed, put_uvarint};
use crate::disk::{Disk, read_exact_at};
use crate::frame::{HEADER_LEN, frame_at, put_frame};
use crate::head::DAY;
use crate::index::{Record, read_records};

/// The footer's kind of frame.
const KIND_FOOTER: u8 = 1;

/// Payload of the footer: a version, a kind, and the integers of [`Footer`].
const FOOTER_LEN: usize = 2 + 8 * 8 + 2 * 4;

/// Version of the block format.
const VERSION: u8 = 1;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Every sample of a finished day.
    Raw,
    /// The rollups of a finished day.
    Rollup,
    /// The samples of an unfinished day, as a backup found them.
    Partial,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Raw, Self::Rollup, Self::Partial];

    /// The beginning of its files' names.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Rollup => "rollup",
            Self::Partial => "partial",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Raw => 1,
            Self::Rollup => 2,
            Self::Partial => 3,
        }
    }
}

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) kind: Kind,
    /// Days since the epoch.
    pub(crate) day: i64,
    /// Times of the first and the last sample.
    pub(crate) range: TimeRange,
    pub(crate) series: u64,
    pub(crate) samples: u64,
    /// Bytes of chunks, of the index behind them, and of the series behind that.
    pub(crate) chunks_len: u64,
    pub(crate) index_len: u64,
    pub(crate) series_len: u64,
    pub(crate) index_crc: u32,
    pub(crate) series_crc: u32,
}

impl Footer {
    /// Bytes of the footer in the file.
    pub(crate) const LEN: usize = HEADER_LEN + FOOTER_LEN;

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_frame(out, 1, 0, KIND_FOOTER, |out| {
            out.extend_from_slice(&[VERSION, self.kind.code()]);
            let ends = [self.range.start.0 as u64, self.range.end.0 as u64];
            let lens = [self.chunks_len, self.index_len, self.series_len];
            for value in
                [self.day as u64].into_iter().chain(ends).chain([self.series, self.samples]).chain(lens)
            {
                out.extend_from_slice(&value.to_le_bytes());
            }
            out.extend_from_slice(&self.index_crc.to_le_bytes());
            out.extend_from_slice(&self.series_crc.to_le_bytes());
        });
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let frame =
            frame_at(bytes, 0).filter(|frame| frame.kind == KIND_FOOTER).ok_or(Malformed("a footer"))?;
        let mut bytes = Bytes::new(frame.payload);
        if bytes.u8()? != VERSION {
            return Err(Malformed("a known block version"));
        }
        let code = bytes.u8()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code).ok_or(Malformed("a known kind"))?;
        let day = bytes.u64()? as i64;
        let range = TimeRange::new(Timestamp(bytes.u64()? as i64), Timestamp(bytes.u64()? as i64));
        Ok(Self {
            kind,
            day,
            range,
            series: bytes.u64()?,
            samples: bytes.u64()?,
            chunks_len: bytes.u64()?,
            index_len: bytes.u64()?,
            series_len: bytes.u64()?,
            index_crc: bytes.u32()?,
            series_crc: bytes.u32()?,
        })
    }

    pub(crate) fn file_len(&self) -> Option<u64> {
        let body = self.chunks_len.checked_add(self.index_len)?.checked_add(self.series_len)?;
        body.checked_add(Self::LEN as u64)
    }
}

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    /// Times of its first and last sample.
    pub(crate) range: TimeRange,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    /// Its number in the block.
    pub(crate) number: u32,
}

/// Which chunks each group has.
#[derive(Debug, Default)]
pub(crate) struct BlockIndex {
    /// Group, a bit for each slot that has samples, number of its first chunk; by group.
    groups: Vec<(u32, u32, u32)>,
    /// Milliseconds since the day began of the first sample, milliseconds to the last, and the offset.
    chunks: Vec<(u32, u32, u64)>,
    end: u64,
    day: i64,
}

impl BlockIndex {
    /// Adds a group's chunks: time range and length of each.
    pub(crate) fn push(&mut self, day: i64, group: u32, mask: u32, chunks: &[(TimeRange, u32)]) {
        self.day = day;
        self.groups.push((group, mask, self.chunks.len() as u32));
        for (range, len) in chunks {
            let start = range.start.0 - day * DAY;
            let span = range.end.0 - range.start.0;
            self.chunks.push((start as u32, span as u32, self.end));
            self.end += u64::from(*len);
        }
    }

    /// How long the chunks are together.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_uvarint(out, self.groups.len() as u64);
        let ends = self.groups.iter().skip(1).map(|(_, _, first)| *first).chain([self.chunks.len() as u32]);
        let mut before = 0;
        for ((group, mask, first), end) in self.groups.iter().zip(ends) {
            put_uvarint(out, u64::from(group - before));
            before = *group;
            out.extend_from_slice(&mask.to_le_bytes());
            put_uvarint(out, u64::from(end - first));
            let mut time = 0;
            for number in *first..end {
                let chunk = self.at(number).unwrap_or(ChunkRef::NONE);
                let start = (chunk.range.start.0 - self.day * DAY) as u32;
                put_uvarint(out, u64::from(start.wrapping_sub(time)));
                put_uvarint(out, (chunk.range.end.0 - chunk.range.start.0) as u64);
                put_uvarint(out, u64::from(chunk.len));
                time = start;
            }
        }
    }

    pub(crate) fn parse(payload: &[u8], day: i64, chunks_len: u64) -> Result<Self, Malformed> {
        let mut bytes = Bytes::new(payload);
        let mut index = Self { day, ..Self::default() };
        let groups = bytes.count(6)?;
        let mut group = 0_u32;
        for number in 0..groups {
            let step: u32 = bytes.narrow()?;
            group = group
                .checked_add(step)
                .filter(|_| number == 0 || step > 0)
                .ok_or(Malformed("groups in order"))?;
            let mask = bytes.u32()?;
            let count = bytes.count(3)?;
            index.groups.push((group, mask, index.chunks.len() as u32));
            let mut start = 0_u32;
            for _ in 0..count {
                start = start.wrapping_add(bytes.narrow()?);
                let span = bytes.narrow()?;
                let len: u32 = bytes.narrow()?;
                index.chunks.push((start, span, index.end));
                index.end += u64::from(len);
            }
        }
        if bytes.is_empty() && index.end == chunks_len {
            Ok(index)
        } else {
            Err(Malformed("an index that fits"))
        }
    }

    fn at(&self, number: u32) -> Option<ChunkRef> {
        let (start, span, offset) = *self.chunks.get(number as usize)?;
        let end = self.chunks.get(number as usize + 1).map_or(self.end, |(_, _, next)| *next);
        let start = self.day * DAY + i64::from(start);
        let range = TimeRange::new(Timestamp(start), Timestamp(start + i64::from(span)));
        Some(ChunkRef { range, offset, len: (end - offset) as u32, number })
    }

    /// The chunks of a group that may have samples of `slot` in `range`.
    pub(crate) fn find(&self, group: u32, slot: u8, range: TimeRange) -> impl Iterator<Item = ChunkRef> + '_ {
        let at = self.groups.binary_search_by_key(&group, |(group, _, _)| *group).ok();
        let found = at.and_then(|at| {
            let (_, mask, first) = *self.groups.get(at)?;
            let end = self.groups.get(at + 1).map_or(self.chunks.len() as u32, |(_, _, next)| *next);
            (mask & 1 << (slot & 31) != 0).then_some(first..end)
        });
        let chunks = found.unwrap_or(0..0).filter_map(|number| self.at(number));
        chunks.filter(move |chunk| chunk.range.start <= range.end && range.start <= chunk.range.end)
    }

    /// Every group with the slots it has samples of.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.groups.iter().map(|(group, mask, _)| (*group, *mask))
    }

    /// Every chunk with its group.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (u32, ChunkRef)> + '_ {
        let ends = self.groups.iter().skip(1).map(|(_, _, first)| *first).chain([self.chunks.len() as u32]);
        let groups = self.groups.iter().zip(ends);
        groups.flat_map(|((group, _, first), end)| {
            (*first..end).filter_map(|number| Some((*group, self.at(number)?)))
        })
    }
}

impl ChunkRef {
    const NONE: Self =
        Self { range: TimeRange::new(Timestamp(0), Timestamp(0)), offset: 0, len: 0, number: 0 };
}

/// An immutable block. Its file is opened for each read, so that hundreds of blocks take no descriptors.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) path: PathBuf,
    /// Tells blocks apart for as long as the process runs.
    pub(crate) serial: u64,
    pub(crate) footer: Footer,
    pub(crate) bytes: u64,
    index: Mutex<Option<Arc<BlockIndex>>>,
}

impl Block {
    /// Reads the footer.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, serial: u64) -> io::Result<Result<Self, Malformed>> {
        let file = disk.open_read(path)?;
        let bytes = file.len()?;
        let Some(start) = bytes.checked_sub(Footer::LEN as u64) else { return Ok(Err(Malformed("a block"))) };
        let footer = Footer::parse(&read_exact_at(&*file, start, Footer::LEN)?);
        let fits = |footer: Footer| match footer.file_len() {
            Some(len) if len == bytes => Ok(footer),
            _ => Err(Malformed("a footer that fits the file")),
        };
        Ok(footer.and_then(fits).map(|footer| Self {
            path: path.to_owned(),
            serial,
            footer,
            bytes,
            index: Mutex::new(None),
        }))
    }

    fn read(&self, disk: &dyn Disk, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        read_exact_at(&*disk.open_read(&self.path)?, offset, len)
    }

    /// The index, read at first use.
    pub(crate) fn index(&self, disk: &dyn Disk) -> io::Result<Result<Arc<BlockIndex>, Malformed>> {
        let mut held = self.index.lock();
        if let Some(index) = &*held {
            return Ok(Ok(Arc::clone(index)));
        }
        let bytes = self.read(disk, self.footer.chunks_len, self.footer.index_len)?;
        if crc32fast::hash(&bytes) != self.footer.index_crc {
            return Ok(Err(Malformed("an index whose CRC holds")));
        }
        Ok(BlockIndex::parse(&bytes, self.footer.day, self.footer.chunks_len).map(|index| {
            let index = Arc::new(index);
            *held = Some(Arc::clone(&index));
            index
        }))
    }

    /// The definitions of its series.
    pub(crate) fn series(&self, disk: &dyn Disk) -> io::Result<Result<Vec<Record>, Malformed>> {
        let offset = self.footer.chunks_len + self.footer.index_len;
        let bytes = self.read(disk, offset, self.footer.series_len)?;
        if crc32fast::hash(&bytes) != self.footer.series_crc {
            return Ok(Err(Malformed("series whose CRC holds")));
        }
        Ok(read_records(&bytes))
    }

    /// A chunk.
    pub(crate) fn chunk(&self, disk: &dyn Disk, chunk: ChunkRef) -> io::Result<Result<Chunk, Malformed>> {
        Ok(Chunk::parse(self.read(disk, chunk.offset, u64::from(chunk.len))?))
    }
}
