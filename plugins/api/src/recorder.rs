//! Where a check puts what it measured, so that everything recorded before a time-out survives it.

use std::collections::BTreeMap;

use breakwatch_model::{CheckFailure, Evidence, FailureReason, Labels, MetricFamily};

use crate::{Level, Levels};

/// How one number was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was measured: `used`, `latency`, `certificate_days`.
    pub name: &'static str,
    /// The reason a bad level is reported with.
    pub reason: FailureReason,
    /// The value.
    pub value: f64,
    /// How bad it is.
    pub level: Level,
    /// One line for people, set when the level is not fine.
    pub message: String,
}

/// Collects the families, facts and judgements of one run. Belongs to whoever runs the check.
#[derive(Default, Debug)]
pub struct Recorder {
    /// What was measured.
    pub families: Vec<MetricFamily>,
    /// Facts for people.
    pub evidence: Evidence,
    /// Judged numbers.
    pub judgements: Vec<Judgement>,
    /// Why the target is worse than it should be, apart from judged numbers.
    pub degraded: Option<CheckFailure>,
    before: BTreeMap<&'static str, Level>,
}

impl Recorder {
    /// A recorder that knows the levels of the run before, for hysteresis.
    #[must_use]
    pub fn new(before: BTreeMap<&'static str, Level>) -> Self {
        Self { before, ..Self::default() }
    }

    /// Adds a family.
    pub fn family(&mut self, family: MetricFamily) {
        self.families.push(family);
    }

    /// Adds a gauge with a single point without labels.
    pub fn gauge(&mut self, name: &'static str, unit: &str, help: &str, value: f64) {
        self.families.push(MetricFamily::gauge(name, unit, help).with(Labels::empty(), value));
    }

    /// Adds a fact.
    pub fn fact(&mut self, name: impl Into<String>, value: impl AsRef<str>) {
        self.evidence.add(name, value);
    }

    /// Judges a number against its levels; the run's status will be at least as bad.
    pub fn judge(&mut self, name: &'static str, reason: FailureReason, value: f64, levels: &Levels) -> Level {
        let level = levels.judge(value, self.before.get(name).copied().unwrap_or_default());
        let message = match levels.limit(level) {
            None => String::new(),
            Some(limit) => {
                let word = if levels.below { "at or under" } else { "at or over" };
                let (value, limit) = (levels.unit.show(value), levels.unit.show(limit));
                format!("{} is {value}, {word} the limit of {limit}", name.replace('_', " "))
            }
        };
        self.judgements.push(Judgement { name, reason, value, level, message });
        level
    }

    /// Says the target works but is worse than it should be.
    pub fn degrade(&mut self, failure: CheckFailure) {
        self.degraded.get_or_insert(failure);
    }

    /// The levels of this run, for the next one.
    #[must_use]
    pub fn levels(&self) -> BTreeMap<&'static str, Level> {
        self.judgements.iter().map(|j| (j.name, j.level)).collect()
    }
}
