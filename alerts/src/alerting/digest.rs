//! Digests: when a rate limit holds back messages of several groups, the next one that may go takes the others along.
//!
//! Only receivers for people get digests; machines need each group by itself. A digest is a matter of the moment: after
//! a crash its messages go out one by one again, each with its own id.

use breakwatch_model::Timestamp;
use breakwatch_plugin_api::Notification;

use super::Alerting;
use crate::ledger::{Event, Record};
use crate::outbox::{Entry, status};

/// Kinds of integrations that people read.
const FOR_PEOPLE: [&str; 6] = ["discord", "email", "msteamsv2", "ntfy", "slack", "telegram"];

/// From how many waiting messages on a digest is better than patience.
const FROM: usize = 3;

/// The most messages in one digest.
const MAX_MESSAGES: usize = 50;

impl Alerting {
    /// Puts the messages that wait behind the rate limit of `leader`'s integration into `message`, and marks them as
    /// under way with it.
    pub(super) fn take_along(&mut self, leader: &str, message: &mut Notification, now: Timestamp) {
        let Some(integration) = self.outbox.get(leader).map(|entry| entry.integration.clone()) else {
            return;
        };
        let kind = self.config.integration(&integration).map(|(_, integration)| integration.kind.clone());
        let exhausted = self.lanes.get(&integration).is_some_and(|lane| lane.is_exhausted());
        if !exhausted || !kind.is_some_and(|kind| FOR_PEOPLE.contains(&&*kind)) {
            return;
        }
        let waits = |entry: &&Entry| {
            entry.integration == integration
                && entry.generation <= self.durable
                && entry.next_at <= now
                && !entry.in_flight
                && !self.outbox.is_busy(entry)
        };
        let others: Vec<String> = self
            .outbox
            .iter()
            .filter(waits)
            .take(MAX_MESSAGES - 1)
            .map(|entry| entry.id().to_owned())
            .collect();
        if others.len() + 1 < FROM {
            return;
        }
        for id in &others {
            let Some(entry) = self.outbox.begin(id) else { continue };
            message.alerts.extend(entry.message.alerts.iter().cloned());
            message.truncated_alerts += entry.message.truncated_alerts;
            let record = Record::new(now, Event::Attempt { number: entry.attempts });
            let record = record.group(&entry.message.group_key).integration(&integration).message(id);
            let slot = self.groups.get_mut(&entry.group).and_then(|group| group.slots.get_mut(&integration));
            if let Some(slot) = slot {
                slot.in_flight = Some(id.clone());
                slot.waiting = slot.waiting.take().filter(|waiting| waiting != id);
            }
            self.changes.record(record);
        }
        message.created_at = now;
        message.alerts.sort_by(crate::alert::message_order);
        message.status = status(&message.alerts, now);
        message.group_key = format!("digest/{integration}");
        message.group_labels = Default::default();
        message.transition = None;
        (message.first, message.previous) = (None, None);
        let count = others.len() + 1;
        message
            .notes
            .insert(0, format!("Digest of {count} messages: the rate limit of this receiver is reached."));
        if let Some(entry) = self.outbox.get_mut(leader) {
            entry.taken_along = others;
        }
    }
}
