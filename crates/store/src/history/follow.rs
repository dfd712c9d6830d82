//! Following what was appended: exporters read the log, frame by frame, from wherever they stopped.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use breakwatch_model::{Cursor, Followed, Follower, SeriesInfo, SeriesRef, StorageError, Timestamp};

use super::{History, Shared};
use crate::disk::read_file;
use crate::frame::{Found, Scan};
use crate::wal::{KIND_SAMPLES, read_samples};

/// How long after its time a sample may still arrive: a cursor's time stays this far behind the newest sample
/// read, so that going on by time leaves nothing out.
const LATENESS: Duration = Duration::from_secs(120);

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
        if self.0.len() == POSITIONS {
            self.0.pop_front();
        }
        self.0.push_back((frame, segment, offset));
    }
}

impl Follower for History {
    fn end(&self) -> Cursor {
        let time = self.shared.live.read().head.newest();
        Cursor { frame: self.shared.wal.lock().durable(), time }
    }

    fn follow(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError> {
        self.shared.follow(from, max_samples)
    }

    fn series_info(&self, reference: SeriesRef) -> Option<SeriesInfo> {
        let index = self.shared.index.read();
        let entry = index.get(u32::try_from(reference.0).ok()?)?;
        let meta = index.metadata().get(&entry.family).cloned().unwrap_or_default();
        Some(SeriesInfo { labels: entry.labels.clone(), meta, created_at: entry.created_at })
    }
}

/// The part of the log a call may read.
struct Reach {
    /// Segments that may hold the cursor's frame, with the frame each ends before.
    segments: Vec<(u64, u64, PathBuf)>,
    durable: u64,
}

impl Shared {
    fn reach(&self, frame: u64) -> Reach {
        let wal = self.wal.lock();
        let durable = wal.durable();
        let ends = wal.segments.iter().skip(1).map(|next| next.first).chain([u64::MAX]);
        let segments = wal.segments.iter().zip(ends).filter(|(_, end)| *end > frame);
        let segments = segments.map(|(segment, end)| (segment.first, end, segment.path.clone())).collect();
        Reach { segments, durable }
    }

    fn follow(&self, from: Cursor, max_samples: usize) -> Result<Followed, StorageError> {
        let reach = self.reach(from.frame);
        let mut followed = Followed { next: from, caught_up: true, ..Followed::default() };
        let mut newest = Timestamp::MIN;
        for (first, end, path) in reach.segments {
            if followed.next.frame >= reach.durable {
                break;
            }
            let bytes = match read_file(&**self.dir.disk(), &path) {
                Ok(bytes) => bytes,
                // Given back in between: what it held is read by time.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(StorageError::io(format!("cannot read {}", path.display()), &error));
                }
            };
            let offset = self.positions.lock().find(followed.next.frame, first);
            let mut scan = Scan::new(&bytes, first, offset.min(bytes.len()));
            for found in scan.by_ref() {
                let Found::Frame(frame) = found else { continue };
                if frame.number >= end || frame.number >= reach.durable {
                    break;
                }
                if frame.number < followed.next.frame || frame.kind != KIND_SAMPLES {
                    continue;
                }
                let _ = read_samples(frame.payload, |id, sample| {
                    newest = newest.max(sample.t);
                    followed.samples.push((SeriesRef(u64::from(id)), sample));
                });
                followed.next.frame = frame.number + 1;
                if followed.samples.len() >= max_samples.max(1) {
                    followed.caught_up = frame.number + 1 >= reach.durable;
                    self.positions.lock().note(frame.number + 1, first, frame.end());
                    followed.next.time = from.time.max(newest - LATENESS);
                    return Ok(followed);
                }
            }
            if end > reach.durable {
                self.positions.lock().note(followed.next.frame, first, scan.position());
            }
        }
        followed.next.frame = followed.next.frame.max(reach.durable);
        followed.next.time = from.time.max(newest - LATENESS);
        Ok(followed)
    }
}
