//! Replaying the log: names and stored chunks first, then the samples that are nowhere else.

use breakwatch_model::Timestamp;
use rustc_hash::FxHashMap;

use crate::codec::Bytes;
use crate::datadir::DataDir;
use crate::head::Head;
use crate::hot::Checkpoint;
use crate::incident::Unit;
use crate::index::{Index, apply, read_records};
use crate::wal::{self, Entry, KIND_SAMPLES, KIND_SEALED, KIND_SERIES, Sealed, Segments};

/// Replaying the log.
pub(crate) struct Replay<'a> {
    dir: &'a DataDir,
    /// Frames below this are in chunks.
    from: u64,
    lost_days: &'a [i64],
    pub(crate) segments: Segments,
    sealed: FxHashMap<u32, Vec<Sealed>>,
    pub(crate) head: Head,
    /// Samples before this are in blocks.
    floor: Timestamp,
    pub(crate) next_tick: u64,
    /// Ticks before which others are missing, for the next opening to know.
    pub(crate) holes: Vec<u64>,
    /// Samples of series that nobody knows.
    pub(crate) missing: u64,
}

impl<'a> Replay<'a> {
    /// A replay of `segments` from frame `from` on.
    pub(crate) fn new(
        dir: &'a DataDir,
        segments: Segments,
        from: u64,
        lost_days: &'a [i64],
        floor: Timestamp,
    ) -> Self {
        Self {
            dir,
            from,
            lost_days,
            segments,
            sealed: FxHashMap::default(),
            head: Head::default(),
            floor,
            next_tick: 0,
            holes: Vec::new(),
            missing: 0,
        }
    }

    /// Reads the log twice: for names and for what is stored already, then for samples. `mend` is asked for
    /// names when there are too few, and says whether it found any. Gives whether the registry is to be
    /// written anew.
    pub(crate) fn run(
        &mut self,
        index: &mut Index,
        checkpoint: &Checkpoint,
        sound: bool,
        mend: &mut dyn FnMut(&mut Index) -> bool,
    ) -> bool {
        self.next_tick = wal::tick_of(checkpoint.durable + 3);
        let before = index.len();
        self.first_pass(index, checkpoint);
        // Names that only the log had.
        let mut incomplete = !sound || index.len() > before || index.next().0 < checkpoint.numbers.0;
        if incomplete {
            mend(index);
        }
        let mut highest = self.samples_again(index);
        if highest.is_some_and(|id| id >= index.next().0) && !incomplete {
            incomplete = true;
            if mend(index) {
                highest = self.samples_again(index);
            }
        }
        index.reserve(checkpoint.numbers.0, checkpoint.numbers.1);
        index.reserve(highest.map_or(0, |id| id.saturating_add(1)), 0);
        incomplete
    }

    /// Fills a fresh head.
    fn samples_again(&mut self, index: &Index) -> Option<u32> {
        self.head = Head::default();
        self.missing = 0;
        for (id, entry) in index.iter() {
            self.head.add_series(id, entry.place.group, entry.place.slot);
        }
        self.second_pass(index)
    }

    fn first_pass(&mut self, index: &mut Index, checkpoint: &Checkpoint) {
        let mut last_tick: Option<u64> = None;
        let mut tail = 0;
        let mut repairs = Vec::new();
        let mut begins = Vec::with_capacity(self.segments.list.len());
        for number in 0..self.segments.list.len() {
            let newest = number + 1 == self.segments.list.len();
            let mut damaged = 0;
            let mut sealed = Vec::new();
            let mut begin = None;
            let first = self.segments.list.get(number).map_or(0, |segment| wal::tick_of(segment.first));
            let hole = last_tick.is_some_and(|last| first > last + 1 && !checkpoint.holes.contains(&first));
            if last_tick.is_some_and(|last| first > last + 1) {
                self.holes.push(first);
            }
            let read = self.segments.read(&**self.dir.disk(), number, &mut |entry| match entry {
                Entry::Frame(frame) => {
                    last_tick = Some(wal::tick_of(frame.number));
                    if begin.is_none() && frame.kind == KIND_SAMPLES {
                        let _ = wal::read_samples(frame.payload, |_, sample| begin = Some(sample.t));
                    }
                    let before = sealed.len();
                    damaged += usize::from(!note_frame(frame.kind, frame.payload, index, &mut sealed));
                    let void = |day: i64| checkpoint.void.iter().any(|(d, f)| *d == day && frame.number < *f);
                    let fresh: Vec<Sealed> = sealed.drain(before..).filter(|one| !void(one.day)).collect();
                    sealed.extend(fresh);
                }
                Entry::Damage(bytes) => damaged += bytes,
                Entry::Tail(bytes) if newest => tail = bytes,
                Entry::Tail(bytes) => damaged += bytes,
            });
            begins.push(begin);
            if self.report(number, hole, damaged, read.err()) {
                repairs.push(number);
            }
            let lost = self.lost_days;
            for sealed in sealed.into_iter().filter(|sealed| !lost.contains(&sealed.day)) {
                self.sealed.entry(sealed.group).or_default().push(sealed);
            }
        }
        if tail > 0 {
            let path = self.segments.list.last().map(|segment| segment.path.display().to_string());
            let kept = self.segments.list.last().and_then(|segment| self.dir.quarantine_copy(&segment.path));
            let message = format!("the last {tail} bytes of {} are incomplete", path.unwrap_or_default());
            self.dir.report(Unit::Wal, message, kept);
            self.segments.cut_tail(self.dir, tail);
        }
        // A segment's own number counts too: its frames may be lost, and their numbers must not come again.
        let begun = self.segments.list.last().map(|segment| wal::tick_of(segment.first));
        let after = last_tick.max(begun).map_or(0, |last| last + 1);
        self.next_tick = self.next_tick.max(after);
        if last_tick.map_or(0, |last| last + 1) < self.next_tick {
            self.holes.push(self.next_tick);
        }
        self.check_ends(checkpoint, last_tick);
        self.segments.repair(self.dir, &repairs);
        self.segments.date(&begins, self.dir.now());
    }

    /// Reports what is wrong with a segment; gives whether it holds damage.
    fn report(&self, number: usize, hole: bool, damaged: usize, error: Option<std::io::Error>) -> bool {
        let Some(segment) = self.segments.list.get(number) else { return false };
        let name = segment.path.display();
        if hole {
            self.dir.report(Unit::Wal, format!("a segment of the log before {name} is missing"), None);
        }
        if let Some(error) = error {
            self.dir.report(Unit::Wal, format!("{name} cannot be read: {error}"), None);
        } else if damaged > 0 {
            let kept = self.dir.quarantine_copy(&segment.path);
            self.dir.report(Unit::Wal, format!("{damaged} bytes of {name} are unreadable"), kept);
            return true;
        }
        false
    }

    /// Reports a log that begins after or ends before what the checkpoint knows.
    fn check_ends(&self, checkpoint: &Checkpoint, last_tick: Option<u64>) {
        let first = self.segments.list.first().map(|segment| segment.first);
        if first.is_some_and(|first| wal::tick_of(first) > wal::tick_of(checkpoint.replay_from)) {
            self.dir.report(Unit::Wal, "the beginning of the log is missing", None);
        }
        if last_tick.map_or(0, |last| wal::frame_of(last + 1, KIND_SERIES)) < checkpoint.durable {
            self.dir.report(Unit::Wal, "the end of the log is missing", None);
        } else if let Some(newest) = wal::newest_segment(&**self.dir.disk(), &self.dir.path().join("wal"))
            && self.segments.list.last().is_none_or(|last| last.first < newest || last.bytes == 0)
        {
            self.dir.report(Unit::Wal, "the newest segment of the log is missing or empty", None);
        }
    }

    /// Puts samples back into the head; gives the highest series number met.
    fn second_pass(&mut self, index: &Index) -> Option<u32> {
        let mut highest = None;
        for number in 0..self.segments.list.len() {
            let next = self.segments.list.get(number + 1).map_or(u64::MAX, |next| next.first);
            if next <= self.from {
                continue;
            }
            let Self { segments, head, sealed, missing, from, floor, .. } = self;
            let read = segments.read(&**self.dir.disk(), number, &mut |entry| {
                let Entry::Frame(frame) = entry else { return };
                if frame.kind != KIND_SAMPLES || frame.number < *from {
                    return;
                }
                let _ = wal::read_samples(frame.payload, |id, sample| {
                    highest = highest.max(Some(id));
                    let Some(entry) = index.get(id) else {
                        *missing += 1;
                        return;
                    };
                    let stored = sealed.get(&entry.place.group).into_iter().flatten();
                    if sample.t < *floor
                        || stored.rev().any(|s| s.holds(entry.place.slot, sample.t.0, frame.number))
                    {
                        head.note_last(id, sample);
                    } else {
                        head.replay(id, sample, frame.number);
                    }
                });
            });
            // An unreadable segment was reported in the first pass.
            let _ = read;
        }
        highest
    }
}

/// Takes names and stored chunks from a frame; gives whether it could be read.
fn note_frame(kind: u8, payload: &[u8], index: &mut Index, sealed: &mut Vec<Sealed>) -> bool {
    match kind {
        KIND_SERIES => match read_records(payload) {
            Ok(records) => {
                records.into_iter().for_each(|record| apply(index, record));
                true
            }
            Err(_) => false,
        },
        KIND_SEALED => {
            let mut bytes = Bytes::new(payload);
            while !bytes.is_empty() {
                match Sealed::read(&mut bytes) {
                    Ok(one) => sealed.push(one),
                    Err(_) => return false,
                }
            }
            true
        }
        kind => kind == KIND_SAMPLES,
    }
}
