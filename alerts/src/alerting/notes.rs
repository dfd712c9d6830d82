//! Remarks for the reader of a message: what the alerts themselves do not say.

use std::time::Duration;

use breakwatch_model::{Alert, AlertStatus, Timestamp};
use breakwatch_plugin_api::format_duration;

use super::Alerting;
use super::affected::listed;
use crate::dedup::{Fp, SendReason};
use crate::outbox::{Entry, LATE_AFTER};

/// The most alerts or checks a note names one by one.
const MAX_NAMED: usize = 10;

impl Alerting {
    /// What the reader should know besides the alerts.
    pub(super) fn notes(&self, entry: &Entry, now: Timestamp) -> Vec<String> {
        let mut notes = Vec::new();
        if entry.reason == SendReason::Escalation {
            notes.push("Nobody has acknowledged this yet.".to_owned());
        }
        if !entry.instead_of.is_empty() {
            notes.push(format!("Sent here because {} could not be reached.", entry.instead_of.join(", ")));
        }
        if now.since(entry.first_at) >= LATE_AFTER {
            let late = Duration::from_secs(now.since(entry.first_at).as_secs());
            let late = format_duration(late);
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
        let late_end = |alert: &Alert| alert.status(entry.message.created_at) == AlertStatus::Firing;
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
        let roots = entry.message.firing().map(|alert| alert.labels.value("check"));
        let mut names: Vec<&str> = roots.flat_map(|root| self.affected_by(root)).collect();
        names.sort_unstable();
        names.dedup();
        (!names.is_empty())
            .then(|| format!("Checks that depend on this are kept quiet: {}.", listed(&names, MAX_NAMED)))
    }
}
