//! Self-outage: telling an outage of the daemon's own link from outages of its targets.
//!
//! Canaries are checks of things that practically never fail together. When more than half of them fail, the fault is
//! on this side: every other status is unknown, breakers stay as they are, alerts wait, and nobody's uptime is charged.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakwatch_model::{Alert, Labels, Status, Timestamp};

use crate::checks::unit::CheckUnit;

/// The name of the alert that says the daemon is cut off.
pub const ISOLATED_ALERT: &str = "MonitorIsolated";

/// What the canaries say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Since when most of them fail; nothing while they do not.
    pub isolated_since: Option<Timestamp>,
    /// How many fail.
    pub failing: usize,
    /// How many there are.
    pub total: usize,
}

/// Asks the canaries. While `isolated`, one that has not been measured yet (after a restart) speaks for staying so.
#[must_use]
pub fn judge(units: &BTreeMap<Arc<str>, Arc<CheckUnit>>, isolated: Option<Timestamp>) -> Verdict {
    let canaries = units.values().filter(|unit| unit.settings.canary && !unit.is_paused());
    let (mut total, mut failing, mut since) = (0, 0, isolated);
    for unit in canaries {
        total += 1;
        let state = unit.state.lock();
        match &state.last {
            Some(last) if last.status == Status::Unhealthy => {
                failing += 1;
                since = Some(since.map_or(last.since, |earlier| earlier.min(last.since)));
            }
            None if isolated.is_some() => failing += 1,
            _ => {}
        }
    }
    // More than half: two networks that disagree prove nothing.
    let isolated_since = since.filter(|_| failing * 2 > total);
    Verdict { isolated_since, failing, total }
}

/// The alert. `ended` is when the canaries answered again.
#[must_use]
pub fn alert(since: Timestamp, ended: Option<Timestamp>, now: Timestamp) -> Alert {
    let summary = match ended {
        None => "breakwatch itself is cut off: most of its canary checks fail, so nothing else is believed",
        Some(_) => "breakwatch is connected again: its canary checks answer",
    };
    Alert {
        labels: Labels::from_pairs([("alertname", ISOLATED_ALERT), ("severity", "critical")]),
        annotations: Labels::from_pairs([("summary", summary)]),
        starts_at: since,
        ends_at: ended,
        updated_at: now,
        generator_url: String::new(),
    }
}
