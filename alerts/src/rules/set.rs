//! All groups: made from files, replaced by a reload, taken over from the state log.

use std::collections::HashSet;
use std::sync::Arc;

use breakwatch_model::{Batch, Labels, Record, Table, Timestamp};

use super::group::{Defaults, Group};
use super::{RuleFile, state};

/// All groups. Cloning gives another handle to the same groups.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    groups: Vec<Arc<Group>>,
}

/// What a reload leaves behind.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Series of groups that are gone: to be ended with staleness markers.
    pub ended_series: Vec<Labels>,
    /// Records of rules that are gone.
    pub batch: Batch,
}

impl Groups {
    /// The groups of these files.
    #[must_use]
    pub fn new(files: &[RuleFile], defaults: Defaults) -> Self {
        let groups = files
            .iter()
            .flat_map(|file| file.groups.iter().map(|group| Group::new(&file.path, group, defaults)));
        Self { groups: groups.map(Arc::new).collect() }
    }

    /// Takes alert instances over from the records of [`Table::Alerts`] and asks for fresh evidence from now on.
    /// Records of rules that do not exist any more are dropped by the batch. See [`Group::restore`].
    pub fn restore(&self, records: &[Record], down_since: Option<Timestamp>, now: Timestamp) -> Batch {
        for group in &self.groups {
            group.restore(records, down_since, now);
            group.started(now);
        }
        let stems: Vec<&str> = self.groups.iter().flat_map(|group| group.record_stems()).collect();
        let known = |record: &Record| stems.iter().any(|stem| record.key.starts_with(stem));
        let mut batch = Batch::new();
        for record in records.iter().filter(|record| state::is_rule_record(record) && !known(record)) {
            batch.delete(Table::Alerts, record.key.clone());
        }
        batch
    }

    /// Puts new files in force. Groups and rules of the same name keep their state. No group may be under evaluation.
    pub fn reload(&mut self, files: &[RuleFile], defaults: Defaults) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let new = Self::new(files, defaults);
        let mut old_stems: Vec<(String, Vec<Labels>)> = Vec::new();
        for old in std::mem::take(&mut self.groups) {
            old_stems.extend(old.instances());
            let same = |group: &&Arc<Group>| group.file() == old.file() && group.name() == old.name();
            match new.groups.iter().find(same) {
                Some(group) => group.take_over(&old),
                None => reloaded.ended_series.extend(old.series()),
            }
        }
        let kept: Vec<&str> = new.groups.iter().flat_map(|group| group.record_stems()).collect();
        for (stem, instances) in old_stems.iter().filter(|(stem, _)| !kept.contains(&stem.as_str())) {
            for labels in instances {
                reloaded.batch.delete(Table::Alerts, format!("{stem}{}", labels.fingerprint()));
            }
        }
        *self = new;
        reloaded
    }

    /// The groups, in the order of their files.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Group>> {
        self.groups.iter()
    }

    /// The labels of everything that fires. After a start or a reload, firing rule alerts with others have lost their
    /// rule: see `Alerting::reconcile_rules`.
    #[must_use]
    pub fn firing_labels(&self) -> HashSet<Labels> {
        self.groups.iter().flat_map(|group| group.firing_labels()).collect()
    }
}

impl<'a> IntoIterator for &'a Groups {
    type Item = &'a Arc<Group>;
    type IntoIter = std::slice::Iter<'a, Arc<Group>>;
    fn into_iter(self) -> Self::IntoIter {
        self.groups.iter()
    }
}
