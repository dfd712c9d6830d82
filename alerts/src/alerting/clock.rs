//! The wall clock is set, or the machine has slept: what was to happen in a while still happens in that while.
//!
//! Waits, retries, repeats and ages are kept as moments of the wall, so that they survive a restart. A clock that jumps
//! is no word about anything that is watched: nothing ends, fires, repeats or waits longer for it. Silences,
//! maintenance windows and time intervals are meant by the wall and stay where they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use breakwatch_model::{Table, Timestamp};

use super::Alerting;
use super::intake::alert_key;
use crate::alert::Origin;
use crate::ledger::Event;

/// A moment moved by so many milliseconds.
fn moved(at: Timestamp, by: i64) -> Timestamp {
    Timestamp(at.0.saturating_add(by))
}

fn move_all(timers: &mut BTreeSet<(Timestamp, Arc<str>)>, by: i64) {
    *timers = std::mem::take(timers).into_iter().map(|(at, id)| (moved(at, by), id)).collect();
}

impl Alerting {
    /// Says that the wall clock has been moved by so many milliseconds beyond the time that has really passed. `now` is
    /// the new time.
    pub fn clock_jumped(&mut self, by: i64, now: Timestamp) {
        self.record(now, Event::ClockSet { by_ms: by });
        move_all(&mut self.timers, by);
        move_all(&mut self.escalations, by);
        self.housekeeping_at = moved(self.housekeeping_at, by);
        self.inhibitor.clock_jumped(by);
        for lane in self.lanes.values_mut() {
            lane.held_until = lane.held_until.map(|until| moved(until, by));
            lane.clock_jumped(by);
        }
        self.move_groups(by);
        self.move_messages(by);
        self.move_alerts(by, moved(now, by.saturating_neg()));
    }

    fn move_groups(&mut self, by: i64) {
        for group in self.groups.values_mut() {
            group.next = moved(group.next, by);
            for at in [&mut group.last_sent, &mut group.told_since, &mut group.empty_since] {
                *at = at.map(|at| moved(at, by));
            }
            for (integration, slot) in &mut group.slots {
                let Some(last) = &mut slot.last else { continue };
                last.at = moved(last.at, by);
                self.changes.put(
                    Table::Notifications,
                    crate::group::slot_key(&group.id, integration),
                    &*slot,
                );
            }
            self.changes.put(Table::Notifications, group.record_key(), &*group);
        }
    }

    fn move_messages(&mut self, by: i64) {
        let ids: Vec<String> = self.outbox.iter().map(|entry| entry.id().to_owned()).collect();
        for id in ids {
            let Some(entry) = self.outbox.get_mut(&id) else { continue };
            entry.next_at = moved(entry.next_at, by);
            entry.first_at = moved(entry.first_at, by);
            self.changes.put(Table::Outbox, id, &*entry);
        }
    }

    /// Alerts that are believed until a moment stay believed for as long; what lingers after its end does so as long.
    fn move_alerts(&mut self, by: i64, before: Timestamp) {
        for (fingerprint, stored) in &mut self.alerts {
            let believed = stored.origin == Origin::Api && stored.firing(before);
            let alert = &mut stored.alert;
            let Some(end) = alert.ends_at.filter(|_| believed || stored.done) else { continue };
            alert.ends_at = Some(moved(end, by));
            alert.updated_at = moved(alert.updated_at, by);
            if alert.ends_at <= Some(alert.starts_at) {
                // Set back by more than the alert is old: its beginning would lie ahead.
                alert.starts_at = moved(alert.starts_at, by);
            }
            self.changes.put(Table::Alerts, alert_key(*fingerprint), &*stored);
        }
    }
}
