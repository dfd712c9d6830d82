//! The head: what was measured since it was last sealed, in memory, and the last sample of every series.

mod column;
mod lane;

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Sample, TimeRange, Timestamp};
use rustc_hash::FxHashMap;

use crate::paged::Paged;

use lane::Placed;
pub(crate) use lane::{DAY, Lane};

/// No lane.
const NONE: u32 = u32::MAX;

/// A lane without a sample for this long is idle.
const IDLE: Duration = Duration::from_secs(60);

/// Open lanes of a group looked at before a series gets a new one. A group rarely has two.
const LANES_TRIED: usize = 4;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Stored.
    Yes,
    /// Stored, though the series has later samples: those were written under a wrong clock.
    Jumped,
    /// The very same sample is already there; nothing was done, and nothing is wrong.
    Already,
    /// Refused: same time, other value.
    Duplicate,
    /// Refused: older than the newest sample of its series.
    OutOfOrder,
    /// No such series.
    Unknown,
}

/// A series as the head sees it.
#[derive(Clone, Copy, Debug)]
struct Series {
    last: Sample,
    group: u32,
    lane: u32,
    slot: u8,
}

/// A lane that takes no more rows and waits to be stored.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) lane: Lane,
    /// When it was frozen.
    pub(crate) since: Timestamp,
}

/// Everything in memory that is not sealed.
#[derive(Debug, Default)]
pub(crate) struct Head {
    series: Paged<Series>,
    lanes: Vec<Option<Lane>>,
    free: Vec<u32>,
    open: FxHashMap<u32, Vec<u32>>,
    /// By group, oldest first.
    frozen: FxHashMap<u32, Vec<Arc<Frozen>>>,
    /// The newest sample of all.
    newest: Timestamp,
    /// The time by the clock, as of the last batch.
    now: Timestamp,
}

impl Head {
    /// Sets the time by the clock for the samples that follow.
    pub(crate) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Makes a series known.
    pub(crate) fn add_series(&mut self, id: u32, group: u32, slot: u8) {
        if self.series.get(id).is_none() {
            let last = Sample::new(Timestamp::MIN, 0.0);
            self.series.insert(id, Series { last, group, lane: NONE, slot });
        }
    }

    /// Forgets series.
    pub(crate) fn remove_series(&mut self, ids: &[u32]) {
        for id in ids {
            self.series.remove(*id);
        }
    }

    /// Takes a sample. `frame` is the log frame it goes into. Samples of a series must grow in time, unless its
    /// newest lies after `latest`: then the clock stood wrong, and the series goes on from the true time.
    pub(crate) fn push(&mut self, id: u32, sample: Sample, frame: u64, latest: Timestamp) -> Taken {
        let Some(series) = self.series.get(id).copied() else {
            return Taken::Unknown;
        };
        if sample.t <= series.last.t && series.last.t <= latest {
            return match sample.t == series.last.t {
                true if sample.v.to_bits() == series.last.v.to_bits() => Taken::Already,
                true => Taken::Duplicate,
                false => Taken::OutOfOrder,
            };
        }
        self.place(id, series, sample, frame);
        if sample.t <= series.last.t { Taken::Jumped } else { Taken::Yes }
    }

    /// Takes a sample that was accepted once, while replaying the log.
    pub(crate) fn replay(&mut self, id: u32, sample: Sample, frame: u64) {
        let Some(series) = self.series.get(id).copied() else {
            return;
        };
        if series.last.t != sample.t || series.last.v.to_bits() != sample.v.to_bits() {
            self.place(id, series, sample, frame);
        }
    }

    /// Notes the newest sample of a series that is sealed already.
    pub(crate) fn note_last(&mut self, id: u32, sample: Sample) {
        if let Some(series) = self.series.get_mut(id).filter(|series| series.last.t < sample.t) {
            series.last = sample;
        }
        self.newest = self.newest.max(sample.t);
    }

    fn place(&mut self, id: u32, series: Series, sample: Sample, frame: u64) {
        let (time, bits) = (sample.t.0, sample.v.to_bits());
        let mut lane = series.lane;
        if self.offer(lane, series, time, bits, frame) != Some(Placed::Yes) {
            lane = self.attach(series, time, bits, frame);
        }
        if let Some(series) = self.series.get_mut(id) {
            series.last = sample;
            series.lane = lane;
        }
        self.newest = self.newest.max(sample.t);
    }

    /// Offers a sample to a lane, which is frozen if it turns out to be full.
    fn offer(&mut self, lane: u32, series: Series, time: i64, bits: u64, frame: u64) -> Option<Placed> {
        let open = self.lanes.get_mut(lane as usize)?.as_mut().filter(|open| open.group == series.group)?;
        let placed = open.push(series.slot, time, bits, frame);
        open.touched = self.now;
        match placed {
            Placed::Full => self.freeze(lane, Timestamp(time)),
            Placed::Elsewhere if lane == series.lane => open.leave(series.slot),
            _ => {}
        }
        Some(placed)
    }

    /// Finds or makes a lane of the series' group that takes the sample.
    fn attach(&mut self, series: Series, time: i64, bits: u64, frame: u64) -> u32 {
        let open = self.open.get(&series.group).cloned().unwrap_or_default();
        for lane in open.into_iter().rev().take(LANES_TRIED) {
            if self.offer(lane, series, time, bits, frame) == Some(Placed::Yes) {
                return lane;
            }
        }
        let mut lane = Lane::new(series.group, time, frame);
        lane.push(series.slot, time, bits, frame);
        lane.touched = self.now;
        let number = self.free.pop().unwrap_or(self.lanes.len() as u32);
        match self.lanes.get_mut(number as usize) {
            Some(place) => *place = Some(lane),
            None => self.lanes.push(Some(lane)),
        }
        self.open.entry(series.group).or_default().push(number);
        number
    }

    fn freeze(&mut self, number: u32, since: Timestamp) {
        let Some(lane) = self.lanes.get_mut(number as usize).and_then(Option::take) else { return };
        self.free.push(number);
        if let Some(open) = self.open.get_mut(&lane.group) {
            open.retain(|other| *other != number);
            if open.is_empty() {
                self.open.remove(&lane.group);
            }
        }
        self.frozen.entry(lane.group).or_default().push(Arc::new(Frozen { lane, since }));
    }

    /// Freezes the lanes that are due at `now` though no sample made them, or all of them. A lane that still
    /// takes samples is left to them: they may be of a day long past, sent late.
    pub(crate) fn freeze_due(&mut self, now: Timestamp, all: bool) {
        let idle = |lane: &Lane| lane.touched + IDLE <= now || lane.touched > now + IDLE;
        for number in 0..self.lanes.len() as u32 {
            let lane = self.lanes.get(number as usize).and_then(Option::as_ref);
            if lane.is_some_and(|lane| all || lane.is_over_at(now.0) && idle(lane)) {
                self.freeze(number, now);
            }
        }
    }

    /// When a sample of a day last came in, of those that are still here.
    pub(crate) fn touched(&self, day: i64) -> Option<Timestamp> {
        let frozen = self.frozen.values().flatten().map(|frozen| &frozen.lane);
        let lanes = self.lanes.iter().flatten().chain(frozen).filter(|lane| lane.day() == day);
        lanes.map(|lane| lane.touched).max()
    }

    /// Whether samples of a day are still here.
    pub(crate) fn has_day(&self, day: i64) -> bool {
        let frozen = self.frozen.values().flatten().map(|frozen| &frozen.lane);
        self.lanes.iter().flatten().chain(frozen).any(|lane| lane.day() == day)
    }

    /// Lanes waiting to be stored, oldest first.
    pub(crate) fn frozen(&self) -> Vec<Arc<Frozen>> {
        let mut all: Vec<Arc<Frozen>> = self.frozen.values().flatten().cloned().collect();
        all.sort_by_key(|frozen| frozen.since);
        all
    }

    /// Forgets lanes that are stored.
    pub(crate) fn drop_frozen(&mut self, stored: &[Arc<Frozen>]) {
        for gone in stored {
            if let Some(frozen) = self.frozen.get_mut(&gone.lane.group) {
                frozen.retain(|frozen| !Arc::ptr_eq(gone, frozen));
                if frozen.is_empty() {
                    self.frozen.remove(&gone.lane.group);
                }
            }
        }
    }

    /// The first log frame that holds samples which are not stored elsewhere; `next` if there is none.
    pub(crate) fn first_frame(&self, next: u64) -> u64 {
        let frozen = self.frozen.values().flatten().map(|frozen| frozen.lane.frames.0);
        let open = self.lanes.iter().flatten().map(|lane| lane.frames.0);
        frozen.chain(open).min().unwrap_or(next)
    }

    /// The last sample of a series.
    pub(crate) fn last(&self, id: u32) -> Option<Sample> {
        let series = self.series.get(id)?;
        (series.last.t > Timestamp::MIN).then_some(series.last)
    }

    /// The newest sample of all.
    pub(crate) const fn newest(&self) -> Timestamp {
        self.newest
    }

    /// About the first and last time of the samples inside `range` that are here.
    pub(crate) fn span_within(&self, range: TimeRange) -> Option<TimeRange> {
        let frozen = self.frozen.values().flatten().map(|frozen| &frozen.lane);
        let held = self.lanes.iter().flatten().chain(frozen).map(Lane::range);
        let inside = held.filter(|held| held.start <= range.end && range.start <= held.end);
        let clipped = inside.map(|held| (held.start.max(range.start), held.end.min(range.end)));
        let span = clipped.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        span.map(|(start, end)| TimeRange::new(start, end))
    }

    /// Appends the samples of a slot inside `range` that are in open lanes, in time order, to `out`, and lists
    /// the frozen lanes that may have more.
    pub(crate) fn samples(
        &self,
        group: u32,
        slot: u8,
        range: TimeRange,
        out: &mut Vec<Sample>,
    ) -> Vec<Arc<Frozen>> {
        let touches = |lane: &Lane| {
            let held = lane.range();
            lane.has(slot) && held.start <= range.end && range.start <= held.end
        };
        let mut lanes = 0;
        for number in self.open.get(&group).into_iter().flatten() {
            let lane = self.lanes.get(*number as usize).and_then(Option::as_ref);
            if let Some(lane) = lane.filter(|lane| touches(lane)) {
                lane.samples(slot, range, out);
                lanes += 1;
            }
        }
        if lanes > 1 {
            out.sort_by_key(|sample| sample.t);
            out.dedup_by_key(|sample| sample.t);
        }
        let frozen = self.frozen.get(&group).into_iter().flatten();
        frozen.filter(|frozen| touches(&frozen.lane)).cloned().collect()
    }

    /// Samples held, open and frozen, and about the memory they take.
    pub(crate) fn figures(&self) -> (u64, u64) {
        let open = self.lanes.iter().flatten();
        let lanes = open.chain(self.frozen.values().flatten().map(|frozen| &frozen.lane));
        lanes.fold((0, 0), |(samples, bytes), lane| {
            (samples + lane.samples_held() as u64, bytes + lane.size() as u64)
        })
    }

    /// Memory of the lanes that wait to be stored.
    pub(crate) fn frozen_bytes(&self) -> usize {
        self.frozen.values().flatten().map(|frozen| frozen.lane.size()).sum()
    }

    /// Gives up the oldest lane that waits to be stored; gives how many samples went with it.
    pub(crate) fn drop_oldest_frozen(&mut self) -> usize {
        let oldest = self.frozen().into_iter().next();
        oldest.map_or(0, |frozen| {
            self.drop_frozen(std::slice::from_ref(&frozen));
            frozen.lane.samples_held()
        })
    }

    /// The times of the last samples by number, of the series that have one.
    pub(crate) fn all_lasts(&self) -> FxHashMap<u32, i64> {
        let with_samples = self.series.iter().filter(|(_, series)| series.last.t > Timestamp::MIN);
        with_samples.map(|(id, series)| (id, series.last.t.0)).collect()
    }
}
