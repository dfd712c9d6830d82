//! Alerts come in: from the API, from rules, from breakers. Each is merged with what is known and put into its groups.

use std::sync::Arc;

use breakwatch_model::{Alert, Fingerprint, Labels, Table, Timestamp};
use breakwatch_plugin_api::TransitionKind;

use super::{Alerting, group_id};
use crate::alert::{BreakerOrigin, Origin, StoredAlert};
use crate::config::Route;
use crate::dedup::{Fp, SendReason};
use crate::group::Group;
use crate::ledger::{Event, Record};
use crate::transition::TransitionEvent;

/// An alert as a client posts it; absent times are filled in as Alertmanager does.
#[derive(Clone, Debug, Default)]
pub struct PostedAlert {
    /// Identity; empty values count as absent.
    pub labels: Labels,
    /// Text for people.
    pub annotations: Labels,
    /// When it began; absent: now (or its end, if that is given).
    pub starts_at: Option<Timestamp>,
    /// When it ended or until when it is believed; absent: now and `resolve_timeout`.
    pub ends_at: Option<Timestamp>,
    /// Where it comes from.
    pub generator_url: String,
}

impl Alerting {
    /// Takes alerts of an outside client. The good ones are taken even if others are not.
    ///
    /// # Errors
    /// What is wrong with the bad ones, joined by `; `.
    pub fn receive(&mut self, alerts: Vec<PostedAlert>, now: Timestamp) -> Result<(), String> {
        let mut faults = Vec::new();
        for posted in alerts {
            match self.complete(posted, now) {
                Ok(alert) => self.upsert(alert, now),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }

    /// Takes alerts of our own rules. They hold until a rule says they are over, so an end that lies ahead is left
    /// aside.
    pub fn receive_rules(&mut self, alerts: impl IntoIterator<Item = Alert>, now: Timestamp) {
        for mut alert in alerts {
            alert.ends_at = alert.ends_at.filter(|end| *end <= now);
            alert.updated_at = now;
            self.upsert(
                StoredAlert { alert, origin: Origin::Rule, timeout: false, done: false, groups: 0 },
                now,
            );
        }
    }

    /// Takes a breaker's transition.
    pub fn transition(&mut self, event: &TransitionEvent, now: Timestamp) {
        let before = self.breaker_alert(&event.kind, &event.name, now);
        if before.is_none() && event.transition != TransitionKind::Opened {
            // Half-open, re-opened or closed without an alert: the opening was never seen. Only a re-opening says
            // that something is wrong now.
            if event.transition != TransitionKind::Reopened {
                return;
            }
        }
        let before =
            before.and_then(|fingerprint| self.alerts.get(&fingerprint)).map(|stored| stored.alert.clone());
        let origin = BreakerOrigin {
            kind: event.kind.clone(),
            name: event.name.clone(),
            integration: event.integration.clone(),
            transition: event.transition,
        };
        let mut alert = event.alert(before.as_ref());
        // An end that lies ahead by a skewed clock would keep the alert firing.
        alert.ends_at = alert.ends_at.map(|end| end.min(now));
        if event.kind == "check" {
            self.name_affected(&event.name, &mut alert);
        }
        let fingerprint = alert.fingerprint();
        let stored =
            StoredAlert { alert, origin: Origin::Breaker(origin), timeout: false, done: false, groups: 0 };
        self.upsert(stored, now);
        if matches!(event.transition, TransitionKind::HalfOpen | TransitionKind::Reopened) {
            self.tell_transition(fingerprint, event.transition, now);
        }
    }

    /// Ends the alerts of breakers that do not exist any more or are not open (any more), as after a restart or a
    /// reload. `open` names the open ones as (kind, name).
    pub fn reconcile_breakers(&mut self, open: impl Fn(&str, &str) -> bool, now: Timestamp) {
        let is_over = |stored: &StoredAlert| {
            stored.firing(now) && stored.breaker().is_some_and(|breaker| !open(&breaker.kind, &breaker.name))
        };
        let mut over: Vec<StoredAlert> =
            self.alerts.values().filter(|stored| is_over(stored)).cloned().collect();
        over.sort_by_key(|stored| stored.alert.fingerprint());
        for mut stored in over {
            stored.alert.ends_at = Some(now);
            stored.alert.updated_at = now;
            if let Origin::Breaker(breaker) = &mut stored.origin {
                breaker.transition = TransitionKind::Closed;
            }
            self.upsert(stored, now);
        }
    }

    /// Ends every firing rule alert for which `holds` is false: alerts of rules that a reload has taken away.
    pub fn reconcile_rules(&mut self, holds: impl Fn(&Labels) -> bool, now: Timestamp) {
        let is_over = |stored: &StoredAlert| {
            stored.firing(now) && stored.origin == Origin::Rule && !holds(&stored.alert.labels)
        };
        let mut over: Vec<StoredAlert> =
            self.alerts.values().filter(|stored| is_over(stored)).cloned().collect();
        over.sort_by_key(|stored| stored.alert.fingerprint());
        for mut stored in over {
            stored.alert.ends_at = Some(now);
            stored.alert.updated_at = now;
            self.upsert(stored, now);
        }
    }

    /// The firing alert of a breaker.
    fn breaker_alert(&self, kind: &str, name: &str, now: Timestamp) -> Option<Fingerprint> {
        let is_it = |stored: &&StoredAlert| {
            stored.firing(now) && stored.breaker().is_some_and(|b| b.kind == kind && b.name == name)
        };
        self.breakers
            .get(&(kind.to_owned(), name.to_owned()))
            .and_then(|fingerprint| self.alerts.get(fingerprint))
            .filter(is_it)
            .map(|stored| stored.alert.fingerprint())
    }

    fn complete(&self, posted: PostedAlert, now: Timestamp) -> Result<StoredAlert, String> {
        let starts_at = posted.starts_at.or(posted.ends_at).unwrap_or(now);
        let timeout = posted.ends_at.is_none();
        let ends_at = posted.ends_at.unwrap_or(now + self.config.resolve_timeout);
        if posted.labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        if ends_at < starts_at {
            return Err("start time must be before end time".to_owned());
        }
        let alert = Alert {
            labels: posted.labels,
            annotations: posted.annotations,
            starts_at,
            ends_at: Some(ends_at),
            updated_at: now,
            generator_url: posted.generator_url,
        };
        Ok(StoredAlert { alert, origin: Origin::Api, timeout, done: false, groups: 0 })
    }

    /// Merges an alert into what is known and puts it into its groups.
    fn upsert(&mut self, new: StoredAlert, now: Timestamp) {
        let fingerprint = new.alert.fingerprint();
        let known = self.alerts.get(&fingerprint).filter(|stored| !stored.done);
        if known.is_none() && !new.firing(now) {
            // Over before anybody saw it fire: nobody was told, so nobody needs to be told of the end.
            return;
        }
        let (was_firing, mut merged) = match known {
            Some(known) => (known.firing(now), known.clone()),
            None => (false, new.clone()),
        };
        let is_new = known.is_none();
        if !is_new {
            merged.merge(new, now);
        }
        let lasting = known.is_none_or(|known| known.differs_lastingly(&merged));
        let firing = merged.firing(now);
        if lasting {
            self.changes.put(Table::Alerts, alert_key(fingerprint), &merged);
        }
        if firing && !was_firing {
            let event =
                Event::Raised { labels: merged.alert.labels.clone(), starts_at: merged.alert.starts_at };
            self.changes.record(Record::new(now, event).alerts([Fp(fingerprint)]));
        } else if was_firing && !firing {
            let event = Event::Ended { ends_at: merged.alert.ends_at.unwrap_or(now) };
            self.changes.record(Record::new(now, event).alerts([Fp(fingerprint)]));
        }
        self.inhibitor.note(&merged);
        if let Some(breaker) = merged.breaker() {
            self.breakers.insert((breaker.kind.clone(), breaker.name.clone()), fingerprint);
        }
        let from_breaker = merged.breaker().is_some();
        self.alerts.insert(fingerprint, merged);
        if is_new {
            self.place(fingerprint, now);
        }
        if from_breaker && was_firing != firing {
            self.hasten(fingerprint, now);
        }
    }

    /// Puts an alert into the group of every route that handles it.
    pub(super) fn place(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let config = Arc::clone(&self.config);
        let Some(stored) = self.alerts.get(&fingerprint) else { return };
        let (labels, starts_at) = (stored.alert.labels.clone(), stored.alert.starts_at);
        let mut ids = Vec::new();
        for route in config.route.matching(&labels) {
            let (id, key, group_labels) = group_id(route, &labels);
            if !self.groups.contains_key(&id) {
                self.create_group(route, &id, key, group_labels, now);
            }
            self.join(&id, fingerprint, starts_at + route.group_wait, now);
            ids.push(id);
        }
        if let Some(stored) = self.alerts.get_mut(&fingerprint) {
            stored.groups = ids.len();
        }
        self.group_ids.insert(fingerprint, ids);
    }

    fn create_group(&mut self, route: &Route, id: &Arc<str>, key: String, labels: Labels, now: Timestamp) {
        let group = Group {
            id: Arc::clone(id),
            key,
            route: Arc::clone(&route.id),
            labels,
            next: now + route.group_wait,
            flushed: false,
            last_sent: None,
            told_since: None,
            escalated: 0,
            empty_since: None,
            members: Default::default(),
            leavers: Default::default(),
            slots: Default::default(),
            quiet: Default::default(),
        };
        self.changes.put(Table::Notifications, group.record_key(), &group);
        self.timers.insert((group.next, Arc::clone(id)));
        self.groups.insert(Arc::clone(id), group);
    }

    /// Adds an alert to a group. One that has waited long enough elsewhere does not wait again.
    fn join(&mut self, id: &Arc<str>, fingerprint: Fingerprint, waited_until: Timestamp, now: Timestamp) {
        let Some(group) = self.groups.get_mut(id) else { return };
        group.members.insert(Fp(fingerprint));
        group.leavers.remove(&Fp(fingerprint));
        group.empty_since = None;
        if !group.flushed && waited_until < now {
            reschedule(&mut self.timers, group, now);
        }
    }

    /// A breaker's word does not wait for the tick of a group that has been quiet for its whole interval: after the
    /// first wait the group is looked at.
    fn hasten(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let config = Arc::clone(&self.config);
        for id in self.group_ids.get(&fingerprint).cloned().unwrap_or_default() {
            let Some(group) = self.groups.get_mut(&id) else { continue };
            let Some(route) = config.route.walk().find(|route| route.id == group.route) else { continue };
            let rested = group.last_sent.is_none_or(|sent| sent + route.group_interval <= now);
            if group.flushed && rested && now + route.group_wait < group.next {
                reschedule(&mut self.timers, group, now + route.group_wait);
            }
        }
    }

    /// Tells the receivers that asked for it that a breaker is tried again or failed again.
    fn tell_transition(&mut self, fingerprint: Fingerprint, kind: TransitionKind, now: Timestamp) {
        let config = Arc::clone(&self.config);
        for id in self.group_ids.get(&fingerprint).cloned().unwrap_or_default() {
            let Some(mut group) = self.groups.remove(&id) else { continue };
            if let Some(route) = config.route.walk().find(|route| route.id == group.route) {
                for integration in super::integrations(&config, route, group.escalated) {
                    if integration.transitions.has(kind) {
                        self.tell_update(&mut group, route, &integration, fingerprint, kind, now);
                    }
                }
            }
            self.groups.insert(id, group);
        }
    }

    fn tell_update(
        &mut self,
        group: &mut Group,
        route: &Route,
        integration: &Arc<crate::config::Integration>,
        fingerprint: Fingerprint,
        kind: TransitionKind,
        now: Timestamp,
    ) {
        let slot = group.slots.entry(Arc::clone(&integration.key)).or_default();
        let was_told = slot.owed(&self.outbox).contains(&Fp(fingerprint));
        let members = self.members(group, route, now);
        let quiet = members.iter().any(|member| member.fp == Fp(fingerprint) && member.quiet.is_some());
        let own = self.is_own_breaker(fingerprint, &integration.key);
        if quiet || own || (integration.transitions.open && !was_told) {
            return;
        }
        let Some(stored) = self.alerts.get(&fingerprint) else { return };
        let alert = stored.shown(now);
        let slot = group.slots.entry(Arc::clone(&integration.key)).or_default();
        if let Some(entry) = slot.waiting.as_ref().and_then(|id| self.outbox.get_mut(id)) {
            // The opening itself is still waiting: it takes the newest state along.
            if let Some(old) = entry.message.alerts.iter_mut().find(|old| old.labels == alert.labels) {
                old.annotations = alert.annotations;
                self.changes.put(Table::Outbox, entry.message.id.clone(), &*entry);
            }
            return;
        }
        self.enqueue(group, integration, vec![alert], SendReason::Update, Some(kind), now);
    }
}

/// Moves a group's next look.
pub(super) fn reschedule(
    timers: &mut std::collections::BTreeSet<(Timestamp, Arc<str>)>,
    group: &mut Group,
    at: Timestamp,
) {
    timers.remove(&(group.next, Arc::clone(&group.id)));
    group.next = at;
    timers.insert((at, Arc::clone(&group.id)));
}

/// The key of an alert's record.
pub(super) fn alert_key(fingerprint: Fingerprint) -> String {
    format!("alert/{fingerprint}")
}
