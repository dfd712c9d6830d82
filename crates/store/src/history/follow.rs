//! Following what was appended: exporters read the log, frame by frame, from wherever they stopped.
//!
//! A follower that was away for longer than the log reaches goes on by time: everything after the cursor's
//! time is read from chunks, a slice at a time, up to where the log begins, and from there on by frame again.
//! Around that seam, samples of frames that the slices covered already are passed over.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use breakwatch_model::{
    CancelToken, Cursor, Followed, Follower, Sample, SeriesInfo, SeriesRef, StorageError, TimeRange,
    Timestamp,
};

use super::{History, Shared};
use crate::disk::read_file;
use crate::frame::{Found, Scan};
use crate::wal::{KIND_SAMPLES, read_samples};

/// How long after its time a sample may still arrive. A cursor's time stays this far behind the newest sample
/// read, so that going on by time leaves nothing out; what is then read twice is the same sample twice.
const LATENESS: Duration = Duration::from_secs(120);

/// Marks a cursor that reads by frame what was read by time up to its time: earlier samples are passed over.
const SEAM: u64 = 1 << 63;

/// The mark goes once frames hold nothing older than this after the seam.
const SEAM_WIDTH: Duration = Duration::from_secs(3600);

/// Longest slice read by time.
const SLICE: i64 = 300_000;

/// Where cursors that were given out lie in the log: frame, segment, offset. Saves reading a segment from its
/// beginning at every call.
#[derive(Debug, Default)]
pub(crate) struct Positions(VecDeque<(u64, u64, usize)>);

/// Followers whose place is remembered.
const POSITIONS: usize = 16;

impl Positions {
    fn find(&self, frame: u64, segment: u64) -> usize {
        let known = self.0.iter().find(|(f, s, _)| *f == frame && *s == segment);
        known.map_or(0, |(_, _, offset)| *offset)
    }

    fn note(&mut self, frame: u64, segment: u64, offset: usize) {
        self.0.retain(|(f, s, _)| (*f, *s) != (frame, segment));
        if self.0.len() == POSITIONS {
            self.0.pop_front();
        }
        self.0.push_back((frame, segment, offset));
    }
}

impl Follower for History {
    fn end(&self) -> Cursor {
        let time = self.shared.live.read().head.newest();
        Cursor { frame: self.shared.log.durable(), time }
    }

    fn follow(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError> {
        let first = self.shared.wal.lock().segments.front().map(|segment| segment.first);
        if first.is_some_and(|first| from.frame & !SEAM < first) {
            return self.shared.follow_by_time(from, max_samples);
        }
        self.shared.follow_by_frame(from, max_samples)
    }

    fn series_info(&self, reference: SeriesRef) -> Option<SeriesInfo> {
        let index = self.shared.index.read();
        let entry = index.get(u32::try_from(reference.0).ok()?)?;
        let meta = index.metadata().get(&entry.family).cloned().unwrap_or_default();
        Some(SeriesInfo { labels: entry.labels.clone(), meta, created_at: entry.created_at })
    }
}

impl Shared {
    /// Segments of the log that reach behind `frame`: first frame, frame they end before, file.
    pub(crate) fn segments_from(&self, frame: u64) -> Vec<(u64, u64, PathBuf)> {
        let wal = self.wal.lock();
        let durable = self.log.durable();
        let ends = wal.segments.iter().skip(1).map(|next| next.first).chain([durable]);
        let segments = wal.segments.iter().zip(ends).filter(|(_, end)| *end > frame);
        segments.map(|(segment, end)| (segment.first, end, segment.path.clone())).collect()
    }

    fn follow_by_frame(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError> {
        let mut reading = Reading::new(from, max_samples);
        let durable = self.log.durable();
        for (first, end, path) in self.segments_from(reading.frame) {
            let bytes = match read_file(&**self.dir.disk(), &path) {
                Ok(bytes) => bytes,
                // Given back in between: the next call goes on by time.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                Err(error) => {
                    return Err(StorageError::io(format!("cannot read {}", path.display()), &error));
                }
            };
            let offset = self.positions.lock().find(reading.frame, first);
            let mut scan = Scan::new(&bytes, first, offset.min(bytes.len()));
            while let Some(found) = scan.next() {
                let Found::Frame(frame) = found else { continue };
                if frame.number >= end {
                    break;
                }
                if frame.number < reading.frame || frame.kind != KIND_SAMPLES {
                    continue;
                }
                reading.take(frame.number, frame.payload);
                if reading.is_full() {
                    self.positions.lock().note(reading.frame, first, scan.position());
                    return Ok(reading.done(durable));
                }
            }
            reading.frame = reading.frame.max(end);
            self.positions.lock().note(reading.frame, first, scan.position().min(bytes.len()));
        }
        Ok(reading.done(durable))
    }

    /// Where the log begins, as time: everything sampled up to then was appended in frames that are gone or
    /// lie before the seam.
    fn seam(&self) -> Result<Option<(u64, Timestamp)>, StorageError> {
        let Some((first, end, path)) = self.segments_from(0).into_iter().next() else { return Ok(None) };
        let bytes = read_file(&**self.dir.disk(), &path)
            .map_err(|error| StorageError::io(format!("cannot read {}", path.display()), &error))?;
        let mut oldest = None;
        for found in Scan::new(&bytes, first, 0) {
            if let Found::Frame(frame) = found
                && frame.kind == KIND_SAMPLES
                && frame.number < end
            {
                let _ = read_samples(frame.payload, |_, sample| {
                    oldest = Some(oldest.map_or(sample.t, |oldest: Timestamp| oldest.min(sample.t)));
                });
                break;
            }
        }
        Ok(oldest.map(|oldest| (first, oldest + self.future_limit)))
    }

    fn follow_by_time(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError> {
        let Some((first, seam)) = self.seam()? else { return self.follow_by_frame(from, max_samples) };
        // Never beyond what is durable for certain.
        let seam = seam.min(self.dir.now() - LATENESS);
        let references: Vec<(u32, crate::index::Place)> =
            self.index.read().iter().map(|(id, entry)| (id, entry.place)).collect();
        let per_slice = 15_000 * max_samples as i64 / references.len().max(1) as i64;
        let slice = per_slice.clamp(1000, SLICE);
        let mut time = from.time.max(Timestamp(self.raw_from().0.saturating_sub(1)));
        let mut samples = Vec::new();
        while time < seam && samples.is_empty() {
            let end = Timestamp(time.0.saturating_add(slice)).min(seam);
            let range = TimeRange::new(Timestamp(time.0.saturating_add(1)), end);
            for (id, place) in &references {
                self.read_range(*place, range, &mut |sample| {
                    samples.push((SeriesRef(u64::from(*id)), sample));
                })?;
            }
            time = end;
        }
        let next = if time >= seam {
            Cursor { frame: first | SEAM, time: seam.max(from.time) }
        } else {
            Cursor { frame: from.frame, time }
        };
        Ok(Followed { samples, next, caught_up: false })
    }

    fn read_range(
        &self,
        place: crate::index::Place,
        range: TimeRange,
        each: &mut dyn FnMut(Sample),
    ) -> Result<(), StorageError> {
        let cancel = CancelToken::new();
        let mut set = super::read::Set::of_one(self, place, range, &cancel);
        let mut samples = Vec::new();
        use breakwatch_model::SeriesSet;
        while set.next_series()?.is_some() {
            samples.clear();
            while set.next_chunk(&mut samples)? {}
            samples.iter().for_each(|sample| each(*sample));
        }
        Ok(())
    }
}

/// A call that reads frames.
struct Reading {
    frame: u64,
    /// Samples up to here were read by time.
    seam: Option<Timestamp>,
    time: Timestamp,
    newest: Timestamp,
    samples: Vec<(SeriesRef, Sample)>,
    most: usize,
}

impl Reading {
    fn new(from: Cursor, most: usize) -> Self {
        let seam = (from.frame & SEAM != 0).then_some(from.time);
        Self {
            frame: from.frame & !SEAM,
            seam,
            time: from.time,
            newest: Timestamp::MIN,
            samples: Vec::new(),
            most: most.max(1),
        }
    }

    fn take(&mut self, number: u64, payload: &[u8]) {
        let seam = self.seam.unwrap_or(Timestamp::MIN);
        let mut oldest = Timestamp::MAX;
        let _ = read_samples(payload, |id, sample| {
            oldest = oldest.min(sample.t);
            if sample.t > seam {
                self.newest = self.newest.max(sample.t);
                self.samples.push((SeriesRef(u64::from(id)), sample));
            }
        });
        if self.seam.is_some() && oldest > seam + SEAM_WIDTH {
            self.seam = None;
        }
        self.frame = number + 1;
    }

    const fn is_full(&self) -> bool {
        self.samples.len() >= self.most
    }

    fn done(self, durable: u64) -> Followed {
        let next = match self.seam {
            Some(seam) => Cursor { frame: self.frame | SEAM, time: seam },
            None => Cursor { frame: self.frame, time: self.time.max(self.newest - LATENESS) },
        };
        Followed { samples: self.samples, next, caught_up: self.frame >= durable }
    }
}
