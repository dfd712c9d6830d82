//! Runs one test: input samples arrive, groups are evaluated, expectations are compared.

use std::time::{Duration, Instant};

use breakwatch_model::{CancelToken, Clock, Labels, Sample, StorageError, Timestamp};
use breakwatch_plugin_api::{Diagnostics, format_duration};
use breakwatch_promql::series::{SequenceValue, parse_metric, parse_series};
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions, Value};

use super::LoadRules;
use super::diff::{compare_alerts, compare_samples};
use super::file::{AlertTest, ExprTest, Test, TestFile};
use crate::rules::{ActiveState, Defaults, Environment, Group, RuleFile, SampleSink};

/// Reads the rule files of a test file.
pub(super) fn load_rules(file: &TestFile, load: &LoadRules<'_>, diagnostics: &Diagnostics) -> Vec<RuleFile> {
    let engine = engine(file);
    let nodes = file.rule_files.iter().flat_map(|pattern| load(pattern, diagnostics));
    nodes.filter_map(|(path, node)| RuleFile::read(&path, &node, &engine, diagnostics)).collect()
}

fn engine(file: &TestFile) -> Engine {
    Engine::new(EngineOptions { subquery_step: file.evaluation_interval, ..EngineOptions::default() })
}

/// The store under test takes what rules write.
struct Sink<'a>(&'a MemoryStore);

impl SampleSink for Sink<'_> {
    fn write(&self, samples: &[(Labels, Sample)]) -> Result<(), StorageError> {
        for (labels, sample) in samples {
            self.0.append(labels, *sample);
        }
        Ok(())
    }
}

/// Nothing is measured here: time stands still.
struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Instant {
        self.0
    }
}

/// Input samples that have not arrived yet.
struct Pending {
    labels: Labels,
    values: std::vec::IntoIter<SequenceValue>,
    next: Timestamp,
}

/// One test at work.
struct Runner<'a> {
    test: &'a Test,
    file: &'a TestFile,
    engine: Engine,
    store: MemoryStore,
    groups: Vec<Group>,
    input: Vec<Pending>,
    failures: Vec<String>,
}

/// Runs a test; gives what differs.
pub(super) fn run(test: &Test, file: &TestFile, rules: &[RuleFile]) -> Vec<String> {
    let defaults = Defaults { interval: test.interval, ..Defaults::default() };
    // Prepared expressions remember the series of one store, and every test has a store of its own.
    let engine = engine(file);
    let mut groups: Vec<Group> = Vec::new();
    for rules in rules {
        let rules = rules.with_fresh_queries(&engine);
        groups.extend(rules.groups.iter().map(|group| Group::new(&rules.path, group, defaults)));
    }
    let place = |group: &Group| file.group_order.iter().position(|name| name == group.name()).unwrap_or(0);
    groups.sort_by_key(place);
    let mut runner = Runner {
        test,
        file,
        engine,
        store: MemoryStore::new(),
        groups,
        input: Vec::new(),
        failures: Vec::new(),
    };
    if runner.read_input() {
        runner.evaluate_groups();
        for expression in &test.expressions {
            runner.check_expression(expression);
        }
    }
    runner.failures
}

impl Runner<'_> {
    fn read_input(&mut self) -> bool {
        for (series, values) in &self.test.input {
            match parse_series(&format!("{series} {values}")) {
                Ok((labels, values)) => {
                    let values = values.into_iter();
                    self.input.push(Pending { labels, values, next: self.test.start });
                }
                Err(error) => self.failures.push(format!("input series {series:?}: {error}")),
            }
        }
        self.failures.is_empty()
    }

    /// Lets samples up to a time arrive.
    fn arrive(&mut self, until: Timestamp) {
        for pending in &mut self.input {
            while pending.next <= until {
                let Some(value) = pending.values.next() else { break };
                if let SequenceValue::Value(value) = value {
                    self.store.append(&pending.labels, Sample::new(pending.next, value));
                }
                pending.next = pending.next + self.test.interval;
            }
        }
    }

    fn evaluate_groups(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "the starting point of a clock that stands still")]
        let clock = Still(Instant::now());
        let mut tests: Vec<&AlertTest> = self.test.alerts.iter().collect();
        tests.sort_by_key(|test| test.at);
        let mut tests = tests.into_iter().peekable();
        let (end, step) = (self.test.end(), self.file.evaluation_interval);
        let cancel = CancelToken::new();
        let mut elapsed = Duration::ZERO;
        while elapsed <= end {
            let at = self.test.start + elapsed;
            self.arrive(at);
            for group in &mut self.groups {
                let env = Environment {
                    engine: &self.engine,
                    store: &self.store,
                    sink: &Sink(&self.store),
                    cancel: &cancel,
                    workers: 1,
                    clock: &clock,
                    external_url: &self.test.external_url,
                    external_labels: &self.test.external_labels,
                };
                for failure in group.evaluate(at, &env).failures {
                    let time = format_duration(elapsed);
                    self.failures.push(format!("rule {} at {time}: {}", failure.rule, failure.error));
                }
            }
            while let Some(test) = tests.next_if(|test| test.at < elapsed + step) {
                self.check_alert(test);
            }
            elapsed += step;
        }
    }

    fn check_alert(&mut self, test: &AlertTest) {
        let rules = self.groups.iter().flat_map(Group::rules).filter(|rule| *rule.name == *test.alert);
        let instances = rules.filter_map(|rule| rule.alerting).flat_map(|alerting| alerting.alerts);
        let firing = instances.filter(|instance| instance.state == ActiveState::Firing);
        let got: Vec<(Labels, Labels)> = firing.map(|i| (i.labels, i.annotations)).collect();
        let named = |(labels, annotations): &(Labels, Labels)| {
            (labels.with("alertname", test.alert.as_str()), annotations.clone())
        };
        let expected: Vec<(Labels, Labels)> = test.expected.iter().map(named).collect();
        if let Some(diff) = compare_alerts(&expected, &got) {
            let time = format_duration(test.at);
            self.failures.push(format!("alert {} at {time}:\n{diff}", test.alert));
        }
    }

    fn check_expression(&mut self, test: &ExprTest) {
        let time = format_duration(test.at);
        let got = match self.query(test) {
            Ok(got) => got,
            Err(error) => {
                self.failures.push(format!("expression {:?} at {time}: {error}", test.expr));
                return;
            }
        };
        let mut expected = Vec::new();
        for (series, value) in &test.expected {
            let labels = if series.is_empty() { Ok(Labels::empty()) } else { parse_metric(series) };
            match labels {
                Ok(labels) => expected.push((labels, *value)),
                Err(error) => {
                    let message = format!("expression {:?} at {time}: labels {series:?}: {error}", test.expr);
                    self.failures.push(message);
                    return;
                }
            }
        }
        if let Some(diff) = compare_samples(expected, got, self.file.fuzzy) {
            self.failures.push(format!("expression {:?} at {time}:\n{diff}", test.expr));
        }
    }

    fn query(&self, test: &ExprTest) -> Result<Vec<(Labels, f64)>, String> {
        let prepared = self.engine.prepare(&test.expr).map_err(|error| error.to_string())?;
        let at = self.test.start + test.at;
        let result = self.engine.instant(&self.store, &prepared, at, &CancelToken::new());
        match result.map_err(|error| error.to_string())?.value {
            Value::Vector(vector) => Ok(vector.into_iter().map(|e| (e.labels, e.sample.v)).collect()),
            Value::Scalar(sample) => Ok(vec![(Labels::empty(), sample.v)]),
            _ => Err("rule result is not a vector or scalar".to_owned()),
        }
    }
}
