//! Alert instances as records of the state log.

use std::collections::{BTreeSet, HashMap};

use breakwatch_model::{Batch, Labels, Record, Table};

use super::active::ActiveAlert;

/// The stem of every rule record, apart from the dispatcher's own records in the same table.
const STEM: &str = "rule/";

/// The stem of the records of one alerting rule: file, group, and which of the group's rules of that name it is. The
/// expression is not part of it: a changed rule keeps its instances where the labels still match.
pub(super) fn rule_key(file: &str, group: &str, name: &str, nth: usize) -> String {
    format!("{STEM}{file}\n{group}\n{name}\n{nth}\n")
}

/// Whether a record belongs to a rule.
pub(super) fn is_rule_record(record: &Record) -> bool {
    record.key.starts_with(STEM)
}

/// The record's instance, if it can be read.
pub(super) fn decode(record: &Record) -> Option<ActiveAlert> {
    serde_json::from_slice(&record.value).ok()
}

/// The instances whose records are out of date.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeSet<Labels>);

impl Changes {
    /// The instance changed.
    pub(super) fn touch(&mut self, labels: &Labels) {
        self.0.insert(labels.clone());
    }

    /// The instance is gone.
    pub(super) fn drop(&mut self, labels: &Labels) {
        self.0.insert(labels.clone());
    }

    /// Brings the records up to date.
    pub(super) fn write(self, key: &str, active: &HashMap<Labels, ActiveAlert>, batch: &mut Batch) {
        for labels in self.0 {
            let key = format!("{key}{}", labels.fingerprint());
            match active.get(&labels).and_then(|instance| serde_json::to_vec(instance).ok()) {
                Some(value) => batch.put(Table::Alerts, key, value),
                None => batch.delete(Table::Alerts, key),
            };
        }
    }
}
