//! Groups over a store in memory; records of their instances are kept as the state log would.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use breakwatch_model::{
    Alert, Batch, CancelToken, Clock, Labels, Op, Record, Sample, StorageError, Table, Timestamp,
};
use breakwatch_plugin_api::Diagnostics;
use breakwatch_promql::testing::MemoryStore;
use breakwatch_promql::{Engine, EngineOptions, Value};

use crate::rules::{Defaults, Environment, Groups, Outcome, RuleFile, SampleSink};
use crate::testing::{at, findings, node};

pub(super) fn file(text: &str) -> RuleFile {
    let diagnostics = Diagnostics::new();
    let engine = Engine::new(EngineOptions::default());
    let file = RuleFile::read("rules.yml", &node(text), &engine, &diagnostics);
    file.unwrap_or_else(|| panic!("{:#?}", findings(diagnostics)))
}

pub(super) struct Sim {
    pub(super) store: MemoryStore,
    pub(super) groups: Groups,
    pub(super) records: BTreeMap<String, Vec<u8>>,
    pub(super) sent: Vec<(f64, Alert)>,
    /// Whether the store refuses what rules write.
    pub(super) disk_full: bool,
    /// Whether evaluations take longer than the interval, so that rules are asked side by side.
    pub(super) late: bool,
    text: String,
}

struct Sink<'a>(&'a MemoryStore, bool);

impl SampleSink for Sink<'_> {
    fn write(&self, samples: &[(Labels, Sample)]) -> Result<(), StorageError> {
        if self.1 {
            return Err(StorageError::Unavailable("the disk is full".to_owned()));
        }
        samples.iter().for_each(|(labels, sample)| self.0.append(labels, *sample));
        Ok(())
    }
}

/// Stands still, or moves on by a minute whenever somebody looks.
struct Watch {
    begun: Instant,
    moves: bool,
    looks: AtomicU64,
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Instant {
        let looks = self.looks.fetch_add(u64::from(self.moves), Ordering::Relaxed);
        self.begun + Duration::from_secs(60 * looks)
    }
}

impl Sim {
    pub(super) fn new(text: &str) -> Self {
        Self {
            store: MemoryStore::new(),
            groups: Groups::new(&[file(text)], defaults()),
            records: BTreeMap::new(),
            sent: Vec::new(),
            disk_full: false,
            late: false,
            text: text.to_owned(),
        }
    }

    /// Loads a series with a sample every 10 s from the start on.
    pub(super) fn load(&self, series: &str) {
        self.store.load(series, at(0.0), Duration::from_secs(10)).expect("a series");
    }

    pub(super) fn sample(&self, seconds: f64, series: &str, value: f64) {
        let labels = breakwatch_promql::series::parse_metric(series).expect("a series");
        self.store.append(&labels, Sample::new(at(seconds), value));
    }

    /// Evaluates every group once.
    pub(super) fn evaluate(&mut self, seconds: f64) -> Outcome {
        #[expect(clippy::disallowed_methods, reason = "the starting point of a clock that stands still")]
        let clock = Watch { begun: Instant::now(), moves: self.late, looks: AtomicU64::new(0) };
        let engine = Engine::new(EngineOptions::default());
        let env = Environment {
            engine: &engine,
            store: &self.store,
            sink: &Sink(&self.store, self.disk_full),
            cancel: &CancelToken::new(),
            workers: 4,
            clock: &clock,
            external_url: "http://bw",
            external_labels: &Labels::from_pairs([("site", "a")]),
        };
        let mut all = Outcome::default();
        for group in &self.groups {
            let outcome = group.evaluate(at(seconds), &env);
            all.alerts.extend(outcome.alerts);
            all.failures.extend(outcome.failures);
            all.batch.extend(outcome.batch);
        }
        self.sent.extend(all.alerts.iter().map(|alert| (seconds, alert.clone())));
        self.apply(all.batch.clone());
        all
    }

    /// Evaluates every 30 s from `from` to `to`.
    pub(super) fn run(&mut self, from: f64, to: f64) {
        let mut seconds = from;
        while seconds <= to {
            let outcome = self.evaluate(seconds);
            assert_eq!(outcome.failures, []);
            seconds += 30.0;
        }
    }

    pub(super) fn apply(&mut self, batch: Batch) {
        for op in batch.ops {
            match op {
                Op::Put { table: Table::Alerts, key, value } => drop(self.records.insert(key, value)),
                Op::Delete { table: Table::Alerts, key } => drop(self.records.remove(&key)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Starts again from the records.
    pub(super) fn restart(&mut self, down_since: f64, now: f64) {
        let record = |(key, value): (&String, &Vec<u8>)| Record {
            key: key.clone(),
            at: Timestamp(0),
            value: value.clone(),
        };
        let records: Vec<Record> = self.records.iter().map(record).collect();
        self.groups = Groups::new(&[file(&self.text)], defaults());
        let batch = self.groups.restore(&records, Some(at(down_since)), at(now));
        self.apply(batch);
    }

    pub(super) fn reload(&mut self, text: &str) -> Vec<Labels> {
        self.text = text.to_owned();
        let reloaded = self.groups.reload(&[file(text)], defaults());
        self.apply(reloaded.batch);
        reloaded.ended_series
    }

    /// `A{x="1"} firing` for every instance.
    pub(super) fn states(&self) -> Vec<String> {
        let rules = self.groups.iter().flat_map(|group| group.rules());
        let instances = rules.filter_map(|rule| rule.alerting).flat_map(|alerting| alerting.alerts);
        let show = |i: crate::rules::ActiveAlert| {
            format!("{}{} {}", i.labels.value("alertname"), i.labels.without("alertname"), i.state.as_str())
        };
        instances.map(show).collect()
    }

    /// What was sent: `30 A firing`.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let show = |(seconds, alert): (f64, Alert)| {
            let over = alert.ends_at.is_some_and(|end| end <= at(seconds));
            format!("{seconds} {} {}", alert.name(), if over { "over" } else { "firing" })
        };
        std::mem::take(&mut self.sent).into_iter().map(show).collect()
    }

    pub(super) fn query(&self, text: &str, seconds: f64) -> Vec<String> {
        let engine = Engine::new(EngineOptions::default());
        let prepared = engine.prepare(text).expect("a query");
        let result =
            engine.instant(&self.store, &prepared, at(seconds), &CancelToken::new()).expect("a result");
        let Value::Vector(vector) = result.value else { panic!("a vector") };
        let mut lines: Vec<String> = vector.iter().map(|e| format!("{} {}", e.labels, e.sample.v)).collect();
        lines.sort();
        lines
    }
}

fn defaults() -> Defaults {
    Defaults { interval: Duration::from_secs(30), ..Defaults::default() }
}
