//! A new configuration, or the first one after a start: every alert finds its groups again, and what was told stays
//! known.

use std::collections::BTreeSet;
use std::sync::Arc;

use breakwatch_model::{Fingerprint, Table, Timestamp};

use super::Alerting;
use super::intake::reschedule;
use crate::config::Config;
use crate::dedup::Fp;
use crate::group::{Group, Slot, slot_key};
use crate::inhibit::Inhibitor;
use crate::ledger::Event;

impl Alerting {
    /// Puts a new configuration in force. Groups whose route and labels are the same go on as they were: nothing is
    /// repeated. Where an alert moves to another group, the old one still tells those it told when the alert ends.
    pub fn reload(&mut self, config: Arc<Config>, now: Timestamp) {
        self.inhibitor = Inhibitor::new(&config.inhibit_rules);
        for stored in self.alerts.values() {
            self.inhibitor.note(stored);
        }
        self.silences.set_maintenance(&config.maintenance);
        self.lanes = super::lane::lanes(&config, std::mem::take(&mut self.lanes));
        self.config = config;
        self.place_alerts(now);
    }

    /// Sorts every alert into its groups under the present configuration.
    pub(super) fn place_alerts(&mut self, now: Timestamp) {
        self.drop_lost_integrations(now);
        for group in self.groups.values_mut() {
            let owed = group.slots.values().flat_map(|slot| slot.owed_soon(&self.outbox));
            let owed: BTreeSet<Fp> = owed.collect();
            group.leavers.extend(owed);
            group.leavers.append(&mut group.members);
        }
        self.group_ids.clear();
        let mut all: Vec<Fingerprint> =
            self.alerts.iter().filter(|(_, stored)| !stored.done).map(|(fp, _)| *fp).collect();
        all.sort_unstable();
        for fingerprint in all {
            self.place(fingerprint, now);
        }
        let ids: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for id in ids {
            if let Some(group) = self.groups.remove(&id) {
                self.settle(group, now);
            }
        }
    }

    /// Messages for integrations that are configured no more cannot be sent.
    fn drop_lost_integrations(&mut self, now: Timestamp) {
        let config = Arc::clone(&self.config);
        let lost: Vec<String> = self
            .outbox
            .iter()
            .filter(|entry| config.integration(&entry.integration).is_none())
            .map(|entry| entry.id().to_owned())
            .collect();
        for id in lost {
            let why = "the integration is not configured any more".to_owned();
            self.give_up(&id, Event::Withdrawn { why }, now);
        }
        for group in self.groups.values_mut() {
            let gone = |key: &Arc<str>| config.integration(key).is_none();
            for key in group.slots.keys().filter(|key| gone(key)) {
                self.changes.delete(Table::Notifications, slot_key(&group.id, key));
            }
            group.slots.retain(|key, _| !gone(key));
        }
    }

    /// Keeps of a group's leavers those whose end is owed, and puts its timer where the present route has it.
    fn settle(&mut self, mut group: Group, now: Timestamp) {
        let known = |alerts: &std::collections::HashMap<_, crate::alert::StoredAlert>, fp: &Fp| {
            alerts.get(&fp.0).is_some_and(|stored| !stored.done)
        };
        for (key, slot) in &mut group.slots {
            let before = slot.told.len();
            let waiting = slot.waiting.iter().chain(&slot.in_flight).filter_map(|id| self.outbox.get(id));
            let ending: BTreeSet<Fp> =
                waiting.flat_map(|entry| entry.resolved().collect::<Vec<_>>()).collect();
            // An alert is forgotten once its end is in the outbox. One that is neither known nor ending has lost its
            // record and cannot be described any more.
            slot.told.retain(|fp| known(&self.alerts, fp) || ending.contains(fp));
            if slot.told.len() != before {
                self.problems.push(format!("what {key} was told of {} is partly lost", group.key));
                self.changes.put(Table::Notifications, slot_key(&group.id, key), &*slot);
            }
        }
        let owed: BTreeSet<Fp> = group.slots.values().flat_map(|slot| slot.owed_soon(&self.outbox)).collect();
        let alerts = &self.alerts;
        group.leavers.retain(|fp| owed.contains(fp) && known(alerts, fp));
        for fp in &group.leavers {
            if let Some(stored) = self.alerts.get_mut(&fp.0) {
                stored.groups += 1;
            }
            self.group_ids.entry(fp.0).or_default().push(Arc::clone(&group.id));
        }
        let config = Arc::clone(&self.config);
        let route = config.route.walk().find(|route| route.id == group.route);
        if group.is_empty() && route.is_none() && group.slots.values().all(Slot::is_clear) {
            self.delete_group(&group);
            return;
        }
        if group.is_empty() {
            group.empty_since.get_or_insert(now);
        }
        let wait = match (route, group.flushed) {
            (Some(route), true) => route.group_interval,
            (Some(route), false) => route.group_wait,
            (None, _) => config.route.group_interval,
        };
        if group.next > now + wait {
            reschedule(&mut self.timers, &mut group, now + wait);
        }
        self.groups.insert(Arc::clone(&group.id), group);
    }
}
