//! A group falls due: what fires, what is over, what is kept quiet, and who needs to be told.

use std::collections::BTreeSet;
use std::sync::Arc;

use breakwatch_model::{Alert, Fingerprint, Table, Timestamp};
use breakwatch_plugin_api::TransitionKind;

use super::intake::alert_key;
use super::{Alerting, integrations};
use crate::config::{Integration, Route};
use crate::dedup::{Fp, LastTold, SendReason, needs_update};
use crate::group::{EMPTY_GROUP_KEPT, Group};
use crate::inhibit::LINGER;
use crate::ledger::{Event, Record};
use crate::silence::Holding;

/// An alert of a group as it stands at the moment of looking.
pub(super) struct Member {
    pub(super) fp: Fp,
    pub(super) firing: bool,
    /// Whether it was moved to another group and only its end is still owed here.
    pub(super) leaver: bool,
    /// What keeps it quiet.
    pub(super) quiet: Option<String>,
    /// Whether a breaker raised it.
    pub(super) breaker: bool,
}

/// What keeps alerts of a route quiet at a moment.
pub(super) struct Quieting<'a> {
    by_time: Option<String>,
    silences: Holding<'a>,
}

/// What an integration gets to see of a group.
#[derive(Default)]
struct View {
    firing: BTreeSet<Fp>,
    resolved: BTreeSet<Fp>,
}

impl Alerting {
    /// Looks at a group, decides who is told, and sets its next look. The group must be out of the map.
    pub(super) fn flush(&mut self, mut group: Group, now: Timestamp) {
        let config = Arc::clone(&self.config);
        let route = config.route.walk().find(|route| route.id == group.route);
        let interval = route.map_or(config.route.group_interval, |route| route.group_interval);
        let before = group.lasting();
        let members = self.members(&group, route.unwrap_or(&config.route), now);
        self.note_quiet(&mut group, &members, now);
        let receivers = route.map(|route| integrations(&config, route, group.escalated)).unwrap_or_default();
        for integration in &receivers {
            group.slots.entry(Arc::clone(&integration.key)).or_default().guest = false;
            self.tell(&mut group, route, integration, &members, now);
        }
        self.tell_guests(&mut group, &receivers, &members, now);
        self.drop_resolved(&mut group, &members, now);
        group.flushed = true;
        group.next = now + interval;
        self.follow_escalation(&mut group, route, &members, now);
        if group.lasting() != before {
            self.changes.put(Table::Notifications, group.record_key(), &group);
        }
        if group.is_empty() {
            group.empty_since = Some(now);
        }
        self.timers.insert((group.next, Arc::clone(&group.id)));
        self.groups.insert(Arc::clone(&group.id), group);
    }

    /// The group's alerts as they stand.
    pub(super) fn members(&self, group: &Group, route: &Route, now: Timestamp) -> Vec<Member> {
        let quiet = self.quieting(route, now);
        let staying = group.members.iter().filter_map(|fp| self.member(*fp, false, &quiet, now));
        staying.chain(group.leavers.iter().filter_map(|fp| self.member(*fp, true, &quiet, now))).collect()
    }

    /// What keeps alerts of a route quiet now, looked up once for all of them.
    pub(super) fn quieting(&self, route: &Route, now: Timestamp) -> Quieting<'_> {
        Quieting { by_time: self.config.muted_by_time(route, now), silences: self.silences.holding(now) }
    }

    /// One alert of a group as it stands.
    pub(super) fn member(&self, fp: Fp, leaver: bool, by: &Quieting<'_>, now: Timestamp) -> Option<Member> {
        let stored = self.alerts.get(&fp.0)?;
        let labels = &stored.alert.labels;
        let by_silence = || {
            let ids = by.silences.matching(labels);
            (!ids.is_empty()).then(|| format!("silenced by {}", ids.join(", ")))
        };
        let by_inhibition = || {
            let source = self.inhibitor.inhibited_by(stored, now)?;
            let name = self.alerts.get(&source).map_or("", |stored| stored.alert.name());
            Some(format!("inhibited by {name} {source}"))
        };
        let by_dependency = || {
            let cause = self.cause_of(labels)?;
            Some(format!("{cause} is the root cause"))
        };
        let quiet = by.by_time.clone().or_else(by_inhibition).or_else(by_silence).or_else(by_dependency);
        Some(Member { fp, firing: stored.firing(now), leaver, quiet, breaker: stored.breaker().is_some() })
    }

    /// Writes changes of what is kept quiet into the ledger.
    fn note_quiet(&mut self, group: &mut Group, members: &[Member], now: Timestamp) {
        for member in members.iter().filter(|member| !member.leaver && member.firing) {
            let before = group.quiet.get(&member.fp);
            if before == member.quiet.as_ref() {
                continue;
            }
            let event = match &member.quiet {
                Some(why) => Event::Quiet { why: why.clone() },
                None => Event::Audible,
            };
            self.changes.record(Record::new(now, event).group(&group.key).alerts([member.fp]));
            match &member.quiet {
                Some(why) => group.quiet.insert(member.fp, why.clone()),
                None => group.quiet.remove(&member.fp),
            };
        }
    }

    /// Whether an alert is about the breaker of this very integration.
    pub(super) fn is_own_breaker(&self, fingerprint: Fingerprint, integration: &str) -> bool {
        let breaker = self.alerts.get(&fingerprint).and_then(|stored| stored.breaker());
        breaker.and_then(|breaker| breaker.integration.as_deref()) == Some(integration)
    }

    /// Decides whether one integration is told, and puts the message into the outbox.
    fn tell(
        &mut self,
        group: &mut Group,
        route: Option<&Route>,
        integration: &Arc<Integration>,
        members: &[Member],
        now: Timestamp,
    ) {
        let view = self.view(group, integration, members);
        self.withdraw(group, integration, &view, members, now);
        if view.firing.is_empty() && view.resolved.is_empty() {
            return;
        }
        let repeat = route.map_or(self.config.route.repeat_interval, |route| route.repeat_interval);
        let Some(slot) = group.slots.get_mut(&integration.key) else { return };
        let last = slot.last.as_ref();
        let mut reason =
            needs_update(last, &view.firing, &view.resolved, integration.send_resolved, repeat, now);
        if reason.is_none() && integration.send_resolved {
            let known = last.map(|last| &last.resolved);
            let owed = slot.owed(&self.outbox);
            let new_end = |fp: &Fp| owed.contains(fp) && !known.is_some_and(|known| known.contains(fp));
            reason = view.resolved.iter().any(new_end).then_some(SendReason::SomeResolved);
        }
        let acknowledged = |fp: &Fp| self.acks.contains_key(&fp.0);
        if reason == Some(SendReason::Repeat) && view.firing.iter().all(acknowledged) {
            return;
        }
        let Some(reason) = reason else { return };
        slot.last = Some(LastTold { firing: view.firing.clone(), resolved: view.resolved.clone(), at: now });
        if !integration.send_resolved && view.firing.is_empty() {
            self.forget_told(group, integration, &view.resolved, now);
            return;
        }
        let mut shown: Vec<Fp> = view.firing.iter().copied().collect();
        if integration.send_resolved {
            shown.extend(&view.resolved);
        } else {
            self.forget_told(group, integration, &view.resolved, now);
        }
        let alerts = self.shown_alerts(&shown, now);
        group.last_sent = Some(now);
        self.enqueue(group, integration, alerts, reason, None, now);
    }

    /// What the integration gets to see. An end that is owed is always seen; where only ends are told, so is the end of
    /// what still waits to be told.
    fn view(&self, group: &Group, integration: &Integration, members: &[Member]) -> View {
        let slot = group.slots.get(&integration.key);
        let owed = slot.map(|slot| slot.owed(&self.outbox)).unwrap_or_default();
        let guest = slot.is_some_and(|slot| slot.guest);
        let owed_soon = slot.map(|slot| slot.owed_soon(&self.outbox)).unwrap_or_default();
        let mut view = View::default();
        for member in members {
            let transition = if member.firing { TransitionKind::Opened } else { TransitionKind::Closed };
            let unwanted = member.breaker && !integration.transitions.has(transition);
            let hidden = guest
                || member.leaver
                || member.quiet.is_some()
                || unwanted
                || self.is_own_breaker(member.fp.0, &integration.key);
            let owed = if guest || member.leaver { &owed_soon } else { &owed };
            let owed_end = !member.firing && !unwanted && owed.contains(&member.fp);
            match (hidden && !owed_end, member.firing) {
                (true, _) => {}
                (false, true) => drop(view.firing.insert(member.fp)),
                (false, false) => drop(view.resolved.insert(member.fp)),
            }
        }
        view
    }

    /// Takes alerts that have since been silenced out of a message that nobody has seen.
    fn withdraw(
        &mut self,
        group: &mut Group,
        integration: &Integration,
        view: &View,
        members: &[Member],
        now: Timestamp,
    ) {
        let Some(slot) = group.slots.get_mut(&integration.key) else { return };
        let Some(entry) = slot.waiting.as_ref().and_then(|id| self.outbox.get_mut(id)) else { return };
        let quiet = |fp: &Fp| {
            let member = members.iter().find(|member| member.fp == *fp && !member.leaver);
            member.and_then(|member| member.quiet.as_ref())
        };
        let gone: Vec<Fp> = entry
            .firing()
            .filter(|fp| !view.firing.contains(fp) && !view.resolved.contains(fp))
            .filter(|fp| quiet(fp).is_some() && !entry.maybe_told.contains(fp))
            .collect();
        let Some(why) = gone.first().and_then(quiet).cloned() else { return };
        entry.message.alerts.retain(|alert| !gone.contains(&Fp(alert.fingerprint())));
        entry.message.status = crate::outbox::status(&entry.message.alerts, entry.message.created_at);
        if let Some(last) = &mut slot.last {
            last.firing.retain(|fp| !gone.contains(fp));
        }
        let id = entry.message.id.clone();
        let record =
            Record::new(now, Event::Withdrawn { why }).group(&group.key).integration(&integration.key);
        self.changes.record(record.message(&id).alerts(gone));
        if entry.message.alerts.is_empty() {
            self.outbox.remove(&id);
            self.changes.delete(Table::Outbox, id);
            slot.waiting = None;
        } else {
            self.changes.put(Table::Outbox, id, &*entry);
        }
        let slot = slot.clone();
        self.changes.put(Table::Notifications, group.slot_key(&integration.key), &slot);
    }

    /// A receiver that does not want ends is not owed them; a message still waiting says when they came.
    fn forget_told(
        &mut self,
        group: &mut Group,
        integration: &Integration,
        resolved: &BTreeSet<Fp>,
        now: Timestamp,
    ) {
        let Some(slot) = group.slots.get_mut(&integration.key) else { return };
        slot.told.retain(|fp| !resolved.contains(fp));
        if let Some(entry) = slot.waiting.as_ref().and_then(|id| self.outbox.get_mut(id)) {
            let mut touched = false;
            for alert in &mut entry.message.alerts {
                let fp = Fp(alert.fingerprint());
                if alert.ends_at.is_none() && resolved.contains(&fp) {
                    let end = self.alerts.get(&fp.0).and_then(|stored| stored.alert.ends_at);
                    // Later than the decision, so that the message still counts as one about a firing alert.
                    let earliest = entry.message.created_at + std::time::Duration::from_millis(1);
                    alert.ends_at = Some(end.unwrap_or(now).max(earliest));
                    touched = true;
                }
            }
            if touched {
                self.changes.put(Table::Outbox, entry.message.id.clone(), &*entry);
            }
        }
        if slot.told.is_empty() {
            (slot.first, slot.previous) = (None, None);
        }
        let slot = slot.clone();
        self.changes.put(Table::Notifications, group.slot_key(&integration.key), &slot);
    }

    /// Tells ends to integrations that were told the beginning but do not belong to the route: stand-ins, and those
    /// a reload has taken out of it.
    fn tell_guests(
        &mut self,
        group: &mut Group,
        receivers: &[Arc<Integration>],
        members: &[Member],
        now: Timestamp,
    ) {
        let config = Arc::clone(&self.config);
        let keys: Vec<Arc<str>> = group.slots.keys().cloned().collect();
        for key in keys {
            if receivers.iter().any(|integration| integration.key == key) {
                continue;
            }
            let Some((_, integration)) = config.integration(&key) else { continue };
            if let Some(slot) = group.slots.get_mut(&key) {
                slot.guest = true;
            }
            self.tell(group, None, integration, members, now);
        }
    }

    /// The alerts as a message shows them, in Alertmanager's order.
    pub(super) fn shown_alerts(&self, fingerprints: &[Fp], now: Timestamp) -> Vec<Alert> {
        let shown =
            fingerprints.iter().filter_map(|fp| self.alerts.get(&fp.0)).map(|stored| stored.shown(now));
        let mut alerts: Vec<Alert> = shown.collect();
        alerts.sort_by(crate::alert::message_order);
        alerts
    }

    /// What is over leaves the group: what has to be told of it is in the outbox now.
    fn drop_resolved(&mut self, group: &mut Group, members: &[Member], now: Timestamp) {
        for member in members.iter().filter(|member| !member.firing) {
            if member.leaver {
                group.leavers.remove(&member.fp);
            } else {
                group.members.remove(&member.fp);
            }
            group.quiet.remove(&member.fp);
            self.leave(member.fp.0, now);
        }
    }

    /// One group less has the alert; the last one to let it go lets it be forgotten.
    fn leave(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let Some(stored) = self.alerts.get_mut(&fingerprint) else { return };
        stored.groups = stored.groups.saturating_sub(1);
        if stored.groups > 0 || stored.firing(now) {
            return;
        }
        self.group_ids.remove(&fingerprint);
        if self.acks.remove(&fingerprint).is_some() {
            self.changes.delete(Table::Acks, fingerprint.to_string());
        }
        let lingers =
            stored.breaker().is_some() && stored.alert.ends_at.is_some_and(|end| end + LINGER > now);
        if lingers {
            stored.done = true;
            self.changes.put(Table::Alerts, alert_key(fingerprint), &*stored);
        } else {
            self.forget(fingerprint);
        }
    }

    /// Drops an alert from memory and store.
    pub(super) fn forget(&mut self, fingerprint: Fingerprint) {
        if let Some(stored) = self.alerts.remove(&fingerprint) {
            self.inhibitor.forget(&stored.alert.labels);
            if let Some(breaker) = stored.breaker() {
                self.breakers.remove(&(breaker.kind.clone(), breaker.name.clone()));
            }
            self.changes.delete(Table::Alerts, alert_key(fingerprint));
        }
    }

    /// Tidies away lingering alerts, empty groups and old silences.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        let lingered = |stored: &crate::alert::StoredAlert| {
            stored.done && stored.alert.ends_at.is_none_or(|end| end + LINGER <= now)
        };
        let over: Vec<Fingerprint> =
            self.alerts.iter().filter(|(_, stored)| lingered(stored)).map(|(fp, _)| *fp).collect();
        for fingerprint in over {
            self.forget(fingerprint);
        }
        let emptied = |group: &Group| {
            group.is_empty()
                && group.empty_since.is_some_and(|since| since + EMPTY_GROUP_KEPT <= now)
                && group.slots.values().all(crate::group::Slot::is_clear)
        };
        let ids: Vec<Arc<str>> =
            self.groups.values().filter(|group| emptied(group)).map(|group| Arc::clone(&group.id)).collect();
        for id in ids {
            if let Some(group) = self.groups.remove(&id) {
                self.delete_group(&group);
            }
        }
        for id in self.silences.collect_garbage(now) {
            self.changes.delete(Table::Silences, id);
        }
    }

    /// Drops a group's records and timers.
    pub(super) fn delete_group(&mut self, group: &Group) {
        self.timers.remove(&(group.next, Arc::clone(&group.id)));
        self.changes.delete(Table::Notifications, group.record_key());
        for integration in group.slots.keys() {
            self.changes.delete(Table::Notifications, group.slot_key(integration));
        }
    }
}
