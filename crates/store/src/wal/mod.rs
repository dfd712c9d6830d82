//! The write-ahead log of samples: one frame a tick, durable before it is followed by exporters or left out
//! of memory.
//!
//! Frames are numbered without end; a segment's name is the number of its first frame. A segment is written
//! by one process only and never appended to after a restart, so its tail can be judged: in the newest it is
//! where a crash cut, anywhere else it is damage.

mod reader;
mod record;
mod writer;

pub(crate) use reader::{Entry, Segments, scan};
pub(crate) use record::{SampleWriter, Sealed, Span, read_samples};
pub(crate) use writer::{Figures, Queued, Wal, newest_segment};

use std::path::{Path, PathBuf};

/// A frame of samples.
pub(crate) const KIND_SAMPLES: u8 = 1;
/// A frame of series definitions, a copy of what the registry got.
pub(crate) const KIND_SERIES: u8 = 2;
/// A frame of chunks that are stored.
pub(crate) const KIND_SEALED: u8 = 3;

/// The file of the segment that begins with frame `first`.
fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:016x}.wal"))
}

/// The first frame of the segment with this file name.
fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Frame numbers a tick has: one for each kind of frame, in the order in which they are written.
const FRAMES_PER_TICK: u64 = 4;

/// The number of a tick's frame of a kind: names before what bears them.
pub(crate) const fn frame_of(tick: u64, kind: u8) -> u64 {
    let place = match kind {
        KIND_SERIES => 0,
        KIND_SEALED => 1,
        _ => 2,
    };
    tick * FRAMES_PER_TICK + place
}

/// The tick of a frame.
pub(crate) const fn tick_of(frame: u64) -> u64 {
    frame / FRAMES_PER_TICK
}
