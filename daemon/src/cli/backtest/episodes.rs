//! From the times at which a condition holds to the times at which an alert fires: `for` and `keep_firing_for` as rule
//! evaluation has them.

use std::collections::BTreeMap;
use std::time::Duration;

use breakwatch_model::{Labels, Timestamp};

/// One time that an alert fired.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Episode {
    /// The labels of the series that made it fire.
    pub(super) labels: Labels,
    /// Since when the condition held.
    pub(super) active_at: Timestamp,
    /// When it had held for long enough.
    pub(super) fired_at: Timestamp,
    /// When it was over; `None`: not before the end of the look.
    pub(super) resolved_at: Option<Timestamp>,
    /// The value of the expression when it fired.
    pub(super) value: f64,
    /// The last time looked at, for those that are not over.
    end: Timestamp,
}

impl Episode {
    /// How long it fired.
    pub(super) fn lasted(&self) -> Duration {
        self.resolved_at.unwrap_or(self.end).since(self.fired_at)
    }
}

/// An instance under way.
#[derive(Debug)]
struct Running {
    active_at: Timestamp,
    /// When it began to fire, with the value it had.
    fired: Option<(Timestamp, f64)>,
    /// The last time at which the condition held.
    last: Timestamp,
}

/// Follows the instances of one rule. Times of one label set must come in order.
#[derive(Debug)]
pub(super) struct Tracker {
    step: Duration,
    hold: Duration,
    keep: Duration,
    running: BTreeMap<Labels, Running>,
    done: Vec<Episode>,
}

impl Tracker {
    /// For a rule that is evaluated every `step`.
    pub(super) fn new(step: Duration, hold: Duration, keep: Duration) -> Self {
        Self { step, hold, keep, running: BTreeMap::new(), done: Vec::new() }
    }

    /// Notes that the condition holds at a time.
    pub(super) fn holds(&mut self, labels: &Labels, at: Timestamp, value: f64) {
        let over = self.running.get(labels).map(|running| self.over(running));
        if over.is_some_and(|over| at > over) {
            self.end(labels, over);
        }
        let fresh = Running { active_at: at, fired: None, last: at };
        let running = self.running.entry(labels.clone()).or_insert(fresh);
        running.last = at;
        if running.fired.is_none() && at.since(running.active_at) >= self.hold {
            running.fired = Some((at, value));
        }
    }

    /// Every episode in the order of its firing; those that hold at `end` are not over.
    pub(super) fn finish(mut self, end: Timestamp) -> Vec<Episode> {
        let running: Vec<(Labels, Timestamp)> =
            self.running.iter().map(|(labels, running)| (labels.clone(), self.over(running))).collect();
        for (labels, over) in running {
            self.end(&labels, Some(over).filter(|over| *over <= end));
        }
        for episode in self.done.iter_mut().filter(|episode| episode.resolved_at.is_none()) {
            episode.end = end;
        }
        self.done.sort_by(|a, b| (a.fired_at, &a.labels).cmp(&(b.fired_at, &b.labels)));
        self.done
    }

    /// The evaluation at which an instance is over unless its condition holds again before: the first one without it,
    /// or, if it fires, the first one at which it was without it for `keep_firing_for`.
    fn over(&self, running: &Running) -> Timestamp {
        let without = running.last + self.step;
        if running.fired.is_none() || self.keep.is_zero() {
            return without;
        }
        let steps = self.keep.as_millis().div_ceil(self.step.as_millis().max(1));
        without + self.step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
    }

    fn end(&mut self, labels: &Labels, resolved_at: Option<Timestamp>) {
        let Some(running) = self.running.remove(labels) else { return };
        // What never fired is no episode.
        let Some((fired_at, value)) = running.fired else { return };
        let (labels, active_at, end) = (labels.clone(), running.active_at, running.last);
        self.done.push(Episode { labels, active_at, fired_at, resolved_at, value, end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Minutes of firing and resolving, for a condition that holds at these minutes of ten.
    fn fired(hold: u32, keep: u32, holds: &[i64]) -> Vec<(i64, Option<i64>)> {
        let mut tracker = Tracker::new(MINUTE, MINUTE * hold, MINUTE * keep);
        for minute in holds {
            tracker.holds(&Labels::empty(), Timestamp::from_secs(minute * 60), 1.0);
        }
        let episodes = tracker.finish(Timestamp::from_secs(600));
        let minutes = |at: Timestamp| at.secs() / 60;
        episodes.iter().map(|e| (minutes(e.fired_at), e.resolved_at.map(minutes))).collect()
    }

    #[test]
    fn for_and_keep_firing_for_as_rules_have_them() {
        assert_eq!(fired(0, 0, &[1, 2, 5]), [(1, Some(3)), (5, Some(6))]);
        assert_eq!(fired(2, 0, &[1, 2, 5]), []);
        assert_eq!(fired(2, 0, &[1, 2, 3, 4, 6]), [(3, Some(5))]);
        // Two minutes without it are bridged, the third ends it.
        assert_eq!(fired(0, 2, &[1, 3, 4]), [(1, Some(7))]);
        assert_eq!(fired(0, 2, &[1, 4]), [(1, Some(7))]);
        assert_eq!(fired(0, 2, &[1, 5]), [(1, Some(4)), (5, Some(8))]);
        assert_eq!(fired(0, 0, &[9, 10]), [(9, None)]);
    }
}
