//! A group of alerts under one route, and what each integration was told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, Timestamp};
use breakwatch_plugin_api::Receipt;
use serde::{Deserialize, Serialize};

use crate::dedup::{Fp, LastTold};
use crate::outbox::Outbox;

/// How long an empty group keeps its rhythm before it is forgotten (Alertmanager's maintenance interval). An alert
/// that comes back at once waits for the group's interval and not only for its first wait.
pub(crate) const EMPTY_GROUP_KEPT: Duration = Duration::from_secs(30);

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The route's id and the group labels: names the group for good.
    pub(crate) id: Arc<str>,
    /// Alertmanager's group key.
    pub(crate) key: String,
    /// The route's id.
    pub(crate) route: Arc<str>,
    /// The labels the group was formed by.
    pub(crate) labels: Labels,
    /// When it is looked at next.
    pub(crate) next: Timestamp,
    /// Whether it has been looked at.
    pub(crate) flushed: bool,
    /// When a message about it was last decided on.
    pub(crate) last_sent: Option<Timestamp>,
    /// When it first told of the present trouble: escalation counts from here.
    pub(crate) told_since: Option<Timestamp>,
    /// Escalation steps taken.
    pub(crate) escalated: usize,
    /// Since when it has had no alerts.
    #[serde(skip)]
    pub(crate) empty_since: Option<Timestamp>,
    /// Its alerts.
    #[serde(skip)]
    pub(crate) members: BTreeSet<Fp>,
    /// Alerts that a reload has moved elsewhere but whose end is still owed here.
    #[serde(skip)]
    pub(crate) leavers: BTreeSet<Fp>,
    /// What each integration was told.
    #[serde(skip)]
    pub(crate) slots: BTreeMap<Arc<str>, Slot>,
    /// Why members were last kept quiet, so that the ledger is told only of changes.
    #[serde(skip)]
    pub(crate) quiet: BTreeMap<Fp, String>,
}

/// What one integration was told of one group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// What was last decided to be told.
    pub(crate) last: Option<LastTold>,
    /// Alerts definitely told as firing and not yet told as over.
    pub(crate) told: BTreeSet<Fp>,
    /// Whether it stands in for another receiver: it is told of ends only.
    pub(crate) guest: bool,
    /// What the first delivered message gave back.
    pub(crate) first: Option<Receipt>,
    /// What the last delivered message gave back.
    pub(crate) previous: Option<Receipt>,
    /// The message on its way.
    #[serde(skip)]
    pub(crate) in_flight: Option<String>,
    /// The message waiting.
    #[serde(skip)]
    pub(crate) waiting: Option<String>,
}

impl Slot {
    /// Alerts whose end this integration must be told: it was told, or may have been told, that they fire.
    pub(crate) fn owed(&self, outbox: &Outbox) -> BTreeSet<Fp> {
        let mut owed = self.told.clone();
        if let Some(entry) = self.in_flight.as_ref().and_then(|id| outbox.get(id)) {
            owed.extend(entry.firing());
            owed.extend(entry.maybe_told.iter().copied());
        }
        if let Some(entry) = self.waiting.as_ref().and_then(|id| outbox.get(id)) {
            owed.extend(entry.maybe_told.iter().copied());
        }
        owed
    }

    /// What is owed, and what will be once the waiting message is sent.
    pub(crate) fn owed_soon(&self, outbox: &Outbox) -> BTreeSet<Fp> {
        let mut owed = self.owed(outbox);
        if let Some(entry) = self.waiting.as_ref().and_then(|id| outbox.get(id)) {
            owed.extend(entry.firing());
        }
        owed
    }

    /// Whether nothing would be lost by forgetting it.
    pub(crate) fn is_clear(&self) -> bool {
        self.in_flight.is_none()
            && self.waiting.is_none()
            && self.told.is_empty()
            && self.last.as_ref().is_none_or(|last| last.firing.is_empty())
    }
}

impl Group {
    /// Whether it has alerts to look after.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.leavers.is_empty()
    }

    /// What must not be lost at a restart. The next look may: after a restart the group is looked at when its stored
    /// time has come, and nothing is repeated.
    pub(crate) fn lasting(&self) -> (bool, Option<Timestamp>, Option<Timestamp>, usize) {
        (self.flushed, self.last_sent, self.told_since, self.escalated)
    }

    /// The key of its record, and the stem of its slots' keys.
    pub(crate) fn record_key(&self) -> String {
        format!("group/{}", self.id)
    }

    /// The key of a slot's record.
    pub(crate) fn slot_key(&self, integration: &str) -> String {
        slot_key(&self.id, integration)
    }
}

/// The key of a slot's record. Group ids hold no line break outside quotes, so it separates for certain.
pub(crate) fn slot_key(group: &str, integration: &str) -> String {
    format!("slot/{group}\n{integration}")
}
