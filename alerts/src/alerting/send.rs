//! Messages go out: which are due, and what becomes of each attempt.

use std::sync::Arc;

use breakwatch_model::{Table, Timestamp};
use breakwatch_plugin_api::{Notification, NotifyError, Receipt};

use super::Alerting;
use super::lane::Lane;
use crate::dedup::Fp;
use crate::ledger::{Event, Record};
use crate::outbox::Entry;

/// A message that can be sent now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// The message.
    pub id: String,
    /// The integration, `ops/slack[0]`: names the notifier and its breaker.
    pub integration: String,
    /// How many attempts there were.
    pub attempts: u32,
}

impl Alerting {
    /// The messages that can be sent at `now`, oldest decision first: durable, due, not held back by an open breaker
    /// or a rate limit, and with no other message of the same integration and group under way. At most so many per
    /// integration as it can take; more become due as those are finished.
    #[must_use]
    pub fn due_messages(&self, now: Timestamp) -> Vec<Due> {
        let mut due: Vec<&Entry> = Vec::new();
        for (integration, queue) in self.outbox.queues() {
            let Some(lane) = self.lanes.get(integration) else { continue };
            if lane.open_at().is_some_and(|at| at <= now) {
                let entries = queue.due(now).filter_map(|seq| self.outbox.at(seq));
                due.extend(entries.filter(|entry| self.is_sendable(entry)).take(lane.room()));
            }
        }
        due.sort_by_key(|entry| entry.seq);
        let due = due.into_iter().map(|entry| Due {
            id: entry.id().to_owned(),
            integration: entry.integration.to_string(),
            attempts: entry.attempts,
        });
        due.collect()
    }

    fn is_due(&self, entry: &Entry, now: Timestamp) -> bool {
        let open_at = self.lanes.get(&entry.integration).and_then(Lane::open_at);
        self.is_sendable(entry) && open_at.is_some_and(|at| entry.next_at.max(at) <= now)
    }

    /// Whether nothing but time and its lane holds a message back: it is durable, and no other message of its group is
    /// on its way to the same integration.
    fn is_sendable(&self, entry: &Entry) -> bool {
        !entry.in_flight && entry.generation <= self.durable && !self.outbox.is_busy(entry)
    }

    /// When the outbox has something to do next.
    pub(super) fn outbox_due(&self) -> Timestamp {
        let mut next = Timestamp::MAX;
        for (integration, queue) in self.outbox.queues() {
            if let Some((first, _)) = queue.by_age().next() {
                next = next.min(first + self.settings.max_age);
            }
            let Some(lane) = self.lanes.get(integration) else { continue };
            if let Some(open_at) = lane.open_at() {
                let entries = queue.in_time().filter_map(|seq| self.outbox.at(seq));
                let first = entries.into_iter().find(|entry| self.is_sendable(entry));
                next = next.min(first.map_or(Timestamp::MAX, |entry| entry.next_at.max(open_at)));
            }
            next = next.min(self.next_fallback(lane, queue).map_or(Timestamp::MAX, |(at, _)| at));
        }
        next
    }

    /// Begins an attempt: marks the message as under way and gives it as it is to be sent. `None` if it is no longer
    /// there or not due.
    pub fn start(&mut self, id: &str, now: Timestamp) -> Option<Notification> {
        let entry = self.outbox.get(id).filter(|entry| self.is_due(entry, now))?;
        let mut message = entry.message.clone();
        message.notes = self.notes(entry, now);
        let entry = self.outbox.begin(id)?;
        let number = entry.attempts;
        if let Some(lane) = self.lanes.get_mut(&entry.integration) {
            lane.begin(now);
        }
        let slot =
            self.groups.get_mut(&entry.group).and_then(|group| group.slots.get_mut(&entry.integration));
        if let Some(slot) = slot {
            slot.in_flight = Some(id.to_owned());
            slot.waiting = slot.waiting.take().filter(|waiting| waiting != id);
            message.first.clone_from(&slot.first);
            message.previous.clone_from(&slot.previous);
        }
        let record = Record::new(now, Event::Attempt { number }).group(&message.group_key);
        self.changes.record(record.integration(&entry.integration).message(id));
        self.take_along(id, &mut message, now);
        Some(message)
    }

    /// Takes back a message that was begun but never left: its integration was not ready after all. Nobody can have
    /// been told by it, and it does not count as an attempt.
    pub fn put_back(&mut self, id: &str, why: &str, until: Timestamp, now: Timestamp) {
        let Some(mut entry) = self.take_from_lane(id, false) else { return };
        let others = std::mem::take(&mut entry.taken_along);
        let others: Vec<Entry> = others.iter().filter_map(|id| self.outbox.remove(id)).collect();
        for mut entry in std::iter::once(entry).chain(others) {
            self.leave_flight(&mut entry);
            entry.attempts = entry.attempts.saturating_sub(1);
            entry.next_at = entry.next_at.max(until);
            let event = Event::Postponed { why: why.to_owned(), until };
            self.record_about(&entry, event, now);
            self.keep(entry, now);
        }
    }

    /// A message whose attempt has ended leaves the outbox and its lane.
    fn take_from_lane(&mut self, id: &str, delivered: bool) -> Option<Entry> {
        let entry = self.outbox.remove(id)?;
        if entry.in_flight
            && let Some(lane) = self.lanes.get_mut(&entry.integration)
        {
            lane.end();
            if delivered {
                lane.held_until = None;
            }
        }
        Some(entry)
    }

    fn leave_flight(&mut self, entry: &mut Entry) {
        entry.in_flight = false;
        let slot = self.groups.get_mut(&entry.group).and_then(|g| g.slots.get_mut(&entry.integration));
        if let Some(slot) = slot {
            slot.in_flight = slot.in_flight.take().filter(|in_flight| in_flight != entry.id());
        }
    }

    /// Takes the outcome of an attempt.
    pub fn finish(&mut self, id: &str, outcome: Result<Receipt, NotifyError>, now: Timestamp) {
        let Some(mut entry) = self.take_from_lane(id, outcome.is_ok()) else { return };
        let others = std::mem::take(&mut entry.taken_along);
        let digest = !others.is_empty();
        self.settle_attempt(entry, outcome.clone(), digest, now);
        for id in others {
            if let Some(entry) = self.outbox.remove(&id) {
                self.settle_attempt(entry, outcome.clone(), digest, now);
            }
        }
    }

    fn settle_attempt(
        &mut self,
        mut entry: Entry,
        outcome: Result<Receipt, NotifyError>,
        digest: bool,
        now: Timestamp,
    ) {
        self.leave_flight(&mut entry);
        let event = match outcome {
            Ok(receipt) => return self.delivered(&entry, receipt, digest, now),
            Err(NotifyError::Retryable { message, retry_after }) => {
                entry.retry(message.clone(), retry_after, now, &mut self.rng);
                Event::Failed { error: message, retry_at: entry.next_at }
            }
            Err(NotifyError::Rejected(error) | NotifyError::Misconfigured(error)) => {
                entry.refuse(error.clone(), now);
                Event::Refused { error }
            }
        };
        self.record_about(&entry, event, now);
        self.keep(entry, now);
    }

    fn delivered(&mut self, entry: &Entry, receipt: Receipt, digest: bool, now: Timestamp) {
        self.changes.delete(Table::Outbox, entry.id());
        let after_ms = u64::try_from(now.since(entry.message.created_at).as_millis()).unwrap_or(u64::MAX);
        let event = Event::Delivered { answer: receipt.answer.clone(), after_ms };
        self.record_about(entry, event, now);
        let Some(slot) = self.groups.get_mut(&entry.group).and_then(|g| g.slots.get_mut(&entry.integration))
        else {
            return;
        };
        slot.told.extend(entry.firing());
        // What an earlier attempt may have told and this message no longer says is still owed its end.
        slot.told.extend(entry.maybe_told.iter().copied());
        for fp in entry.resolved() {
            slot.told.remove(&fp);
        }
        if !digest {
            slot.first.get_or_insert_with(|| receipt.clone());
            slot.previous = Some(receipt);
        }
        if slot.told.is_empty() {
            // The incident is over: the next one starts a thread of its own.
            (slot.first, slot.previous) = (None, None);
        }
        let slot = slot.clone();
        self.changes.put(
            Table::Notifications,
            crate::group::slot_key(&entry.group, &entry.integration),
            &slot,
        );
    }

    /// Keeps an undelivered message, or puts it into the newer one that waits behind it.
    fn keep(&mut self, entry: Entry, now: Timestamp) {
        let group = self.groups.remove(&entry.group);
        let waiting =
            group.as_ref().and_then(|g| g.slots.get(&entry.integration)).and_then(|s| s.waiting.clone());
        let newer = waiting.and_then(|id| self.outbox.remove(&id));
        match (group, newer) {
            (Some(group), Some(mut newer)) => {
                self.absorb(&mut newer, &entry, &group, now);
                newer.refused = entry.refused;
                self.store(newer);
                self.groups.insert(Arc::clone(&group.id), group);
            }
            (Some(mut group), None) => {
                if let Some(slot) = group.slots.get_mut(&entry.integration) {
                    slot.waiting = Some(entry.id().to_owned());
                }
                self.store(entry);
                self.groups.insert(Arc::clone(&group.id), group);
            }
            (None, _) => self.store(entry),
        }
    }

    fn store(&mut self, entry: Entry) {
        self.changes.put(Table::Outbox, entry.id(), &entry);
        self.outbox.insert(entry);
    }

    pub(super) fn record_about(&mut self, entry: &Entry, event: Event, now: Timestamp) {
        let alerts: Vec<Fp> = entry.firing().chain(entry.resolved()).collect();
        let record = Record::new(now, event).group(&entry.message.group_key).integration(&entry.integration);
        self.changes.record(record.message(entry.id()).alerts(alerts));
    }
}
