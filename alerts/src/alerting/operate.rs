//! What operators and the daemon's other parts ask for: silences, acknowledgements, breakers of integrations.

use breakwatch_model::{Fingerprint, Table, Timestamp};

use super::Alerting;
use crate::ack::Ack;
use crate::dedup::Fp;
use crate::ledger::{Event, Record};
use crate::silence::{Silence, SilenceError, SilenceRequest};

impl Alerting {
    /// Sets a new silence or changes one; gives its id, which is a new one where the change could not be made in
    /// place. Durable once the next batch is.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn set_silence(&mut self, request: SilenceRequest, now: Timestamp) -> Result<String, SilenceError> {
        let changes = !request.id.is_empty();
        let new_id = self.new_id();
        let (silence, replaced) = self.silences.set(request, new_id, now)?;
        if let Some(old) = replaced {
            self.changes.put(Table::Silences, old.id.clone(), &old);
        }
        self.changes.put(Table::Silences, silence.id.clone(), &silence);
        let change = if changes { "changed" } else { "set" };
        self.record_silence(&silence, change, now);
        Ok(silence.id)
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// There is none with this id, or it is over already.
    pub fn expire_silence(&mut self, id: &str, now: Timestamp) -> Result<(), SilenceError> {
        let silence = self.silences.expire(id, now)?;
        self.changes.put(Table::Silences, id, &silence);
        self.record_silence(&silence, "expired", now);
        Ok(())
    }

    fn record_silence(&mut self, silence: &Silence, change: &str, now: Timestamp) {
        let (id, by) = (silence.id.clone(), silence.created_by.clone());
        self.record(now, Event::Silence { id, change: change.to_owned(), by });
    }

    /// Every silence, in Alertmanager's order.
    #[must_use]
    pub fn silences(&self, now: Timestamp) -> Vec<&Silence> {
        self.silences.list(now)
    }

    /// One silence.
    #[must_use]
    pub fn silence(&self, id: &str) -> Option<&Silence> {
        self.silences.get(id)
    }

    /// Acknowledges a firing alert: it is not repeated and does not escalate until it ends. `false` if no such alert
    /// fires.
    pub fn acknowledge(&mut self, alert: Fingerprint, by: &str, comment: &str, now: Timestamp) -> bool {
        if !self.alerts.get(&alert).is_some_and(|stored| stored.firing(now)) {
            return false;
        }
        let ack = Ack { by: by.to_owned(), comment: comment.to_owned(), at: now };
        self.changes.put(Table::Acks, alert.to_string(), &ack);
        let event = Event::Acknowledged { by: ack.by.clone(), comment: ack.comment.clone() };
        self.changes.record(Record::new(now, event).alerts([Fp(alert)]));
        self.acks.insert(alert, ack);
        true
    }

    /// Takes an acknowledgement back. `false` if there was none.
    pub fn unacknowledge(&mut self, alert: Fingerprint, by: &str, now: Timestamp) -> bool {
        let had = self.acks.remove(&alert).is_some();
        if had {
            self.changes.delete(Table::Acks, alert.to_string());
            let event = Event::Unacknowledged { by: by.to_owned() };
            self.changes.record(Record::new(now, event).alerts([Fp(alert)]));
        }
        had
    }

    /// Says that an integration's breaker is open: it is not tried before `until`, and its fallback receiver takes
    /// over at once. The outbox keeps its messages.
    pub fn hold(&mut self, integration: &str, until: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(integration) {
            lane.held_until = Some(until);
        }
    }

    /// Says that an integration's breaker lets attempts through again.
    pub fn release(&mut self, integration: &str) {
        if let Some(lane) = self.lanes.get_mut(integration) {
            lane.held_until = None;
        }
    }

    /// Brings everything that waits for an integration forward to now (`retry now`). Gives how many messages wait.
    pub fn retry_now(&mut self, integration: &str, now: Timestamp) -> usize {
        self.release(integration);
        let waiting: Vec<String> = self
            .outbox
            .iter()
            .filter(|entry| *entry.integration == *integration && !entry.in_flight)
            .map(|entry| entry.id().to_owned())
            .collect();
        for id in &waiting {
            self.outbox.bring_forward(id, now);
        }
        waiting.len()
    }
}
