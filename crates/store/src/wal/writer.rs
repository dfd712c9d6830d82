//! The writing side of the log.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use breakwatch_model::Timestamp;

use super::segment_path;
use crate::disk::{Disk, DiskFile, read_file, replace_file};
use crate::frame::put_frame;

/// A segment is closed after this time or size: the unit in which the log is given back.
const SEGMENT_TIME: Duration = Duration::from_secs(300);
/// As [`SEGMENT_TIME`].
const SEGMENT_BYTES: u64 = 16 << 20;

/// The file with the number of the newest segment.
const NEWEST: &str = "newest";

/// The number of the newest segment that was begun in `dir`, if it is known.
pub(crate) fn newest_segment(disk: &dyn Disk, dir: &Path) -> Option<u64> {
    let text = read_file(disk, &dir.join(NEWEST)).ok()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

/// A frame that waits to be written.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) number: u64,
    pub(crate) kind: u8,
    pub(crate) payload: Vec<u8>,
}

/// A segment on disk.
#[derive(Clone, Debug)]
pub(crate) struct SegmentInfo {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// When it was last written, as far as known.
    pub(crate) until: Timestamp,
}

/// What others want to know of the log without waiting for a disk that is slow.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Frames below this are durable.
    durable: AtomicU64,
    /// Bytes of all segments.
    bytes: AtomicU64,
}

impl Figures {
    /// Frames below this are durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The log, open for writing.
#[derive(Debug)]
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Oldest first; the last is being written if `file` is open.
    pub(crate) segments: VecDeque<SegmentInfo>,
    file: Option<Arc<dyn DiskFile>>,
    opened: Timestamp,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    figures: Arc<Figures>,
}

impl Wal {
    /// A log that goes on with frame `next` behind the segments found on disk.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, segments: Vec<SegmentInfo>, next: u64) -> Self {
        let wal = Self {
            disk,
            dir,
            segments: segments.into(),
            file: None,
            opened: Timestamp::MIN,
            queue: VecDeque::new(),
            queued_bytes: 0,
            figures: Arc::default(),
        };
        wal.figures.durable.store(next, Ordering::Release);
        wal.count_bytes();
        wal
    }

    /// Notes which segment is the newest, so that its loss shows. Without the note nothing else suffers.
    pub(crate) fn note_newest(&self) {
        let newest = self.segments.back().map_or(String::new(), |segment| segment.first.to_string());
        let _ = replace_file(&*self.disk, &self.dir.join(NEWEST), newest.as_bytes());
    }

    /// Hands over a frame; it is durable once [`Wal::write`] has succeeded.
    pub(crate) fn queue(&mut self, frame: Queued) {
        self.queued_bytes += frame.payload.len();
        self.queue.push_back(frame);
    }

    /// Bytes that wait to be written.
    pub(crate) const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// See [`Figures`].
    pub(crate) fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    fn count_bytes(&self) {
        let bytes = self.segments.iter().map(|segment| segment.bytes).sum();
        self.figures.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Writes what is queued and makes it durable. After an error everything is still queued, and the next
    /// try begins a new segment, because the end of this one is uncertain.
    pub(crate) fn write(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(first) = self.queue.front().map(|frame| frame.number) else { return Ok(()) };
        let result = self.try_write(first, now);
        if result.is_err() {
            // Whatever was written of the frames is cut off again, if the disk lets it: they come in the next
            // segment, and a torn end in the middle of the log would look like damage.
            if let (Some(file), Some(segment)) = (self.file.take(), self.segments.back()) {
                let _ = file.set_len(segment.bytes);
            }
        }
        result
    }

    fn try_write(&mut self, first: u64, now: Timestamp) -> io::Result<()> {
        self.roll(first, now)?;
        let (Some(file), Some(segment)) = (&self.file, self.segments.back_mut()) else { return Ok(()) };
        let mut out = Vec::with_capacity(self.queued_bytes + self.queue.len() * 64);
        for frame in &self.queue {
            put_frame(&mut out, segment.first, frame.number, frame.kind, |out| {
                out.extend_from_slice(&frame.payload);
            });
        }
        file.write_at(&out, segment.bytes)?;
        file.sync()?;
        segment.bytes += out.len() as u64;
        segment.until = now;
        let begun = segment.bytes == out.len() as u64;
        if let Some(last) = self.queue.back() {
            self.figures.durable.store(last.number + 1, Ordering::Release);
        }
        self.count_bytes();
        self.queue.clear();
        self.queued_bytes = 0;
        if begun {
            // Only now that it holds something: an empty newest segment that is not noted is what a crash left.
            self.note_newest();
        }
        Ok(())
    }

    /// Begins a segment if there is none or it has had its time.
    fn roll(&mut self, first: u64, now: Timestamp) -> io::Result<()> {
        let full = self.segments.back().is_some_and(|segment| segment.bytes >= SEGMENT_BYTES);
        if self.file.is_some() && !full && now < self.opened + SEGMENT_TIME && now >= self.opened {
            return Ok(());
        }
        let path = segment_path(&self.dir, first);
        // A segment that could not be written may have left its file behind; its frames are all still queued.
        if self.segments.back().is_some_and(|segment| segment.first == first) {
            self.segments.pop_back();
        }
        let file = self.disk.open(&path, true)?;
        file.set_len(0)?;
        self.disk.sync_dir(&self.dir)?;
        self.file = Some(file);
        self.opened = now;
        self.segments.push_back(SegmentInfo { first, path, bytes: 0, until: now });
        Ok(())
    }

    /// Removes the segments whose frames are all below `frame` and that were last written before `before`;
    /// regardless of age while those that could go take more than `most` bytes.
    pub(crate) fn trim(&mut self, frame: u64, before: Timestamp, most: u64) -> io::Result<()> {
        let surplus = |segments: &VecDeque<SegmentInfo>| {
            let ends = segments.iter().skip(1).map(|next| next.first);
            segments.iter().zip(ends).take_while(|(_, end)| *end <= frame).map(|(s, _)| s.bytes).sum::<u64>()
        };
        while let (Some(oldest), Some(next)) = (self.segments.front(), self.segments.get(1)) {
            let done = next.first <= frame;
            if !done || (oldest.until >= before && surplus(&self.segments) <= most) {
                break;
            }
            match self.disk.remove_file(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.segments.pop_front(),
            };
        }
        self.count_bytes();
        Ok(())
    }
}
