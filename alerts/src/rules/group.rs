//! A group of rules at work.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Alert, Batch, Clock, Labels, Record, Sample, Timestamp};

use super::alerting::{AlertingRule, Moment};
use super::evidence::StartGrace;
use super::file::texts;
use super::grid::Grid;
use super::output::Environment;
use super::{
    ActiveAlert, ActiveState, AlertingView, GroupConfig, Health, RecordConfig, RuleConfig, RuleView,
};
use super::{recording, state};

/// Settings for groups that do not say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// How often groups are evaluated.
    pub interval: Duration,
    /// How far back expressions are evaluated.
    pub query_offset: Duration,
    /// How long until an alert that goes on is sent again.
    pub resend_delay: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            query_offset: Duration::ZERO,
            resend_delay: Duration::from_secs(60),
        }
    }
}

/// A rule that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleFailure {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Why.
    pub error: String,
}

/// What one evaluation of a group gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Alerts to send: firing ones with an end by which they are to be confirmed, ended ones with their end.
    pub alerts: Vec<Alert>,
    /// Changes of alert instances, to be made durable with what is sent.
    pub batch: Batch,
    /// How many samples were written.
    pub samples: usize,
    /// Rules that failed.
    pub failures: Vec<RuleFailure>,
}

/// A group of rules with its state.
#[derive(Debug)]
pub struct Group {
    file: Arc<str>,
    name: Arc<str>,
    interval: Duration,
    query_offset: Duration,
    resend_delay: Duration,
    limit: usize,
    rules: Vec<Running>,
    /// For each rule whether it may read what earlier ones have written but not yet handed over.
    reads_earlier: Vec<bool>,
    grid: Grid,
    missed: u64,
    last_evaluation: Timestamp,
    evaluation_time: Duration,
    started_at: Option<Timestamp>,
    /// Series of rules that a reload has taken away: they end at the next evaluation.
    orphans: Vec<Labels>,
}

/// What rules gave and the store has not taken yet.
#[derive(Default)]
struct Written {
    samples: Vec<(Labels, Sample)>,
    /// The places of the rules it came from.
    rules: Vec<usize>,
}

/// A rule with what is known of its last evaluation.
#[derive(Debug)]
struct Running {
    kind: Kind,
    health: Health,
    last_evaluation: Timestamp,
    evaluation_time: Duration,
    /// The series it wrote last: those it writes no more end.
    series: HashSet<Labels>,
}

#[derive(Debug)]
enum Kind {
    Alerting(AlertingRule),
    Recording(RecordConfig),
}

impl Group {
    /// A group that has not run yet.
    #[must_use]
    pub fn new(file: &str, config: &GroupConfig, defaults: Defaults) -> Self {
        let interval = config.interval.unwrap_or(defaults.interval);
        let mut counts: HashMap<Arc<str>, usize> = HashMap::new();
        let running = |rule: &RuleConfig| {
            let kind = match rule {
                RuleConfig::Record(rule) => Kind::Recording(rule.clone()),
                RuleConfig::Alert(rule) => {
                    let nth = counts.entry(Arc::clone(&rule.name)).and_modify(|n| *n += 1).or_insert(0);
                    let key = state::rule_key(file, &config.name, &rule.name, *nth);
                    Kind::Alerting(AlertingRule::new(rule.clone(), key))
                }
            };
            Running {
                kind,
                health: Health::Unknown,
                last_evaluation: Timestamp::default(),
                evaluation_time: Duration::ZERO,
                series: HashSet::new(),
            }
        };
        Self {
            file: file.into(),
            name: Arc::clone(&config.name),
            interval,
            query_offset: config.query_offset.unwrap_or(defaults.query_offset),
            resend_delay: defaults.resend_delay,
            limit: config.limit,
            rules: config.rules.iter().map(running).collect(),
            reads_earlier: super::order::reads_earlier(&config.rules),
            grid: Grid::new(file, &config.name, interval),
            missed: 0,
            last_evaluation: Timestamp::default(),
            evaluation_time: Duration::ZERO,
            started_at: None,
            orphans: Vec::new(),
        }
    }

    /// The file it stands in.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it is evaluated.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The most alerts or series per rule; 0: no limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many evaluations were missed because an earlier one took too long or the process stood still.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// When it was evaluated last; the epoch if never.
    #[must_use]
    pub fn last_evaluation(&self) -> Timestamp {
        self.last_evaluation
    }

    /// How long that took.
    #[must_use]
    pub fn evaluation_time(&self) -> Duration {
        self.evaluation_time
    }

    /// When it is due next.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Timestamp {
        self.grid.next(now)
    }

    /// The time to evaluate at, if the group is due: always one of its grid, never the same twice. Missed ones are
    /// counted.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (at, missed) = self.grid.take(now)?;
        self.missed += missed;
        Some(at)
    }

    /// Says that the daemon has just started: for two intervals (and at least the look-back) instances neither end nor
    /// begin to fire without a fresh sample behind it.
    pub fn started(&mut self, now: Timestamp) {
        self.started_at = Some(now);
    }

    /// Takes instances over from the state log. `down_since` is the last sign of life before the start, if it is known:
    /// the time between does not count as time in which a condition held. Gives how many were taken over.
    pub fn restore(&mut self, records: &[Record], down_since: Option<Timestamp>, now: Timestamp) -> usize {
        let pause = down_since.map_or(Duration::ZERO, |since| now.since(since));
        let mut count = 0;
        for rule in &mut self.rules {
            let Kind::Alerting(rule) = &mut rule.kind else { continue };
            let own = records.iter().filter(|record| record.key.starts_with(&rule.key));
            for mut instance in own.filter_map(state::decode) {
                instance.restored = true;
                if instance.state == ActiveState::Pending {
                    instance.active_at = instance.active_at + pause;
                }
                if let Some(since) = &mut instance.keep_firing_since {
                    *since = *since + pause;
                }
                rule.active.insert(instance.labels.clone(), instance);
                count += 1;
            }
        }
        count
    }

    /// Takes over from the group of the same name of the former configuration: rules of the same name keep their
    /// instances and series, in order. What no rule takes over ends at the next evaluation.
    pub(super) fn take_over(&mut self, old: Self) {
        self.missed = old.missed;
        self.last_evaluation = old.last_evaluation;
        self.evaluation_time = old.evaluation_time;
        self.started_at = old.started_at;
        self.orphans = old.orphans;
        if old.interval == self.interval {
            self.grid = old.grid;
        }
        let mut left: Vec<Option<Running>> = old.rules.into_iter().map(Some).collect();
        for rule in &mut self.rules {
            let same = |old: &Option<Running>| old.as_ref().is_some_and(|old| old.is_same_as(rule));
            let Some(old) = left.iter().position(same).and_then(|at| left[at].take()) else { continue };
            rule.series = old.series;
            rule.health = old.health;
            rule.last_evaluation = old.last_evaluation;
            rule.evaluation_time = old.evaluation_time;
            if let (Kind::Alerting(rule), Kind::Alerting(old)) = (&mut rule.kind, old.kind) {
                rule.active = old.active;
            }
        }
        for old in left.into_iter().flatten() {
            self.orphans.extend(old.series);
        }
    }

    /// Evaluates every rule at `at`, in order; each sees what those before it wrote.
    pub fn evaluate(&mut self, at: Timestamp, env: &Environment<'_>) -> Outcome {
        let begun = env.clock.monotonic();
        let mut outcome = Outcome::default();
        let grace = self.grace(at, env);
        let offset = self.query_offset;
        let (limit, interval, resend_delay) = (self.limit, self.interval, self.resend_delay);
        let moment = Moment { at, offset, limit, interval, resend_delay, env, grace };
        let mut written = Written::default();
        for place in 0..self.rules.len() {
            if self.reads_earlier.get(place).copied().unwrap_or(true) {
                self.hand_over(&mut written, env, &mut outcome);
            }
            if let Some(rule) = self.rules.get_mut(place) {
                rule.evaluate(&moment, &mut written.samples, &mut outcome);
                written.rules.push(place);
            }
        }
        let ended = std::mem::take(&mut self.orphans).into_iter();
        written.samples.extend(ended.map(|labels| (labels, Sample::stale(at - offset))));
        self.hand_over(&mut written, env, &mut outcome);
        self.last_evaluation = at;
        self.evaluation_time = env.clock.monotonic().saturating_duration_since(begun);
        outcome
    }

    /// Writes what has gathered. If the store refuses, the rules it came from have failed.
    fn hand_over(&mut self, written: &mut Written, env: &Environment<'_>, outcome: &mut Outcome) {
        let Written { samples, rules } = std::mem::take(written);
        outcome.samples += samples.len();
        let Err(error) = env.sink.write(&samples) else { return };
        outcome.samples -= samples.len();
        for place in rules {
            if let Some(rule) = self.rules.get_mut(place).filter(|rule| rule.health == Health::Ok) {
                rule.fail(error.to_string(), outcome);
            }
        }
    }

    fn grace(&mut self, at: Timestamp, env: &Environment<'_>) -> Option<StartGrace> {
        let grace = StartGrace::new(self.started_at?, self.interval, env.engine.options().lookback);
        if at > grace.until {
            self.started_at = None;
            return None;
        }
        Some(grace)
    }

    /// The series its rules have written last, for ending them when the group goes away.
    #[must_use]
    pub fn series(&self) -> Vec<Labels> {
        self.rules
            .iter()
            .flat_map(|rule| rule.series.iter().cloned())
            .chain(self.orphans.iter().cloned())
            .collect()
    }

    /// The labels of every instance that is firing.
    pub fn firing_labels(&self) -> impl Iterator<Item = &Labels> {
        let instances = self.alerting_rules().flat_map(|rule| &rule.active);
        instances.filter(|(_, instance)| instance.state == ActiveState::Firing).map(|(labels, _)| labels)
    }

    fn alerting_rules(&self) -> impl Iterator<Item = &AlertingRule> {
        self.rules.iter().filter_map(|rule| match &rule.kind {
            Kind::Alerting(rule) => Some(rule),
            Kind::Recording(_) => None,
        })
    }

    /// The stems of the records of its alerting rules.
    pub(super) fn record_stems(&self) -> impl Iterator<Item = &str> {
        self.alerting_rules().map(|rule| rule.key.as_str())
    }

    /// The stems of its alerting rules' records with the labels of their instances.
    pub(super) fn instances(&self) -> Vec<(String, Vec<Labels>)> {
        self.alerting_rules().map(|rule| (rule.key.clone(), rule.active.keys().cloned().collect())).collect()
    }

    /// Its rules as the API shows them, in file order.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleView> {
        self.rules.iter().map(Running::view).collect()
    }
}

impl Running {
    fn is_same_as(&self, new: &Self) -> bool {
        match (&self.kind, &new.kind) {
            (Kind::Alerting(old), Kind::Alerting(new)) => old.key == new.key,
            (Kind::Recording(old), Kind::Recording(new)) => old.name == new.name && old.labels == new.labels,
            _ => false,
        }
    }

    fn evaluate(&mut self, moment: &Moment<'_>, out: &mut Vec<(Labels, Sample)>, outcome: &mut Outcome) {
        let clock: &dyn Clock = moment.env.clock;
        let begun = clock.monotonic();
        let result = match &mut self.kind {
            Kind::Recording(rule) => {
                recording::evaluate(rule, moment.at, moment.offset, moment.limit, moment.env)
            }
            Kind::Alerting(rule) => {
                let mut changes = state::Changes::default();
                let result = rule.evaluate(moment, &mut changes);
                // Sent whether the samples can be written or not: a full disk must not keep a page back.
                if result.is_ok() {
                    outcome.alerts.extend(rule.take_due(moment));
                }
                changes.write(&rule.key, &rule.active, &mut outcome.batch);
                result
            }
        };
        match result {
            Ok(samples) => {
                self.write(samples, moment, out);
                self.health = Health::Ok;
            }
            Err(error) => self.fail(error, outcome),
        }
        self.last_evaluation = moment.at;
        self.evaluation_time = clock.monotonic().saturating_duration_since(begun);
    }

    fn fail(&mut self, error: String, outcome: &mut Outcome) {
        outcome.failures.push(RuleFailure { rule: self.name(), error: error.clone() });
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

    fn name(&self) -> Arc<str> {
        match &self.kind {
            Kind::Alerting(rule) => Arc::clone(&rule.config.name),
            Kind::Recording(rule) => Arc::clone(&rule.name),
        }
    }

    fn view(&self) -> RuleView {
        let (query, labels, alerting) = match &self.kind {
            Kind::Recording(rule) => (rule.query.text(), rule.labels.clone(), None),
            Kind::Alerting(rule) => {
                let active = rule.active.values().filter(|i| i.state != ActiveState::Inactive);
                let mut alerts: Vec<ActiveAlert> = active.cloned().collect();
                alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
                let view = AlertingView {
                    hold: rule.config.hold,
                    keep_firing_for: rule.config.keep_firing_for,
                    annotations: texts(&rule.config.annotations),
                    alerts,
                };
                (rule.config.query.text(), texts(&rule.config.labels), Some(view))
            }
        };
        RuleView {
            name: self.name(),
            query: query.into(),
            labels,
            health: self.health.clone(),
            last_evaluation: self.last_evaluation,
            evaluation_time: self.evaluation_time,
            alerting,
        }
    }
}
