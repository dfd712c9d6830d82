//! A rule with what is known of its last evaluation.
//!
//! An evaluation has two halves: [`Running::ask`] runs the query, changes nothing and may run beside other rules;
//! [`Running::settle`] draws the conclusions, rule by rule in the order of the file.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, Sample, StorageError, Timestamp};
use parking_lot::Mutex;

use super::alerting::{AlertingRule, Found, Moment};
use super::file::texts;
use super::group::{Outcome, RuleFailure};
use super::{AlertingView, Health, RecordConfig, RuleView, recording, state};

/// A rule at work.
#[derive(Debug)]
pub(super) struct Running {
    kind: Kind,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Alerting(AlertingRule),
    Recording(RecordConfig),
}

/// How the last evaluation went.
#[derive(Clone, Debug, Default)]
struct Progress {
    health: Health,
    last_evaluation: Timestamp,
    evaluation_time: Duration,
    /// The series it wrote last: those it writes no more end.
    series: HashSet<Labels>,
}

/// What a rule's expression gave.
pub(super) struct Answer {
    result: Result<Given, String>,
    /// How long that took.
    time: Duration,
}

enum Given {
    Alerts(Found),
    Samples(Vec<(Labels, Sample)>),
}

impl Running {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, progress: Mutex::default() }
    }

    pub(super) fn alerting(&self) -> Option<&AlertingRule> {
        match &self.kind {
            Kind::Alerting(rule) => Some(rule),
            Kind::Recording(_) => None,
        }
    }

    /// Whether this rule goes on as `new` after a reload.
    pub(super) fn is_same_as(&self, new: &Self) -> bool {
        match (&self.kind, &new.kind) {
            (Kind::Alerting(old), Kind::Alerting(new)) => old.key == new.key,
            (Kind::Recording(old), Kind::Recording(new)) => old.name == new.name && old.labels == new.labels,
            _ => false,
        }
    }

    /// Goes on where `old` stands.
    pub(super) fn take_over(&self, old: &Self) {
        *self.progress.lock() = old.progress.lock().clone();
        if let (Kind::Alerting(new), Kind::Alerting(old)) = (&self.kind, &old.kind) {
            *new.active.lock() = old.active.lock().clone();
        }
    }

    /// The series it wrote last.
    pub(super) fn series(&self) -> Vec<Labels> {
        self.progress.lock().series.iter().cloned().collect()
    }

    /// Evaluates the expression. A panic is this rule's failure and nobody else's.
    pub(super) fn ask(&self, moment: &Moment<'_>) -> Answer {
        let begun = moment.env.clock.monotonic();
        let ask = || match &self.kind {
            Kind::Alerting(rule) => rule.find(moment).map(Given::Alerts),
            Kind::Recording(rule) => {
                recording::evaluate(rule, moment.at, moment.offset, moment.limit, moment.env)
                    .map(Given::Samples)
            }
        };
        let result = catch_unwind(AssertUnwindSafe(ask));
        let result = result.unwrap_or_else(|_| Err("the evaluation panicked".to_owned()));
        Answer { result, time: moment.env.clock.monotonic().saturating_duration_since(begun) }
    }

    /// Moves alerts on, gives out the samples to write and the alerts to send.
    pub(super) fn settle(
        &self,
        answer: Answer,
        moment: &Moment<'_>,
        out: &mut Vec<(Labels, Sample)>,
        outcome: &mut Outcome,
    ) {
        let begun = moment.env.clock.monotonic();
        let result = match (&self.kind, answer.result) {
            (Kind::Alerting(rule), Ok(Given::Alerts(found))) => {
                let mut changes = state::Changes::default();
                let mut active = rule.active.lock();
                let result = rule.advance(&mut active, found, moment, &mut changes);
                // Sent whether the samples can be written or not: a full disk must not keep a page back.
                if result.is_ok() {
                    outcome.alerts.extend(rule.take_due(&mut active, moment));
                }
                changes.write(&rule.key, &active, &mut outcome.batch);
                result
            }
            (_, Ok(Given::Samples(samples))) => Ok(samples),
            (_, Ok(Given::Alerts(_))) => Ok(Vec::new()),
            (_, Err(error)) => Err(error),
        };
        let mut progress = self.progress.lock();
        match result {
            Ok(samples) => {
                progress.write(samples, moment, out);
                progress.health = Health::Ok;
            }
            Err(error) => progress.fail(self.name(), error, outcome),
        }
        progress.last_evaluation = moment.at;
        progress.evaluation_time =
            answer.time + moment.env.clock.monotonic().saturating_duration_since(begun);
    }

    /// The store did not take what it wrote.
    pub(super) fn refused(&self, error: &StorageError, outcome: &mut Outcome) {
        let mut progress = self.progress.lock();
        if progress.health == Health::Ok {
            progress.fail(self.name(), error.to_string(), outcome);
        }
    }

    fn name(&self) -> Arc<str> {
        match &self.kind {
            Kind::Alerting(rule) => Arc::clone(&rule.config.name),
            Kind::Recording(rule) => Arc::clone(&rule.name),
        }
    }

    pub(super) fn view(&self) -> RuleView {
        let (query, labels, alerting) = match &self.kind {
            Kind::Recording(rule) => (rule.query.text(), rule.labels.clone(), None),
            Kind::Alerting(rule) => {
                let view = AlertingView {
                    hold: rule.config.hold,
                    keep_firing_for: rule.config.keep_firing_for,
                    annotations: texts(&rule.config.annotations),
                    alerts: rule.alerts(),
                };
                (rule.config.query.text(), texts(&rule.config.labels), Some(view))
            }
        };
        let progress = self.progress.lock();
        RuleView {
            name: self.name(),
            query: query.into(),
            labels,
            health: progress.health.clone(),
            last_evaluation: progress.last_evaluation,
            evaluation_time: progress.evaluation_time,
            alerting,
        }
    }
}

impl Progress {
    fn fail(&mut self, rule: Arc<str>, error: String, outcome: &mut Outcome) {
        outcome.failures.push(RuleFailure { rule, error: error.clone() });
        self.health = Health::Failed(error);
    }

    /// Gives out a rule's samples, and the end of each series that it writes no more.
    fn write(
        &mut self,
        samples: Vec<(Labels, Sample)>,
        moment: &Moment<'_>,
        out: &mut Vec<(Labels, Sample)>,
    ) {
        let now: HashSet<Labels> = samples.iter().map(|(labels, _)| labels.clone()).collect();
        let before = std::mem::replace(&mut self.series, now);
        out.extend(samples);
        let end = Sample::stale(moment.at - moment.offset);
        out.extend(
            before.into_iter().filter(|labels| !self.series.contains(labels)).map(|labels| (labels, end)),
        );
    }
}
