//! The reading side of the log: at start, and for exporters that follow it.

use std::path::Path;

use breakwatch_model::Timestamp;

use super::writer::SegmentInfo;
use super::{first_of, newest_segment, segment_path};
use crate::datadir::DataDir;
use crate::disk::{Disk, read_file, replace_file};
use crate::frame::{Found, Frame, Scan, put_frame};
use crate::incident::Unit;

/// What a segment gives when it is read: a frame, or a hole.
#[derive(Clone, Debug)]
pub(crate) enum Entry<'a> {
    Frame(Frame<'a>),
    /// So many bytes are unreadable.
    Damage(usize),
    /// So many bytes behind the last frame are no frame.
    Tail(usize),
}

/// The segments on disk.
#[derive(Debug)]
pub(crate) struct Segments {
    pub(crate) list: Vec<SegmentInfo>,
}

impl Segments {
    /// Finds the segments in `dir`, oldest first.
    pub(crate) fn find(disk: &dyn Disk, dir: &Path) -> std::io::Result<Self> {
        let mut list: Vec<SegmentInfo> = disk
            .list(dir)?
            .into_iter()
            .filter_map(|entry| {
                let first = first_of(&entry.name)?;
                Some(SegmentInfo {
                    first,
                    path: segment_path(dir, first),
                    bytes: entry.len,
                    until: Timestamp::MIN,
                })
            })
            .collect();
        list.sort_by_key(|segment| segment.first);
        // Begun and never written to, when a crash came.
        if let Some(last) =
            list.last().filter(|last| last.bytes == 0 && newest_segment(disk, dir) != Some(last.first))
        {
            disk.remove_file(&last.path)?;
            list.pop();
        }
        Ok(Self { list })
    }

    /// Goes through the frames of segment `index` that belong to it: from its first number to the next
    /// segment's (a frame that was written twice counts where it was written last).
    pub(crate) fn read(
        &self,
        disk: &dyn Disk,
        index: usize,
        each: &mut dyn FnMut(Entry<'_>),
    ) -> std::io::Result<()> {
        let Some(segment) = self.list.get(index) else { return Ok(()) };
        let end = self.list.get(index + 1).map_or(u64::MAX, |next| next.first);
        let bytes = read_file(disk, &segment.path)?;
        scan(&bytes, segment.first, end, each);
        Ok(())
    }

    /// Says when each segment was last written, by when the one after it was begun: so that a restart does not
    /// give back what is kept for a while.
    pub(crate) fn date(&mut self, begins: &[Option<Timestamp>], now: Timestamp) {
        let ends = begins.iter().skip(1).chain([&None]);
        for (segment, end) in self.list.iter_mut().zip(ends) {
            segment.until = end.map_or(now, |end| end.min(now));
        }
    }

    /// Writes damaged segments anew with the frames that are left, so that damage is told once. Their copies are
    /// in quarantine by now.
    pub(crate) fn repair(&mut self, dir: &DataDir, damaged: &[usize]) {
        for number in damaged {
            let mut out = Vec::new();
            let first = self.list.get(*number).map_or(0, |segment| segment.first);
            let read = self.read(&**dir.disk(), *number, &mut |entry| {
                if let Entry::Frame(frame) = entry {
                    put_frame(&mut out, first, frame.number, frame.kind, |out| {
                        out.extend_from_slice(frame.payload);
                    });
                }
            });
            let Some(segment) = self.list.get_mut(*number) else { continue };
            let repaired = read.and_then(|()| replace_file(&**dir.disk(), &segment.path, &out));
            match repaired {
                Ok(()) => segment.bytes = out.len() as u64,
                Err(error) => {
                    dir.report(Unit::Wal, format!("{} stays damaged: {error}", segment.path.display()), None);
                }
            }
        }
    }

    /// Cuts a torn tail off the newest segment, so that the next start does not take it for damage.
    pub(crate) fn cut_tail(&mut self, dir: &DataDir, tail: usize) {
        let Some(newest) = self.list.last_mut() else { return };
        newest.bytes = newest.bytes.saturating_sub(tail as u64);
        let cut = dir.disk().open(&newest.path, false).and_then(|file| {
            file.set_len(newest.bytes)?;
            file.sync()
        });
        if let Err(error) = cut {
            dir.report(Unit::Wal, format!("the torn end of {} stays: {error}", newest.path.display()), None);
        }
    }
}

/// Goes through the frames of a segment's bytes numbered below `end`.
pub(crate) fn scan(bytes: &[u8], generation: u64, end: u64, each: &mut dyn FnMut(Entry<'_>)) {
    let mut scan = Scan::new(bytes, generation, 0);
    for found in scan.by_ref() {
        match found {
            Found::Frame(frame) if frame.number < end => each(Entry::Frame(frame)),
            Found::Frame(_) => {}
            Found::Damage(range) => each(Entry::Damage(range.len())),
        }
    }
    let tail = bytes.get(scan.position()..).unwrap_or_default();
    if !tail.is_empty() {
        each(Entry::Tail(tail.len()));
    }
}
