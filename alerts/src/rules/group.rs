//! A group of rules at work.
//!
//! Everything that reads a group (the API, the end of alerts whose rule is gone) may do so while it is evaluated: the
//! locks inside are held while figures are changed, never while a query runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Alert, Batch, Labels, Record, Sample, Timestamp};
use parking_lot::Mutex;

use super::alerting::{AlertingRule, Moment};
use super::evidence::StartGrace;
use super::grid::Grid;
use super::output::Environment;
use super::running::{Kind, Running};
use super::{ActiveState, GroupConfig, RuleConfig, RuleView, side_by_side, state};

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
    pace: Mutex<Pace>,
}

/// What changes from one evaluation to the next.
#[derive(Clone, Debug)]
struct Pace {
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
struct Written<'a> {
    samples: Vec<(Labels, Sample)>,
    /// The rules it came from.
    rules: Vec<&'a Running>,
}

impl Group {
    /// A group that has not run yet.
    #[must_use]
    pub fn new(file: &str, config: &GroupConfig, defaults: Defaults) -> Self {
        let interval = config.interval.unwrap_or(defaults.interval);
        let mut counts: HashMap<Arc<str>, usize> = HashMap::new();
        let running = |rule: &RuleConfig| {
            Running::new(match rule {
                RuleConfig::Record(rule) => Kind::Recording(rule.clone()),
                RuleConfig::Alert(rule) => {
                    let nth = counts.entry(Arc::clone(&rule.name)).and_modify(|n| *n += 1).or_insert(0);
                    let key = state::rule_key(file, &config.name, &rule.name, *nth);
                    Kind::Alerting(AlertingRule::new(rule.clone(), key))
                }
            })
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
            pace: Mutex::new(Pace {
                grid: Grid::new(file, &config.name, interval),
                missed: 0,
                last_evaluation: Timestamp::default(),
                evaluation_time: Duration::ZERO,
                started_at: None,
                orphans: Vec::new(),
            }),
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

    /// How many rules it has.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// How many evaluations were missed because an earlier one took too long or the process stood still.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.pace.lock().missed
    }

    /// When it was evaluated last; the epoch if never.
    #[must_use]
    pub fn last_evaluation(&self) -> Timestamp {
        self.pace.lock().last_evaluation
    }

    /// How long that took.
    #[must_use]
    pub fn evaluation_time(&self) -> Duration {
        self.pace.lock().evaluation_time
    }

    /// When it is due next.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Timestamp {
        self.pace.lock().grid.next(now)
    }

    /// The time to evaluate at, if the group is due: always one of its grid, never the same twice. Missed ones are
    /// counted.
    #[must_use]
    pub fn take_due(&self, now: Timestamp) -> Option<Timestamp> {
        let mut pace = self.pace.lock();
        let (at, missed) = pace.grid.take(now)?;
        pace.missed += missed;
        Some(at)
    }

    /// Says that the daemon has just started: for two intervals (and at least the look-back) instances neither end nor
    /// begin to fire without a fresh sample behind it.
    pub fn started(&self, now: Timestamp) {
        self.pace.lock().started_at = Some(now);
    }

    /// Takes instances over from the state log. `down_since` is the last sign of life before the start, if it is known:
    /// the time between does not count as time in which a condition held. Gives how many were taken over.
    pub fn restore(&self, records: &[Record], down_since: Option<Timestamp>, now: Timestamp) -> usize {
        let pause = down_since.map_or(Duration::ZERO, |since| now.since(since));
        let mut count = 0;
        for rule in self.alerting_rules() {
            let own = records.iter().filter(|record| record.key.starts_with(&rule.key));
            for mut instance in own.filter_map(state::decode) {
                instance.restored = true;
                if instance.state == ActiveState::Pending {
                    instance.active_at = instance.active_at + pause;
                }
                if let Some(since) = &mut instance.keep_firing_since {
                    *since = *since + pause;
                }
                rule.active.lock().insert(instance.labels.clone(), instance);
                count += 1;
            }
        }
        count
    }

    /// Says that the wall clock has been moved by so many milliseconds beyond the time that has really passed. That time
    /// does not count as time in which a condition held, and what is not seen yet after it is not over.
    pub fn clock_jumped(&self, by: i64, now: Timestamp) {
        self.started(now);
        let moved = |at: Timestamp| Timestamp(at.0.saturating_add(by));
        for rule in self.alerting_rules() {
            for instance in rule.active.lock().values_mut() {
                instance.restored = true;
                if instance.state == ActiveState::Pending {
                    instance.active_at = moved(instance.active_at);
                }
                for at in
                    [&mut instance.keep_firing_since, &mut instance.last_sent, &mut instance.resolved_at]
                {
                    *at = at.map(moved);
                }
            }
        }
    }

    /// Takes over from the group of the same name of the former configuration: rules of the same name keep their
    /// instances and series, in order. What no rule takes over ends at the next evaluation.
    pub(super) fn take_over(&self, old: &Self) {
        let mut pace = old.pace.lock().clone();
        let mut left: Vec<&Running> = old.rules.iter().collect();
        for rule in &self.rules {
            let Some(at) = left.iter().position(|old| old.is_same_as(rule)) else { continue };
            rule.take_over(left.remove(at));
        }
        pace.orphans.extend(left.into_iter().flat_map(Running::series));
        let mut own = self.pace.lock();
        if old.interval != self.interval {
            pace.grid = own.grid.clone();
        }
        *own = pace;
    }

    /// Evaluates every rule at `at`, in order; each sees what those before it wrote. A group must not be evaluated
    /// twice at once.
    pub fn evaluate(&self, at: Timestamp, env: &Environment<'_>) -> Outcome {
        let begun = env.clock.monotonic();
        let mut outcome = Outcome::default();
        let offset = self.query_offset;
        let (limit, interval, resend_delay) = (self.limit, self.interval, self.resend_delay);
        let moment = Moment { at, offset, limit, interval, resend_delay, env, grace: self.grace(at, env) };
        let workers = if self.is_late() { env.workers } else { 1 };
        let mut written = Written::default();
        for rules in self.independent_runs() {
            self.hand_over(&mut written, env, &mut outcome);
            side_by_side::each(
                rules,
                workers,
                |rule| rule.ask(&moment),
                |rule, answer| {
                    rule.settle(answer, &moment, &mut written.samples, &mut outcome);
                    written.rules.push(rule);
                },
            );
        }
        let ended = std::mem::take(&mut self.pace.lock().orphans).into_iter();
        written.samples.extend(ended.map(|labels| (labels, Sample::stale(at - offset))));
        self.hand_over(&mut written, env, &mut outcome);
        let mut pace = self.pace.lock();
        pace.last_evaluation = at;
        pace.evaluation_time = env.clock.monotonic().saturating_duration_since(begun);
        outcome
    }

    /// Its rules, cut before each that may read what those before it have not handed over yet.
    fn independent_runs(&self) -> impl Iterator<Item = &[Running]> {
        let mut reads = self.reads_earlier.iter().skip(1);
        self.rules.chunk_by(move |_, _| !reads.next().copied().unwrap_or(true))
    }

    /// Whether its last evaluation took so much of its interval that asking several rules at once is worth the threads.
    fn is_late(&self) -> bool {
        /// A tenth of the interval is far from a missed evaluation, and far more than starting threads costs.
        const PART: u32 = 10;
        self.evaluation_time() > self.interval / PART
    }

    /// Writes what has gathered. If the store refuses, the rules it came from have failed.
    fn hand_over(&self, written: &mut Written<'_>, env: &Environment<'_>, outcome: &mut Outcome) {
        let Written { samples, rules } = std::mem::take(written);
        let Err(error) = env.sink.write(&samples) else {
            outcome.samples += samples.len();
            return;
        };
        for rule in rules {
            rule.refused(&error, outcome);
        }
    }

    fn grace(&self, at: Timestamp, env: &Environment<'_>) -> Option<StartGrace> {
        let mut pace = self.pace.lock();
        let grace = StartGrace::new(pace.started_at?, self.interval, env.engine.options().lookback);
        if at > grace.until {
            pace.started_at = None;
            return None;
        }
        Some(grace)
    }

    /// The series its rules have written last, for ending them when the group goes away.
    #[must_use]
    pub fn series(&self) -> Vec<Labels> {
        let mut series: Vec<Labels> = self.rules.iter().flat_map(Running::series).collect();
        series.extend(self.pace.lock().orphans.iter().cloned());
        series
    }

    /// The labels of every instance that is firing.
    #[must_use]
    pub fn firing_labels(&self) -> Vec<Labels> {
        self.alerting_rules().flat_map(AlertingRule::firing).collect()
    }

    fn alerting_rules(&self) -> impl Iterator<Item = &AlertingRule> {
        self.rules.iter().filter_map(Running::alerting)
    }

    /// The stems of the records of its alerting rules.
    pub(super) fn record_stems(&self) -> impl Iterator<Item = &str> {
        self.alerting_rules().map(|rule| rule.key.as_str())
    }

    /// The stems of its alerting rules' records with the labels of their instances.
    pub(super) fn instances(&self) -> Vec<(String, Vec<Labels>)> {
        self.alerting_rules()
            .map(|rule| (rule.key.clone(), rule.active.lock().keys().cloned().collect()))
            .collect()
    }

    /// Its rules as the API shows them, in file order.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleView> {
        self.rules.iter().map(Running::view).collect()
    }
}
