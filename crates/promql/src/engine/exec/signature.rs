//! Numbers for the values of chosen labels: series with equal values get the same number. Used for groups of
//! aggregations and for the two sides of a vector match.

use std::hash::{Hash, Hasher};

use breakwatch_model::{Labels, METRIC_NAME};
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use super::meta::Meta;

/// Which labels count.
pub(super) struct Chosen<'l> {
    /// Sorted.
    labels: &'l [String],
    /// Whether `labels` are those that do not count.
    without: bool,
}

impl<'l> Chosen<'l> {
    /// The labels of `by` or `on`, or all but those of `without` or `ignoring` and the metric name. The list
    /// must be sorted.
    pub(super) const fn new(labels: &'l [String], without: bool) -> Self {
        Self { labels, without }
    }

    fn has(&self, name: &str) -> bool {
        let listed = self.labels.iter().any(|label| label == name);
        if self.without { !listed && name != METRIC_NAME } else { listed }
    }

    /// The chosen labels of a series.
    pub(super) fn of(&self, meta: &Meta<'_>) -> Labels {
        if !self.without && self.labels.is_empty() {
            return Labels::empty();
        }
        if meta.hidden {
            return meta.labels().filtered(|name| self.has(name));
        }
        meta.labels.filtered(|name| self.has(name))
    }

    fn hash(&self, meta: &Meta<'_>) -> u64 {
        let mut hasher = FxHasher::default();
        if self.without {
            for (name, value) in meta.iter().filter(|(name, _)| self.has(name)) {
                (name, value).hash(&mut hasher);
            }
        } else {
            for label in self.labels {
                meta.value(label).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Whether the chosen labels of a series are exactly these.
    fn matches(&self, meta: &Meta<'_>, chosen: &Labels) -> bool {
        if self.without {
            meta.iter().filter(|(name, _)| self.has(name)).eq(chosen.iter())
        } else {
            self.labels.iter().all(|label| meta.value(label) == chosen.value(label))
        }
    }
}

/// Gives out the numbers, from zero, in the order in which values are first seen.
pub(super) struct Numbering<'l> {
    chosen: Chosen<'l>,
    by_hash: FxHashMap<u64, SmallVec<[usize; 1]>>,
    labels: Vec<Labels>,
}

impl<'l> Numbering<'l> {
    pub(super) fn new(chosen: Chosen<'l>) -> Self {
        Self { chosen, by_hash: FxHashMap::default(), labels: Vec::new() }
    }

    /// The number of a series' chosen labels.
    pub(super) fn number(&mut self, meta: &Meta<'_>) -> usize {
        let numbers = self.by_hash.entry(self.chosen.hash(meta)).or_default();
        let known = numbers
            .iter()
            .copied()
            .find(|number| self.labels.get(*number).is_some_and(|labels| self.chosen.matches(meta, labels)));
        known.unwrap_or_else(|| {
            let number = self.labels.len();
            self.labels.push(self.chosen.of(meta));
            numbers.push(number);
            number
        })
    }

    /// How many numbers were given out.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The chosen labels of each number.
    pub(super) fn into_labels(self) -> Vec<Labels> {
        self.labels
    }
}
