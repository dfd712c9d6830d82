//! Evaluates rule groups on their grids: results into the store, alerts and their state to alerting.

pub mod files;

use std::sync::Arc;
use std::time::Duration;

use breakwatch_alerts::rules::{Appending, Environment, Group, Groups, Outcome, SampleSink as _};
use breakwatch_model::{Batch, CancelToken, Clock, Labels, Sample, StateStore, Table, Timestamp};
use breakwatch_promql::Engine;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use crate::alerting::{self, Input};
use crate::checks::scheduler::Pulse;
use crate::store::StoreHandle;
use crate::telemetry::instruments::Instruments;
use files::RuleFiles;

/// The loop looks at least this often, because the wall clock may jump.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// How often a sign of life is kept: after a crash, the time since the last one does not count as time in which a
/// condition held.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The key of the sign of life in the state log.
const ALIVE: &str = "last_alive";
/// An evaluation that takes longer than this is stopped: it would only pile up behind itself.
const EVALUATION_LIMIT: Duration = Duration::from_secs(120);

/// What evaluation needs.
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// PromQL.
    pub engine: Arc<Engine>,
    /// Where rules read and write.
    pub store: StoreHandle,
    /// Where alert instances are kept.
    pub state: Arc<dyn StateStore>,
    /// Where alerts go.
    pub alerting: alerting::Handle,
    /// The daemon's own metrics.
    pub instruments: Instruments,
    /// `$externalURL`, and the stem of links.
    pub external_url: String,
}

/// The rule groups of the running daemon. Cloning gives another handle.
#[derive(Clone)]
pub struct Rules {
    parts: Arc<Parts>,
    groups: Arc<Mutex<Groups>>,
    external_labels: Arc<Mutex<Labels>>,
    replaced: Arc<Notify>,
    pulse: Arc<Pulse>,
}

impl Rules {
    /// Groups of these files, with the alert instances of before the start.
    #[must_use]
    pub fn new(parts: Parts, files: &RuleFiles) -> Self {
        let now = parts.clock.now();
        let mut groups = Groups::new(&files.files, files.defaults);
        let alive = parts.state.get(Table::Meta, ALIVE).and_then(|value| serde_json::from_slice(&value).ok());
        let batch = groups.restore(&parts.state.table(Table::Alerts), alive, now);
        parts.alerting.tell(Input::Rules(Vec::new(), batch));
        Self {
            pulse: Arc::new(Pulse::new(parts.clock.monotonic())),
            parts: Arc::new(parts),
            groups: Arc::new(Mutex::new(groups)),
            external_labels: Arc::new(Mutex::new(files.external_labels.clone())),
            replaced: Arc::default(),
        }
    }

    /// When rules were last looked at.
    #[must_use]
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Does something with the groups. May wait for an evaluation under way: call it from a blocking thread.
    pub fn with<R>(&self, look: impl FnOnce(&Groups) -> R) -> R {
        look(&self.groups.lock())
    }

    /// Puts other files in force: rules of the same name keep their state, series and alerts of others end.
    pub async fn replace(&self, files: RuleFiles) {
        let rules = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let reloaded = rules.groups.lock().reload(&files.files, files.defaults);
            *rules.external_labels.lock() = files.external_labels;
            let now = rules.parts.clock.now();
            let ended: Vec<(Labels, Sample)> =
                reloaded.ended_series.into_iter().map(|labels| (labels, Sample::stale(now))).collect();
            if let Err(error) = Appending(&*rules.parts.store.appender()).write(&ended) {
                tracing::warn!(%error, "series of rules that are gone could not be ended");
            }
            rules.parts.alerting.tell(Input::Rules(Vec::new(), reloaded.batch));
        });
        let _ = work.await;
        self.reconcile().await;
        self.replaced.notify_one();
    }

    /// Ends alerts whose rule is gone. What fires is looked up here and told under the lock: alerting must never wait
    /// for an evaluation, and what is evaluated later is told later.
    pub async fn reconcile(&self) {
        let (answer, done) = oneshot::channel();
        let (rules, external) = (self.clone(), self.external_labels.lock().clone());
        let look = move || {
            let groups = rules.groups.lock();
            let firing = groups.firing_labels();
            // What left with external labels is known to its rule without them, unless it had them itself.
            let own = move |labels: &Labels| labels.filtered(|name| external.get(name) != labels.get(name));
            let holds = move |labels: &Labels| firing.contains(labels) || firing.contains(&own(labels));
            rules.parts.alerting.tell(Input::Call(Box::new(move |alerting, now| {
                alerting.reconcile_rules(holds, now);
                Box::new(move || {
                    let _ = answer.send(());
                })
            })));
        };
        if tokio::task::spawn_blocking(look).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Evaluates until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        self.reconcile().await;
        let mut alive_at = self.parts.clock.now();
        loop {
            let now = self.parts.clock.now();
            self.pulse.beat(self.parts.clock.monotonic());
            let sleep = self.evaluate_due(now).await;
            if now.since(alive_at) >= ALIVE_EVERY || now < alive_at {
                alive_at = now;
                self.keep_alive(now);
            }
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = self.replaced.notified() => {}
                _ = stop.changed() => {
                    self.keep_alive(self.parts.clock.now());
                    return;
                }
            }
        }
    }

    fn keep_alive(&self, now: Timestamp) {
        let mut batch = Batch::new();
        batch.put(Table::Meta, ALIVE, now.0.to_string().into_bytes());
        self.parts.alerting.tell(Input::Rules(Vec::new(), batch));
    }

    /// Evaluates every group that is due; gives how long until the next one is.
    async fn evaluate_due(&self, now: Timestamp) -> Duration {
        let rules = self.clone();
        let cancel = CancelToken::new();
        let limit = cancel.clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut groups = rules.groups.lock();
            let external_labels = rules.external_labels.lock().clone();
            for group in groups.iter_mut() {
                if let Some(at) = group.take_due(now) {
                    rules.evaluate(group, at, &external_labels, &cancel);
                    rules.pulse.beat(rules.parts.clock.monotonic());
                }
            }
            groups.iter().map(|group| group.next_due(now)).min()
        });
        tokio::pin!(work);
        let next = tokio::select! {
            next = &mut work => next,
            () = tokio::time::sleep(EVALUATION_LIMIT) => {
                limit.time_out();
                work.await
            }
        };
        match next {
            Ok(Some(next)) => next.since(self.parts.clock.now()).min(MAX_SLEEP),
            Ok(None) => MAX_SLEEP,
            Err(error) => {
                tracing::error!(%error, "rule evaluation ended abnormally");
                MAX_SLEEP
            }
        }
    }

    fn evaluate(&self, group: &mut Group, at: Timestamp, external_labels: &Labels, cancel: &CancelToken) {
        let parts = &self.parts;
        let (store, appender) = (parts.store.queryable(), parts.store.appender());
        let missed = group.missed();
        let environment = Environment {
            engine: &parts.engine,
            store: &*store,
            sink: &Appending(&*appender),
            cancel,
            clock: &*parts.clock,
            external_url: &parts.external_url,
            external_labels,
        };
        let Outcome { mut alerts, batch, failures, .. } = group.evaluate(at, &environment);
        for alert in &mut alerts {
            // As Prometheus does: an alert's own label wins over an external one.
            alert.labels = external_labels.merged(&alert.labels);
        }
        for failure in &failures {
            tracing::warn!(group = group.name(), rule = &*failure.rule, error = failure.error, "rule_failed");
        }
        let (evaluated, failed) = (group.rules().len() as u64, failures.len() as u64);
        parts.instruments.rules_evaluated(
            evaluated,
            failed,
            group.missed() - missed,
            group.evaluation_time(),
        );
        if !alerts.is_empty() || !batch.is_empty() {
            parts.alerting.tell(Input::Rules(alerts, batch));
        }
    }
}
