//! Self-outage: telling an outage of the daemon's own link from outages of its targets.
//!
//! Canaries are checks of things that practically never fail together. When more than half of them fail, the fault is
//! on this side: every other status is unknown, breakers stay as they are, alerts wait, and nobody's uptime is charged.
//! Checks that look at this host alone need no link and go on as ever. One good answer does not end it: a link that
//! comes back often flaps first, so every canary that answers must answer once more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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

/// How long most canaries must have been answering at least: a link that comes back flaps for seconds, not for more.
const CONFIRM_AFTER: Duration = Duration::from_secs(10);
/// How long a second answer of every canary is waited for at most: one of them may be paced slowly.
const CONFIRM_WITHIN: Duration = Duration::from_secs(60);

/// Whether the canaries that answer have been asked again since `from`, when most of them answered for the first time.
/// Nothing needs confirming where there is no canary left.
#[must_use]
pub fn is_confirmed(units: &BTreeMap<Arc<str>, Arc<CheckUnit>>, from: Timestamp, now: Timestamp) -> bool {
    let asked_again = |unit: &Arc<CheckUnit>| {
        let state = unit.state.lock();
        state.last.as_ref().is_none_or(|last| last.status == Status::Unhealthy || last.started_at > from)
    };
    let mut canaries = units.values().filter(|unit| unit.settings.canary && !unit.is_paused()).peekable();
    if canaries.peek().is_none() {
        return true;
    }
    let passed = now.since(from);
    passed >= CONFIRM_WITHIN || passed >= CONFIRM_AFTER && canaries.all(asked_again)
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
