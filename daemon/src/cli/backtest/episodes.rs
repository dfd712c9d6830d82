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
        if let Some(running) = self.running.get_mut(labels) {
            match self.ended_before(self.running.get(labels), at) {
                None => {
                    let running = self.running.get_mut(labels);
                    let _ = running.map(|running| running.go_on(at, value, self.hold));
                    return;
                }
                Some(resolved) => {
                    let labels = labels.clone();
                    let ended = Episode::of(labels, running, Some(resolved), at);
                    self.done.extend(ended);
                }
            }
        }
        let mut running = Running { active_at: at, fired: None, last: at };
        running.go_on(at, value, self.hold);
        self.running.insert(labels.clone(), running);
    }
}
