//! Messages go out: which are due, what becomes of each attempt, and who is told when a receiver cannot be.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{AlertStatus, Table, Timestamp};
use breakwatch_plugin_api::{Notification, NotifyError, Receipt};

use super::Alerting;
use crate::config::{RateLimit, Receiver};
use crate::dedup::{Fp, LastTold, SendReason};
use crate::ledger::{Event, Record};
use crate::outbox::{Entry, LATE_AFTER};

/// The most alerts a note names one by one.
const MAX_NAMED: usize = 10;

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

/// A token bucket: what is left of a rate limit.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    fn refill(&mut self, limit: RateLimit, now: Timestamp) {
        let rate = f64::from(limit.messages) / limit.per.as_secs_f64();
        self.tokens = (self.tokens + rate * now.since(self.at).as_secs_f64()).min(f64::from(limit.messages));
        self.at = now;
    }

    /// When there is a whole token.
    fn ready_at(&self, limit: RateLimit) -> Timestamp {
        let missing = (1.0 - self.tokens).max(0.0);
        let wait = limit.per.as_secs_f64() * missing / f64::from(limit.messages);
        // Rounded up: a moment too early the token is not there yet.
        self.at + Duration::from_millis((wait * 1000.0).ceil() as u64)
    }
}

impl Alerting {
    /// The messages that can be sent at `now`, oldest decision first: durable, due, not held back by an open breaker
    /// or a rate limit, and with no other message of the same integration and group under way.
    #[must_use]
    pub fn due_messages(&self, now: Timestamp) -> Vec<Due> {
        let mut due: Vec<&Entry> = self.outbox.iter().filter(|entry| self.is_due(entry, now)).collect();
        due.sort_by_key(|entry| entry.seq);
        let to_due = |entry: &Entry| Due {
            id: entry.id().to_owned(),
            integration: entry.integration.to_string(),
            attempts: entry.attempts,
        };
        due.into_iter().map(to_due).collect()
    }

    fn is_due(&self, entry: &Entry, now: Timestamp) -> bool {
        entry.generation <= self.durable && self.sendable_at(entry).is_some_and(|at| at <= now)
    }

    /// From when on a message can be sent; `None` while another one of its integration and group is under way.
    fn sendable_at(&self, entry: &Entry) -> Option<Timestamp> {
        let slot = self.groups.get(&entry.group).and_then(|group| group.slots.get(&entry.integration));
        if entry.in_flight || slot.is_some_and(|slot| slot.in_flight.is_some()) {
            return None;
        }
        let held = self.holds.get(&*entry.integration).copied().unwrap_or(Timestamp::MIN);
        Some(entry.next_at.max(held).max(self.limited_until(entry)))
    }

    fn limited_until(&self, entry: &Entry) -> Timestamp {
        let limit = self.config.integration(&entry.integration).and_then(|(receiver, _)| receiver.rate_limit);
        match (limit, self.limits.get(&entry.integration)) {
            (Some(limit), Some(bucket)) => bucket.ready_at(limit),
            _ => Timestamp::MIN,
        }
    }

    /// When the outbox has something to do next.
    pub(super) fn outbox_due(&self) -> Timestamp {
        let times = self.outbox.iter().filter_map(|entry| {
            let sendable = (entry.generation <= self.durable).then(|| self.sendable_at(entry)).flatten();
            let expires = (!entry.in_flight).then_some(entry.first_at + self.settings.max_age);
            sendable.into_iter().chain(self.fallback_at(entry)).chain(expires).min()
        });
        times.min().unwrap_or(Timestamp::MAX)
    }

    /// Begins an attempt: marks the message as under way and gives it as it is to be sent. `None` if it is no longer
    /// there, not due, or has a limit against it.
    pub fn start(&mut self, id: &str, now: Timestamp) -> Option<Notification> {
        let entry = self.outbox.get(id).filter(|entry| self.is_due(entry, now))?;
        let integration = Arc::clone(&entry.integration);
        let limit = self.config.integration(&integration).and_then(|(receiver, _)| receiver.rate_limit);
        if let Some(limit) = limit {
            let full = || Bucket { tokens: f64::from(limit.messages), at: now };
            let bucket = self.limits.entry(Arc::clone(&integration)).or_insert_with(full);
            bucket.refill(limit, now);
            bucket.tokens -= 1.0;
        }
        let mut message = self.outbox.get(id)?.message.clone();
        message.notes = self.notes(self.outbox.get(id)?, now);
        let entry = self.outbox.get_mut(id)?;
        entry.in_flight = true;
        entry.attempts += 1;
        let number = entry.attempts;
        if let Some(slot) =
            self.groups.get_mut(&entry.group).and_then(|group| group.slots.get_mut(&integration))
        {
            slot.in_flight = Some(id.to_owned());
            slot.waiting = slot.waiting.take().filter(|waiting| waiting != id);
            message.first.clone_from(&slot.first);
            message.previous.clone_from(&slot.previous);
        }
        let record = Record::new(now, Event::Attempt { number }).group(&message.group_key);
        self.changes.record(record.integration(&integration).message(id));
        Some(message)
    }

    /// Takes the outcome of an attempt.
    pub fn finish(&mut self, id: &str, outcome: Result<Receipt, NotifyError>, now: Timestamp) {
        let Some(mut entry) = self.outbox.remove(id) else { return };
        entry.in_flight = false;
        if let Some(slot) =
            self.groups.get_mut(&entry.group).and_then(|g| g.slots.get_mut(&entry.integration))
        {
            slot.in_flight = slot.in_flight.take().filter(|in_flight| in_flight != id);
        }
        match outcome {
            Ok(receipt) => self.delivered(&entry, receipt, now),
            Err(NotifyError::Retryable { message, retry_after }) => {
                entry.retry(message, retry_after, now, &mut self.rng);
                self.keep(entry, now);
            }
            Err(NotifyError::Rejected(error) | NotifyError::Misconfigured(error)) => {
                entry.refuse(error, now);
                self.keep(entry, now);
            }
        }
    }

    fn delivered(&mut self, entry: &Entry, receipt: Receipt, now: Timestamp) {
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
        slot.first.get_or_insert_with(|| receipt.clone());
        slot.previous = Some(receipt);
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
        let error = entry.last_error.clone().unwrap_or_default();
        let event = match entry.refused {
            true => Event::Refused { error },
            false => Event::Failed { error, retry_at: entry.next_at },
        };
        self.record_about(&entry, event, now);
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

    fn record_about(&mut self, entry: &Entry, event: Event, now: Timestamp) {
        let alerts: Vec<Fp> = entry.firing().chain(entry.resolved()).collect();
        let record = Record::new(now, event).group(&entry.message.group_key).integration(&entry.integration);
        self.changes.record(record.message(entry.id()).alerts(alerts));
    }

    /// What the reader should know besides the alerts.
    fn notes(&self, entry: &Entry, now: Timestamp) -> Vec<String> {
        let mut notes = Vec::new();
        if entry.reason == SendReason::Escalation {
            notes.push("Nobody has acknowledged this yet.".to_owned());
        }
        if !entry.instead_of.is_empty() {
            notes.push(format!("Sent here because {} could not be reached.", entry.instead_of.join(", ")));
        }
        if now.since(entry.first_at) >= LATE_AFTER {
            let late = Duration::from_secs(now.since(entry.first_at).as_secs());
            let late = breakwatch_plugin_api::format_duration(late);
            notes.push(format!("Delivered late: decided at {}, {late} ago.", entry.first_at));
        }
        if entry.replaced > 0 {
            notes.push(match entry.replaced {
                1 => "Replaces an earlier message that was not delivered.".to_owned(),
                count => format!("Replaces {count} earlier messages that were not delivered."),
            });
        }
        notes.extend(self.untold(entry));
        notes.extend(self.affected(entry));
        notes
    }

    /// Alerts whose whole course the receiver learns only now.
    fn untold(&self, entry: &Entry) -> Vec<String> {
        let slot = self.groups.get(&entry.group).and_then(|group| group.slots.get(&entry.integration));
        let told = |fp: &Fp| entry.maybe_told.contains(fp) || slot.is_some_and(|slot| slot.told.contains(fp));
        let over = entry.message.alerts.iter().filter_map(|alert| Some((alert, alert.ends_at?)));
        let untold = over.filter(|(alert, _)| entry.replaced > 0 && !told(&Fp(alert.fingerprint())));
        let late_end =
            |alert: &breakwatch_model::Alert| alert.status(entry.message.created_at) == AlertStatus::Firing;
        let mut notes: Vec<String> = entry
            .message
            .alerts
            .iter()
            .filter(|alert| alert.ends_at.is_some() && late_end(alert))
            .filter_map(|alert| Some(format!("{} has ended since, at {}.", alert.name(), alert.ends_at?)))
            .chain(untold.filter(|(alert, _)| !late_end(alert)).map(|(alert, end)| {
                let (name, start) = (alert.name(), alert.starts_at);
                format!("{name} fired at {start} and ended at {end} before this could be delivered.")
            }))
            .collect();
        let more = notes.len().saturating_sub(MAX_NAMED);
        notes.truncate(MAX_NAMED);
        if more > 0 {
            notes.push(format!("The same is true of {more} more."));
        }
        notes
    }

    /// Checks that are kept quiet because of a check this message is about.
    fn affected(&self, entry: &Entry) -> Option<String> {
        let about = |cause: &String| entry.message.firing().any(|alert| alert.labels.value("check") == cause);
        let mut names: Vec<&str> = self
            .dependency
            .iter()
            .filter(|(_, cause)| about(cause))
            .map(|(check, _)| check.as_str())
            .collect();
        names.sort_unstable();
        let more = names.len().saturating_sub(MAX_NAMED);
        names.truncate(MAX_NAMED);
        if names.is_empty() {
            return None;
        }
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!("Checks that depend on this are kept quiet: {}{more}.", names.join(", ")))
    }

    /// When a message goes to the fallback receiver as well, if it has one and has not gone there.
    fn fallback_at(&self, entry: &Entry) -> Option<Timestamp> {
        let (receiver, fallback) = self.fallback_of(entry)?;
        debug_assert_ne!(receiver.name, fallback.name);
        let broken = entry.refused || self.holds.contains_key(&*entry.integration);
        Some(if broken { entry.first_at } else { entry.first_at + receiver.fallback_after })
    }

    fn fallback_of(&self, entry: &Entry) -> Option<(&Receiver, &Receiver)> {
        if entry.fallback_done || entry.in_flight {
            return None;
        }
        let (receiver, _) = self.config.integration(&entry.integration)?;
        let fallback = self.config.receiver(receiver.fallback.as_deref()?)?;
        // Receivers may name each other: nobody is told twice for the same reason.
        let been_there = entry.instead_of.iter().any(|name| **name == *fallback.name);
        (!been_there).then_some((receiver, fallback))
    }

    /// Hands over to fallback receivers and gives up what is too old.
    pub(super) fn review_outbox(&mut self, now: Timestamp) {
        let due = |entry: &&Entry| self.fallback_at(entry).is_some_and(|at| at <= now);
        let mut to_hand_over: Vec<(u64, String)> =
            self.outbox.iter().filter(due).map(|entry| (entry.seq, entry.id().to_owned())).collect();
        to_hand_over.sort_unstable();
        for (_, id) in to_hand_over {
            self.hand_over(&id, now);
        }
        let too_old = |entry: &&Entry| !entry.in_flight && entry.first_at + self.settings.max_age <= now;
        let expired: Vec<String> =
            self.outbox.iter().filter(too_old).map(|entry| entry.id().to_owned()).collect();
        for id in expired {
            let error = self.outbox.get(&id).and_then(|entry| entry.last_error.clone()).unwrap_or_default();
            self.give_up(&id, Event::Expired { error }, now);
        }
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
        let Some((receiver, fallback)) = self.outbox.get(id).and_then(|entry| {
            let (receiver, fallback) = self.fallback_of(entry)?;
            Some((config.receiver(&receiver.name)?, config.receiver(&fallback.name)?))
        }) else {
            return;
        };
        let Some(entry) = self.outbox.get_mut(id) else { return };
        entry.fallback_done = true;
        let entry = entry.clone();
        self.changes.put(Table::Outbox, id, &entry);
        let why = entry.last_error.clone().unwrap_or_else(|| "its circuit breaker is open".to_owned());
        let event = Event::Fallback { to: fallback.name.to_string(), why };
        self.record_about(&entry, event, now);
        let Some(mut group) = self.groups.remove(&entry.group) else { return };
        let mut instead_of = entry.instead_of.clone();
        instead_of.push(receiver.name.to_string());
        for integration in &fallback.integrations {
            let slot = group.slots.entry(Arc::clone(&integration.key)).or_default();
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
            if let Some(copy) = self.outbox.get_mut(&new) {
                copy.instead_of.clone_from(&instead_of);
                copy.first_at = copy.first_at.min(entry.first_at);
                self.changes.put(Table::Outbox, new, &*copy);
            }
        }
        self.groups.insert(Arc::clone(&group.id), group);
    }
}
