//! All groups: made from files, replaced by a reload, taken over from the state log.

use std::collections::HashSet;

use breakwatch_model::{Batch, Labels, Record, Table, Timestamp};

use super::group::{Defaults, Group};
use super::{RuleFile, state};

/// Groups with what a reload leaves behind.
#[derive(Debug, Default)]
pub struct Groups {
    groups: Vec<Group>,
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
        Self { groups: groups.collect() }
    }

    /// Takes alert instances over from the records of [`Table::Alerts`] and asks for fresh evidence from now on.
    /// Records of rules that do not exist any more are dropped by the batch. See [`Group::restore`].
    pub fn restore(&mut self, records: &[Record], down_since: Option<Timestamp>, now: Timestamp) -> Batch {
        for group in &mut self.groups {
            group.restore(records, down_since, now);
            group.started(now);
        }
        let stems: Vec<&str> = self.groups.iter().flat_map(Group::record_stems).collect();
        let known = |record: &Record| stems.iter().any(|stem| record.key.starts_with(stem));
        let mut batch = Batch::new();
        for record in records.iter().filter(|record| state::is_rule_record(record) && !known(record)) {
            batch.delete(Table::Alerts, record.key.clone());
        }
        batch
    }

    /// Puts new files in force. Groups and rules of the same name keep their state.
    pub fn reload(&mut self, files: &[RuleFile], defaults: Defaults) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let mut new = Self::new(files, defaults);
        let mut old_stems: Vec<(String, Vec<Labels>)> = Vec::new();
        for old in std::mem::take(&mut self.groups) {
            old_stems.extend(old.instances());
            let same = |group: &&mut Group| group.file() == old.file() && group.name() == old.name();
            match new.groups.iter_mut().find(same) {
                Some(group) => group.take_over(old),
                None => reloaded.ended_series.extend(old.series()),
            }
        }
        let kept: Vec<&str> = new.groups.iter().flat_map(Group::record_stems).collect();
        for (stem, instances) in old_stems.iter().filter(|(stem, _)| !kept.contains(&stem.as_str())) {
            for labels in instances {
                reloaded.batch.delete(Table::Alerts, format!("{stem}{}", labels.fingerprint()));
            }
        }
        *self = new;
        reloaded
    }

    /// The groups, in the order of their files.
    pub fn iter(&self) -> std::slice::Iter<'_, Group> {
        self.groups.iter()
    }

    /// The groups, to be evaluated.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Group> {
        self.groups.iter_mut()
    }

    /// The labels of everything that fires. After a start or a reload, firing rule alerts with others have lost their
    /// rule: see `Alerting::reconcile_rules`.
    #[must_use]
    pub fn firing_labels(&self) -> HashSet<Labels> {
        self.groups.iter().flat_map(Group::firing_labels).cloned().collect()
    }
}

impl<'a> IntoIterator for &'a Groups {
    type Item = &'a Group;
    type IntoIter = std::slice::Iter<'a, Group>;
    fn into_iter(self) -> Self::IntoIter {
        self.groups.iter()
    }
}
