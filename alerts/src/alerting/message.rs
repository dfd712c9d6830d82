//! Messages: how they get into the outbox, and escalation, which adds receivers to a group.

use std::collections::HashSet;
use std::sync::Arc;

use breakwatch_model::{Alert, AlertStatus, Table, Timestamp};
use breakwatch_plugin_api::{Notification, TransitionKind};

use super::flush::Member;
use super::{Alerting, integrations};
use crate::config::{Integration, Route};
use crate::dedup::{Fp, SendReason};
use crate::group::Group;
use crate::ledger::{Event, Record};
use crate::outbox::{Entry, status};

impl Alerting {
    /// Puts a message into the outbox, in the place of one that still waits for the same integration and group.
    pub(super) fn enqueue(
        &mut self,
        group: &mut Group,
        integration: &Arc<Integration>,
        alerts: Vec<Alert>,
        reason: SendReason,
        transition: Option<TransitionKind>,
        now: Timestamp,
    ) -> String {
        let id = self.new_id();
        let transition = transition.or_else(|| self.transition_of(&alerts, now));
        let receiver = integration.key.strip_suffix(&format!("/{}", integration.local_name()));
        let message = Notification {
            id: id.clone(),
            receiver: receiver.unwrap_or(&integration.key).to_owned(),
            integration: integration.local_name(),
            group_key: group.key.clone(),
            group_labels: group.labels.clone(),
            status: status(&alerts, now),
            alerts,
            truncated_alerts: 0,
            transition,
            created_at: now,
            notes: Vec::new(),
            external_url: self.settings.external_url.clone(),
            first: None,
            previous: None,
        };
        let mut entry = Entry {
            message,
            integration: Arc::clone(&integration.key),
            group: Arc::clone(&group.id),
            seq: self.next_seq,
            reason,
            first_at: now,
            next_at: now,
            attempts: 0,
            replaced: 0,
            maybe_told: Default::default(),
            last_error: None,
            refused: false,
            instead_of: Vec::new(),
            fallback_done: false,
            in_flight: false,
            taken_along: Vec::new(),
            generation: self.taken + 1,
        };
        self.next_seq += 1;
        self.replace_waiting(group, &mut entry, now);
        self.record_decision(group, &entry, now);
        self.changes.put(Table::Outbox, id.clone(), &entry);
        self.outbox.insert(entry);
        let slot = group.slots.entry(Arc::clone(&integration.key)).or_default();
        slot.waiting = Some(id.clone());
        self.changes.put(Table::Notifications, crate::group::slot_key(&group.id, &integration.key), slot);
        id
    }

    fn record_decision(&mut self, group: &Group, entry: &Entry, now: Timestamp) {
        let (firing, resolved) = (entry.firing().count(), entry.resolved().count());
        let event = Event::Decided { reason: entry.reason, firing, resolved };
        let alerts: Vec<Fp> = entry.firing().chain(entry.resolved()).collect();
        let record = Record::new(now, event).group(&group.key).integration(&entry.integration);
        self.changes.record(record.message(entry.id()).alerts(alerts));
    }

    /// The newer message takes over what only the waiting one would have told.
    fn replace_waiting(&mut self, group: &mut Group, entry: &mut Entry, now: Timestamp) {
        let Some(slot) = group.slots.get_mut(&entry.integration) else { return };
        let Some(older) = slot.waiting.take().and_then(|id| self.outbox.remove(&id)) else { return };
        self.absorb(entry, &older, group, now);
    }

    /// Puts an older, undelivered message of the same integration and group into a newer one.
    pub(super) fn absorb(&mut self, newer: &mut Entry, older: &Entry, group: &Group, now: Timestamp) {
        let shown: HashSet<Fp> = newer.firing().chain(newer.resolved()).collect();
        let decided_at = older.message.created_at;
        let carried = older.message.alerts.iter().filter(|alert| {
            let fp = Fp(alert.fingerprint());
            // A firing alert of the group that the newer message leaves out is kept quiet by now.
            let quieted = alert.status(decided_at) == AlertStatus::Firing && group.members.contains(&fp);
            !shown.contains(&fp) && !quieted
        });
        let carried: Vec<Alert> = carried.cloned().collect();
        newer.replace(older, carried);
        self.changes.delete(Table::Outbox, older.id());
        let event = Event::Replaced { by: newer.id().to_owned() };
        let record = Record::new(now, event).group(&group.key).integration(&older.integration);
        self.changes.record(record.message(older.id()));
    }

    /// The transition a message is about, if it is about one breaker alone.
    fn transition_of(&self, alerts: &[Alert], now: Timestamp) -> Option<TransitionKind> {
        let [alert] = alerts else { return None };
        let stored = self.alerts.get(&alert.fingerprint())?;
        stored.breaker()?;
        Some(if stored.firing(now) { TransitionKind::Opened } else { TransitionKind::Closed })
    }

    /// Starts, goes on with or ends a group's escalation.
    pub(super) fn follow_escalation(
        &mut self,
        group: &mut Group,
        route: Option<&Route>,
        members: &[Member],
        now: Timestamp,
    ) {
        if !members.iter().any(|member| member.firing) {
            (group.told_since, group.escalated) = (None, 0);
            return;
        }
        let lasts = || group.slots.values().filter_map(|slot| slot.last.as_ref());
        let told = |fp: &Fp| lasts().any(|last| last.firing.contains(fp));
        if !members.iter().any(|m| m.firing && told(&m.fp) && !self.acks.contains_key(&m.fp.0)) {
            return;
        }
        let since = *group.told_since.get_or_insert(now);
        let next = route.and_then(|route| route.escalation.get(group.escalated));
        if let Some(step) = next {
            self.escalations.insert((since + step.after, Arc::clone(&group.id)));
        }
    }

    /// An escalation step falls due. The group must be out of the map.
    pub(super) fn escalate(&mut self, mut group: Group, now: Timestamp) {
        let config = Arc::clone(&self.config);
        let route = config.route.walk().find(|route| route.id == group.route);
        let due = route.and_then(|route| route.escalation.get(group.escalated).map(|step| (route, step)));
        if let (Some((route, step)), Some(since)) = (due, group.told_since)
            && since + step.after <= now
        {
            let members = self.members(&group, route, now);
            let open =
                |m: &Member| m.firing && m.quiet.is_none() && !m.leaver && !self.acks.contains_key(&m.fp.0);
            let unanswered: Vec<Fp> =
                members.iter().filter(|member| open(member)).map(|member| member.fp).collect();
            if !unanswered.is_empty() {
                let before = integrations(&config, route, group.escalated);
                group.escalated += 1;
                let event = Event::Escalated { to: step.receiver.to_string() };
                self.changes
                    .record(Record::new(now, event).group(&group.key).alerts(unanswered.iter().copied()));
                for integration in integrations(&config, route, group.escalated) {
                    if !before.iter().any(|known| known.key == integration.key) {
                        self.tell_escalation(&mut group, &integration, &unanswered, now);
                    }
                }
                self.changes.put(Table::Notifications, group.record_key(), &group);
                self.follow_escalation(&mut group, Some(route), &members, now);
            }
        }
        self.groups.insert(Arc::clone(&group.id), group);
    }

    fn tell_escalation(
        &mut self,
        group: &mut Group,
        integration: &Arc<Integration>,
        firing: &[Fp],
        now: Timestamp,
    ) {
        let slot = group.slots.entry(Arc::clone(&integration.key)).or_default();
        slot.guest = false;
        let last = crate::dedup::LastTold {
            firing: firing.iter().copied().collect(),
            at: now,
            ..Default::default()
        };
        slot.last = Some(last);
        let alerts = self.shown_alerts(firing, now);
        self.enqueue(group, integration, alerts, SendReason::Escalation, None, now);
    }
}
