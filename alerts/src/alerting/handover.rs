//! Messages that cannot be delivered: the fallback receiver takes over, and in the end they are given up.

use std::sync::Arc;

use breakwatch_model::{Table, Timestamp};

use super::Alerting;
use super::lane::{Fallback, Lane};
use crate::dedup::{LastTold, SendReason};
use crate::ledger::Event;
use crate::outbox::{Entry, Queue};

impl Alerting {
    /// The next message of a lane that goes to the fallback receiver as well, and when.
    pub(super) fn next_fallback(&self, lane: &Lane, queue: &Queue) -> Option<(Timestamp, u64)> {
        let fallback = lane.fallback.as_ref()?;
        let held = lane.held_until.is_some();
        let times = queue.by_age().filter_map(|(first_at, seq)| {
            let entry = self.outbox.at(seq).filter(|entry| is_for(fallback, entry))?;
            Some((if entry.refused || held { first_at } else { first_at + fallback.after }, seq))
        });
        // In the order of age the first is the next, unless a refused one goes before its time.
        if queue.has_refused() && !held { times.min() } else { times.into_iter().next() }
    }

    fn fallback_of(&self, entry: &Entry) -> Option<&Fallback> {
        self.lanes.get(&entry.integration)?.fallback.as_ref().filter(|fallback| is_for(fallback, entry))
    }

    /// Hands over to fallback receivers and gives up what is too old.
    pub(super) fn review_outbox(&mut self, now: Timestamp) {
        self.outbox.mature(now);
        for lane in self.lanes.values_mut() {
            lane.held_until = lane.held_until.filter(|until| *until > now);
        }
        while let Some(id) = self.fallback_due(now) {
            self.hand_over(&id, now);
        }
        while let Some(id) = self.expired(now) {
            let error = self.outbox.get(&id).and_then(|entry| entry.last_error.clone()).unwrap_or_default();
            self.give_up(&id, Event::Expired { error }, now);
        }
    }

    fn fallback_due(&self, now: Timestamp) -> Option<String> {
        let due = self.outbox.queues().filter_map(|(integration, queue)| {
            self.next_fallback(self.lanes.get(integration)?, queue).filter(|(at, _)| *at <= now)
        });
        due.map(|(_, seq)| seq).min().and_then(|seq| Some(self.outbox.at(seq)?.id().to_owned()))
    }

    fn expired(&self, now: Timestamp) -> Option<String> {
        let oldest = self.outbox.queues().filter_map(|(_, queue)| queue.by_age().next());
        let (first_at, seq) = oldest.min()?;
        let entry = self.outbox.at(seq).filter(|_| first_at + self.settings.max_age <= now)?;
        Some(entry.id().to_owned())
    }

    /// Drops a message for good. The next look at its group starts afresh: what still fires is told again.
    pub(super) fn give_up(&mut self, id: &str, event: Event, now: Timestamp) {
        let Some(entry) = self.outbox.remove(id) else { return };
        self.changes.delete(Table::Outbox, id);
        self.record_about(&entry, event, now);
        let Some(slot) = self.groups.get_mut(&entry.group).and_then(|g| g.slots.get_mut(&entry.integration))
        else {
            return;
        };
        slot.waiting = slot.waiting.take().filter(|waiting| waiting != id);
        slot.last = None;
        let slot = slot.clone();
        self.changes.put(
            Table::Notifications,
            crate::group::slot_key(&entry.group, &entry.integration),
            &slot,
        );
    }

    /// Gives a message to the fallback receiver too. The original stays: it is delivered when its receiver is back.
    fn hand_over(&mut self, id: &str, now: Timestamp) {
        let config = Arc::clone(&self.config);
        let Some(fallback) = self.outbox.get(id).and_then(|entry| self.fallback_of(entry)).cloned() else {
            return;
        };
        let Some(entry) = self.outbox.get_mut(id) else { return };
        entry.fallback_done = true;
        let entry = entry.clone();
        self.changes.put(Table::Outbox, id, &entry);
        let Some(receiver) = config.receiver(&fallback.to) else { return };
        let why = entry.last_error.clone().unwrap_or_else(|| "its circuit breaker is open".to_owned());
        let event = Event::Fallback { to: fallback.to.to_string(), why };
        self.record_about(&entry, event, now);
        let Some(mut group) = self.groups.remove(&entry.group) else { return };
        let route = config.route.walk().find(|route| route.id == group.route);
        let own = route.map(|route| super::integrations(&config, route, group.escalated)).unwrap_or_default();
        let mut instead_of = entry.instead_of.clone();
        instead_of.push(fallback.of.to_string());
        // Who is told of this group anyway is not told twice.
        let others = receiver.integrations.iter().filter(|i| !own.iter().any(|own| own.key == i.key));
        for integration in others {
            let slot = group.slots.entry(Arc::clone(&integration.key)).or_default();
            if slot.last.as_ref().is_some_and(|last| covers(last, &entry)) {
                continue;
            }
            slot.guest = slot.last.is_none() || slot.guest;
            let last =
                LastTold { firing: entry.firing().collect(), resolved: entry.resolved().collect(), at: now };
            slot.last = Some(last);
            let alerts = entry.message.alerts.clone();
            let new = self.enqueue(
                &mut group,
                integration,
                alerts,
                SendReason::Fallback,
                entry.message.transition,
                now,
            );
            if let Some(mut copy) = self.outbox.remove(&new) {
                copy.instead_of.clone_from(&instead_of);
                copy.first_at = copy.first_at.min(entry.first_at);
                self.changes.put(Table::Outbox, new, &copy);
                self.outbox.insert(copy);
            }
        }
        self.groups.insert(Arc::clone(&group.id), group);
    }
}

/// Whether a stand-in has been told the same since the message was decided on, in the place of another integration.
fn covers(last: &LastTold, entry: &Entry) -> bool {
    last.at >= entry.message.created_at
        && entry.firing().all(|fp| last.firing.contains(&fp))
        && entry.resolved().all(|fp| last.resolved.contains(&fp))
}

/// Whether a message that waits may go to a fallback receiver: only once, and receivers may name each other, so that
/// nobody is told twice for the same reason.
fn is_for(fallback: &Fallback, entry: &Entry) -> bool {
    let been_there = entry.instead_of.iter().any(|name| **name == *fallback.to);
    !entry.fallback_done && !entry.in_flight && !been_there
}
