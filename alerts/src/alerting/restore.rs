//! Takes over what was stored.

use std::sync::Arc;

use breakwatch_model::{Record, StateStore, Table, Timestamp};
use serde::de::DeserializeOwned;

use super::Alerting;
use crate::alert::StoredAlert;
use crate::dedup::Fp;
use crate::group::{Group, Slot};
use crate::outbox::Entry;
use crate::silence::Silence;

/// The records of the tables that belong to alerting.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// [`Table::Alerts`].
    pub alerts: Vec<Record>,
    /// [`Table::Notifications`].
    pub notifications: Vec<Record>,
    /// [`Table::Outbox`].
    pub outbox: Vec<Record>,
    /// [`Table::Silences`].
    pub silences: Vec<Record>,
    /// [`Table::Acks`].
    pub acks: Vec<Record>,
}

impl Restored {
    /// Reads them from a store.
    #[must_use]
    pub fn load(store: &dyn StateStore) -> Self {
        Self {
            alerts: store.table(Table::Alerts),
            notifications: store.table(Table::Notifications),
            outbox: store.table(Table::Outbox),
            silences: store.table(Table::Silences),
            acks: store.table(Table::Acks),
        }
    }
}

impl Alerting {
    /// Takes the records over. A damaged one is left out and reported; it never stops the start.
    pub(super) fn restore(&mut self, restored: Restored, now: Timestamp) {
        for record in &restored.alerts {
            if record.key.starts_with("alert/")
                && let Some(stored) = self.decode::<StoredAlert>(Table::Alerts, record)
            {
                self.restore_alert(stored, now);
            }
        }
        self.restore_groups(&restored.notifications);
        let mut entries: Vec<Entry> =
            restored.outbox.iter().filter_map(|record| self.decode(Table::Outbox, record)).collect();
        entries.sort_by_key(|entry| entry.seq);
        for entry in entries {
            self.next_seq = self.next_seq.max(entry.seq + 1);
            self.restore_entry(entry, now);
        }
        for record in &restored.silences {
            if let Some(silence) = self.decode::<Silence>(Table::Silences, record)
                && !self.silences.restore(silence)
            {
                self.problems.push(format!("silence {} cannot be used any more", record.key));
            }
        }
        for record in &restored.acks {
            let fingerprint = u64::from_str_radix(&record.key, 16).ok().map(breakwatch_model::Fingerprint);
            if let (Some(fingerprint), Some(ack)) = (fingerprint, self.decode(Table::Acks, record)) {
                self.acks.insert(fingerprint, ack);
            }
        }
    }

    fn decode<T: DeserializeOwned>(&mut self, table: Table, record: &Record) -> Option<T> {
        match serde_json::from_slice(&record.value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(format!("{} record {} left out: {error}", table.as_str(), record.key));
                None
            }
        }
    }

    /// An alert that was still believed gets its full time again: that the daemon was down is no word about it.
    fn restore_alert(&mut self, mut stored: StoredAlert, now: Timestamp) {
        let alert = &mut stored.alert;
        if let Some(end) = alert.ends_at.filter(|end| *end > alert.updated_at) {
            alert.ends_at = Some(end.max(now + end.since(alert.updated_at)));
        }
        let fingerprint = stored.alert.fingerprint();
        self.inhibitor.note(&stored);
        if let Some(breaker) = stored.breaker() {
            self.breakers.insert((breaker.kind.clone(), breaker.name.clone()), fingerprint);
        }
        self.alerts.insert(fingerprint, stored);
    }

    fn restore_groups(&mut self, records: &[Record]) {
        for record in records.iter().filter(|record| record.key.starts_with("group/")) {
            if let Some(group) = self.decode::<Group>(Table::Notifications, record) {
                self.timers.insert((group.next, Arc::clone(&group.id)));
                self.groups.insert(Arc::clone(&group.id), group);
            }
        }
        for record in records {
            let Some((group, integration)) =
                record.key.strip_prefix("slot/").and_then(|rest| rest.split_once('\n'))
            else {
                continue;
            };
            let Some(slot) = self.decode::<Slot>(Table::Notifications, record) else { continue };
            match self.groups.get_mut(group) {
                Some(group) => drop(group.slots.insert(integration.into(), slot)),
                // A slot without its group: the group's record was damaged or deleted.
                None => self.changes.delete(Table::Notifications, record.key.clone()),
            }
        }
    }

    /// Puts a message back. Of two about the same group to the same integration the older one was on its way when the
    /// daemon stopped: the newer one takes its place and knows what may have been told.
    fn restore_entry(&mut self, mut entry: Entry, now: Timestamp) {
        entry.next_at = entry.next_at.min(now);
        // Any of them may have been on its way when the daemon stopped.
        let firing: Vec<Fp> = entry.firing().collect();
        entry.maybe_told.extend(firing);
        let Some(mut group) = self.groups.remove(&entry.group) else {
            // Without its group there is no telling what was said before; the message itself is whole.
            self.outbox.insert(entry);
            return;
        };
        let waiting = group.slots.entry(Arc::clone(&entry.integration)).or_default().waiting.take();
        if let Some(older) = waiting.and_then(|id| self.outbox.remove(&id)) {
            self.absorb(&mut entry, &older, &group, now);
            self.changes.put(Table::Outbox, entry.id(), &entry);
        }
        if let Some(slot) = group.slots.get_mut(&entry.integration) {
            slot.waiting = Some(entry.id().to_owned());
        }
        self.groups.insert(Arc::clone(&group.id), group);
        self.outbox.insert(entry);
    }
}
