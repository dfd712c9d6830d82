//! Labels of a series in flight. Dropping a metric name makes a new label set; most series are aggregated
//! away before anybody looks at theirs, so the drop is only noted and done where labels are needed.

use breakwatch_model::Labels;

use super::super::plan::is_metadata_label;

/// A series' labels and what has become of its name.
#[derive(Clone, Copy)]
pub(super) struct Meta<'c> {
    pub(super) labels: &'c Labels,
    /// The name is gone already, although `labels` still has it.
    pub(super) hidden: bool,
    /// The name goes at the end of the query.
    pub(super) drop_name: bool,
    /// Whether names are dropped at the end of the query.
    pub(super) delayed: bool,
}

impl Meta<'_> {
    /// The same series after an operation that drops its name.
    pub(super) const fn dropped(self) -> Self {
        Self { hidden: self.hidden || !self.delayed, drop_name: self.delayed, ..self }
    }

    /// A label's value, `""` if the series has none.
    pub(super) fn value(&self, name: &str) -> &str {
        if self.hidden && is_metadata_label(name) { "" } else { self.labels.value(name) }
    }

    /// Label names and values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let hidden = self.hidden;
        self.labels.iter().filter(move |(name, _)| !(hidden && is_metadata_label(name)))
    }

    /// The labels as a set of their own.
    pub(super) fn labels(&self) -> Labels {
        if self.hidden { without_metadata(self.labels) } else { self.labels.clone() }
    }
}

/// A label set without the labels that say what the metric is.
pub(super) fn without_metadata(labels: &Labels) -> Labels {
    if labels.iter().any(|(name, _)| is_metadata_label(name)) {
        labels.filtered(|name| !is_metadata_label(name))
    } else {
        labels.clone()
    }
}
