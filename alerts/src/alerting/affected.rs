//! What else a failing check takes along: its alert names the checks that are kept quiet because of it, so that one
//! message tells of the whole outage.

use std::collections::{BTreeMap, HashMap};

use breakwatch_model::{Alert, Labels, Table};

use super::Alerting;
use super::intake::alert_key;

/// The most checks an alert names one by one: its annotation is sent to every receiver and kept in every record.
const MAX_NAMED: usize = 20;

impl Alerting {
    /// Says which checks fail only because of what they depend on, with the root cause. Their alerts are kept quiet;
    /// their ends are not. Replaces what was said before. The alert of a root cause names them in its annotations
    /// `affected` and `affected_count`; the list grows with the outage and is kept as it was at its widest.
    pub fn set_dependency_silences(&mut self, root_causes: HashMap<String, String>) {
        self.dependency = root_causes;
        let mut by_root: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (check, root) in &self.dependency {
            by_root.entry(root).or_default().push(check);
        }
        for (root, affected) in by_root {
            let Some(fingerprint) = self.breakers.get(&("check".to_owned(), root.to_owned())) else {
                continue;
            };
            let firing = self.alerts.get_mut(fingerprint).filter(|stored| stored.alert.ends_at.is_none());
            let Some(stored) = firing else { continue };
            if name(&mut stored.alert, affected) {
                self.changes.put(Table::Alerts, alert_key(*fingerprint), &*stored);
            }
        }
    }

    /// What keeps an alert quiet: the root cause behind its check, or behind the notifier or exporter whose breaker it is
    /// about (breakers of all kinds share one space of names).
    pub(super) fn cause_of(&self, labels: &Labels) -> Option<&String> {
        let breaker = || labels.get("kind").and_then(|_| labels.get("name"));
        self.dependency.get(labels.get("check").or_else(breaker)?)
    }

    /// The checks kept quiet because of this one, by name.
    pub(super) fn affected_by(&self, root: &str) -> Vec<&str> {
        let mut affected: Vec<&str> =
            self.dependency.iter().filter(|(_, cause)| *cause == root).map(|(check, _)| &**check).collect();
        affected.sort_unstable();
        affected
    }

    /// Names in the alert of a check what fails because of it.
    pub(super) fn name_affected(&self, check: &str, alert: &mut Alert) {
        let affected = self.affected_by(check);
        name(alert, affected);
    }
}

/// Writes the list into an alert, unless it names as many already; `true` if it was written.
fn name(alert: &mut Alert, mut affected: Vec<&str>) -> bool {
    let known = alert.annotations.value("affected_count").parse().unwrap_or(0);
    if affected.len() <= known {
        return false;
    }
    affected.sort_unstable();
    let mut annotations = alert.annotations.to_builder();
    annotations
        .set("affected_count", affected.len().to_string())
        .set("affected", listed(&affected, MAX_NAMED));
    alert.annotations = annotations.build();
    true
}

/// `a, b and 3 more`.
pub(super) fn listed(names: &[&str], most: usize) -> String {
    let (named, more) = names.split_at(names.len().min(most));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    format!("{}{more}", named.join(", "))
}
