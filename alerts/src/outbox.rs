//! The outbox: messages that are not yet definitely delivered.
//!
//! A message keeps its id over retries and restarts, so that a receiver can tell a repeat. Per integration and group
//! there is at most one message on its way and one waiting behind it; a newer state takes the place of the waiting
//! one and says so. What an attempt without a definite answer may have told is remembered, because its end must be
//! told too.

mod queue;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Alert, AlertStatus, Timestamp};
use breakwatch_plugin_api::Notification;
use serde::{Deserialize, Serialize};

pub(crate) use self::queue::Queue;
use crate::dedup::{Fp, SendReason};

/// First delay after a failed attempt.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Longest delay between attempts. A receiver that comes back hears everything within a minute.
const RETRY_CAP: Duration = Duration::from_secs(30);

/// Longest delay a receiver can ask for.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(15 * 60);

/// Delay after an answer that says the message or the settings are wrong. Nothing changes by itself there, so this
/// only serves to notice that somebody has mended it.
const REFUSED_DELAY: Duration = Duration::from_secs(300);

/// From when on a delivery counts as late and says so.
pub(crate) const LATE_AFTER: Duration = Duration::from_secs(60);

/// A message in the outbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The message without what is only known when it is sent (notes, receipts of earlier messages).
    pub(crate) message: Notification,
    /// `receiver/slack[0]`.
    pub(crate) integration: Arc<str>,
    /// The group's id.
    pub(crate) group: Arc<str>,
    /// Its place in the order of decisions.
    pub(crate) seq: u64,
    /// Why it is sent.
    pub(crate) reason: SendReason,
    /// When the oldest state in it that is still undelivered was decided on.
    pub(crate) first_at: Timestamp,
    /// When it is to be tried next.
    pub(crate) next_at: Timestamp,
    /// Attempts so far, those of the messages it replaced included.
    pub(crate) attempts: u32,
    /// How many undelivered messages it replaced.
    pub(crate) replaced: u32,
    /// Firing alerts that an attempt without a definite answer may have told of.
    pub(crate) maybe_told: BTreeSet<Fp>,
    /// The last failure.
    pub(crate) last_error: Option<String>,
    /// Whether the last answer said that message or settings are wrong.
    pub(crate) refused: bool,
    /// Receivers that could not be reached before this one was tried.
    pub(crate) instead_of: Vec<String>,
    /// Whether the fallback receiver has been given this.
    pub(crate) fallback_done: bool,
    /// Whether an attempt is under way.
    #[serde(skip)]
    pub(crate) in_flight: bool,
    /// The messages that a digest led by this one has taken along.
    #[serde(skip)]
    pub(crate) taken_along: Vec<String>,
    /// The batch that makes it durable.
    #[serde(skip)]
    pub(crate) generation: u64,
}

impl Entry {
    pub(crate) fn id(&self) -> &str {
        &self.message.id
    }

    /// Fingerprints of the alerts that the message tells of as firing.
    pub(crate) fn firing(&self) -> impl Iterator<Item = Fp> + '_ {
        self.message.firing().map(|alert| Fp(alert.fingerprint()))
    }

    /// Fingerprints of the alerts that the message tells of as over.
    pub(crate) fn resolved(&self) -> impl Iterator<Item = Fp> + '_ {
        self.message.resolved().map(|alert| Fp(alert.fingerprint()))
    }

    /// Takes the place of an older message that will not be sent any more. Alerts that only the older one has are
    /// `carried` over.
    pub(crate) fn replace(&mut self, older: &Self, carried: Vec<Alert>) {
        self.first_at = older.first_at.min(self.first_at);
        self.attempts = older.attempts;
        self.next_at = older.next_at.max(self.next_at);
        self.replaced = older.replaced + 1;
        self.last_error.clone_from(&older.last_error);
        self.fallback_done = false;
        self.maybe_told.extend(older.maybe_told.iter().copied());
        self.message.alerts.extend(carried);
        self.message.alerts.sort_by(crate::alert::message_order);
        self.message.status = status(&self.message.alerts, self.message.created_at);
    }

    /// Notes a failed attempt that is to be tried again.
    pub(crate) fn retry(
        &mut self,
        error: String,
        after: Option<Duration>,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) {
        self.failed(error);
        // What was sent may have arrived although the answer did not.
        let firing: Vec<Fp> = self.firing().collect();
        self.maybe_told.extend(firing);
        let delay = match after {
            Some(asked) => asked.min(RETRY_AFTER_CAP),
            None => backoff(self.attempts, rng),
        };
        self.next_at = now + delay;
    }

    /// Notes an attempt that was refused for good as things stand.
    pub(crate) fn refuse(&mut self, error: String, now: Timestamp) {
        self.failed(error);
        self.refused = true;
        self.next_at = now + REFUSED_DELAY;
    }

    fn failed(&mut self, error: String) {
        self.in_flight = false;
        self.refused = false;
        self.last_error = Some(error);
    }
}

/// Firing if any alert fires.
pub(crate) fn status(alerts: &[Alert], at: Timestamp) -> AlertStatus {
    if alerts.iter().any(|alert| alert.status(at) == AlertStatus::Firing) {
        AlertStatus::Firing
    } else {
        AlertStatus::Resolved
    }
}

/// Doubling from [`RETRY_FIRST`] to [`RETRY_CAP`]; the upper half is random, so that many messages that failed
/// together do not come back together.
fn backoff(attempts: u32, rng: &mut fastrand::Rng) -> Duration {
    let doubled =
        RETRY_FIRST.saturating_mul(1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let delay = doubled.min(RETRY_CAP);
    delay.mul_f64(0.5 + 0.5 * rng.f64())
}

/// All messages, in the order of decisions.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    entries: BTreeMap<u64, Entry>,
    places: HashMap<String, u64>,
    /// Messages not under way, by integration.
    queues: BTreeMap<Arc<str>, Queue>,
    /// Messages under way.
    under_way: BTreeSet<u64>,
    /// Group and integration of each message under way.
    busy: HashSet<(Arc<str>, Arc<str>)>,
}

impl Outbox {
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.places.insert(entry.id().to_owned(), entry.seq);
        self.queue(&entry);
        self.entries.insert(entry.seq, entry);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.at(*self.places.get(id)?)
    }

    /// The message with this place in the order of decisions.
    pub(crate) fn at(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(&seq)
    }

    /// For changing what a message says. When it is sent is changed by [`Outbox::begin`], [`Outbox::bring_forward`],
    /// or by taking it out and putting it back.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.get_mut(self.places.get(id)?)
    }

    /// Marks a message as under way.
    pub(crate) fn begin(&mut self, id: &str) -> Option<&Entry> {
        let entry = self.entries.get_mut(self.places.get(id)?)?;
        if let Some(queue) = self.queues.get_mut(&entry.integration) {
            queue.remove(entry);
        }
        entry.in_flight = true;
        entry.attempts += 1;
        self.under_way.insert(entry.seq);
        self.busy.insert((Arc::clone(&entry.group), Arc::clone(&entry.integration)));
        Some(entry)
    }

    /// Has a message tried at `at`, if it would be later.
    pub(crate) fn bring_forward(&mut self, id: &str, at: Timestamp) {
        if let Some(mut entry) = self.remove(id) {
            entry.next_at = entry.next_at.min(at);
            self.insert(entry);
        }
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Entry> {
        let entry = self.entries.remove(&self.places.remove(id)?)?;
        if self.under_way.remove(&entry.seq) {
            self.busy.remove(&(Arc::clone(&entry.group), Arc::clone(&entry.integration)));
        } else if let Some(queue) = self.queues.get_mut(&entry.integration) {
            queue.remove(&entry);
            if queue.is_empty() {
                self.queues.remove(&entry.integration);
            }
        }
        Some(entry)
    }

    /// Whether a message of the same group to the same integration is under way.
    pub(crate) fn is_busy(&self, entry: &Entry) -> bool {
        !self.busy.is_empty()
            && self.busy.contains(&(Arc::clone(&entry.group), Arc::clone(&entry.integration)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// What waits, by integration.
    pub(crate) fn queues(&self) -> impl Iterator<Item = (&Arc<str>, &Queue)> {
        self.queues.iter()
    }

    /// Moves everything whose time has come to its place in the order of decisions.
    pub(crate) fn mature(&mut self, now: Timestamp) {
        for queue in self.queues.values_mut() {
            queue.mature(now);
        }
    }

    /// When the oldest state in any message was decided on.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let under_way = self.under_way.iter().filter_map(|seq| Some(self.at(*seq)?.first_at));
        let waiting = self.queues.values().filter_map(|queue| Some(queue.by_age().next()?.0));
        under_way.chain(waiting).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn queue(&mut self, entry: &Entry) {
        if entry.in_flight {
            self.under_way.insert(entry.seq);
            self.busy.insert((Arc::clone(&entry.group), Arc::clone(&entry.integration)));
        } else {
            self.queues.entry(Arc::clone(&entry.integration)).or_default().add(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_cap_and_differ() {
        let mut rng = fastrand::Rng::with_seed(7);
        for (attempts, low, high) in
            [(1, 0.5, 1.0), (2, 1.0, 2.0), (5, 8.0, 16.0), (6, 15.0, 30.0), (200, 15.0, 30.0)]
        {
            for _ in 0..100 {
                let delay = backoff(attempts, &mut rng).as_secs_f64();
                assert!((low..=high).contains(&delay), "{attempts}: {delay}");
            }
        }
        assert_ne!(backoff(6, &mut rng), backoff(6, &mut rng));
    }
}
