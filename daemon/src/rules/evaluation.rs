//! Evaluates rule groups, each on its grid: results into the store, alerts and their state to alerting.
//!
//! Groups do not wait for each other: every group that is due is evaluated on a blocking thread of its own, so that a
//! slow one is late alone. A group is never evaluated twice at once; what it misses meanwhile is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_alerts::rules::{Appending, Environment, Group, Outcome};
use breakwatch_model::{Batch, CancelToken, Labels, Table, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::files::RuleFiles;
use super::{Parts, Rules};
use crate::alerting::Input;
use crate::jumps::Jumps;

/// The loop looks at least this often, because the wall clock may jump.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// How often a sign of life is kept: after a crash, the time since the last one does not count as time in which a
/// condition held.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The key of the sign of life in the state log.
pub(super) const ALIVE: &str = "last_alive";
/// An evaluation that takes longer than this is stopped: it would only pile up behind itself.
const EVALUATION_LIMIT: Duration = Duration::from_secs(120);
/// One that has not ended this long after it was told to stop hangs for good: whoever asks whether rules come round is
/// told that they do not.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// A reload or a stop waits this long for evaluations under way, then ends them: their rules keep the state they had.
const PATIENCE: Duration = Duration::from_secs(5);
/// Groups evaluated at once; as many queries as Prometheus runs at once. More would only share the processors.
const MAX_GROUPS_AT_ONCE: usize = 20;
/// Rules of one late group asked at once, at most; Prometheus' `--rules.max-concurrent-evals`.
const MAX_RULES_AT_ONCE: usize = 4;

/// Other files to put in force.
pub(super) struct Replacement {
    pub(super) files: RuleFiles,
    pub(super) done: oneshot::Sender<()>,
}

/// The loop that evaluates.
pub struct Evaluation {
    rules: Rules,
    replacements: mpsc::Receiver<Replacement>,
    /// Evaluations under way.
    running: JoinSet<()>,
    busy: HashMap<Id, Busy>,
    /// How many rules of a late group may be asked at once.
    workers: usize,
}

/// An evaluation under way.
struct Busy {
    group: Arc<Group>,
    since: Instant,
    /// Stops it.
    cancel: CancelToken,
}

impl Evaluation {
    pub(super) fn new(rules: Rules, replacements: mpsc::Receiver<Replacement>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = processors.min(MAX_RULES_AT_ONCE);
        Self { rules, replacements, running: JoinSet::new(), busy: HashMap::new(), workers }
    }

    /// Evaluates until `stop` says so.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.rules.reconcile().await;
        let clock = Arc::clone(&self.rules.parts.clock);
        let mut alive_at = clock.now();
        let mut jumps = Jumps::new(&*clock);
        loop {
            let (now, jump) = jumps.look(&*clock);
            if let Some(by) = jump {
                self.clock_jumped(by, now).await;
            }
            self.beat(clock.monotonic());
            let sleep = self.start_due(now);
            if now.since(alive_at) >= ALIVE_EVERY || now < alive_at {
                alive_at = now;
                self.keep_alive(now);
            }
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                Some(ended) = self.running.join_next_with_id() => self.ended(ended),
                Some(replacement) = self.replacements.recv() => self.replace(replacement).await,
                _ = stop.changed() => break,
            }
        }
        self.finish().await;
        self.keep_alive(clock.now());
    }

    /// Tells every group. One under evaluation must not see it in the middle of its work.
    async fn clock_jumped(&mut self, by: i64, now: Timestamp) {
        self.finish().await;
        let groups = self.rules.current.lock().groups.clone();
        let tell = move || (&groups).into_iter().for_each(|group| group.clock_jumped(by, now));
        // A group's instances are locked for as long as an evaluation that could not be ended.
        let _ = tokio::task::spawn_blocking(tell).await;
    }

    fn beat(&self, now: Instant) {
        let hangs = |busy: &Busy| now.saturating_duration_since(busy.since) > EVALUATION_LIMIT + STOP_LIMIT;
        if !self.busy.values().any(hangs) {
            self.rules.pulse.beat(now);
        }
    }

    fn keep_alive(&self, now: Timestamp) {
        let mut batch = Batch::new();
        batch.put(Table::Meta, ALIVE, now.0.to_string().into_bytes());
        self.rules.parts.alerting.tell(Input::Rules(Vec::new(), batch));
    }

    /// Starts every group that is due; gives how long until the next one is.
    fn start_due(&mut self, now: Timestamp) -> Duration {
        let current = self.rules.current.lock().clone();
        let mut next = now + MAX_SLEEP;
        for group in &current.groups {
            // One under evaluation is looked at again when that has ended, and so are all when too many are.
            let is_busy = self.busy.values().any(|busy| Arc::ptr_eq(&busy.group, group));
            if is_busy || self.running.len() >= MAX_GROUPS_AT_ONCE {
                continue;
            }
            // After the clock was set back there are only old samples to look at until it has caught up.
            let seen = group.last_evaluation();
            if let Some(at) = group.take_due(now).filter(|at| *at > seen) {
                let cancel = CancelToken::new();
                let parts = Arc::clone(&self.rules.parts);
                let labels = Arc::clone(&current.external_labels);
                let work = evaluate(parts, Arc::clone(group), at, labels, cancel.clone(), self.workers);
                let task = self.running.spawn(work);
                let since = self.rules.parts.clock.monotonic();
                self.busy.insert(task.id(), Busy { group: Arc::clone(group), since, cancel });
            } else {
                next = next.min(group.next_due(now));
            }
        }
        next.since(now)
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "the evaluation of a rule group ended abnormally");
                error.id()
            }
        };
        self.busy.remove(&id);
    }

    /// Waits until nothing is evaluated any more, but not for long.
    async fn finish(&mut self) {
        if self.drain().await {
            return;
        }
        self.busy.values().for_each(|busy| busy.cancel.cancel());
        if !self.drain().await {
            let groups: Vec<&str> = self.busy.values().map(|busy| busy.group.name()).collect();
            tracing::error!(?groups, "rule groups hang in their evaluation and are left to themselves");
            self.running.detach_all();
            self.busy.clear();
        }
    }

    /// Waits for what is under way; `false` if that takes too long.
    async fn drain(&mut self) -> bool {
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                self.ended(ended);
            }
        };
        tokio::time::timeout(PATIENCE, all).await.is_ok()
    }

    async fn replace(&mut self, replacement: Replacement) {
        self.finish().await;
        let rules = self.rules.clone();
        let work = tokio::task::spawn_blocking(move || rules.put_in_force(&replacement.files));
        if let Err(error) = work.await {
            tracing::error!(%error, "rule files were not replaced");
        }
        self.rules.reconcile().await;
        // Fails only when whoever asked has gone.
        let _ = replacement.done.send(());
    }
}

/// Evaluates a group on a blocking thread, for as long as it may take.
async fn evaluate(
    parts: Arc<Parts>,
    group: Arc<Group>,
    at: Timestamp,
    external_labels: Arc<Labels>,
    cancel: CancelToken,
    workers: usize,
) {
    let limit = cancel.clone();
    let name = group.name().to_owned();
    let work = move || evaluate_now(&parts, &group, at, &external_labels, &cancel, workers);
    let work = tokio::task::spawn_blocking(work);
    tokio::pin!(work);
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = tokio::time::sleep(EVALUATION_LIMIT) => {
            limit.time_out();
            work.await
        }
    };
    if let Err(error) = ended {
        tracing::error!(group = name, %error, "the evaluation of a rule group ended abnormally");
    }
}

fn evaluate_now(
    parts: &Parts,
    group: &Group,
    at: Timestamp,
    external_labels: &Labels,
    cancel: &CancelToken,
    workers: usize,
) {
    let (store, appender) = (parts.store.queryable(), parts.store.appender());
    let environment = Environment {
        engine: &parts.engine,
        store: &*store,
        sink: &Appending(&*appender),
        cancel,
        workers,
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
    let (evaluated, failed) = (group.rule_count() as u64, failures.len() as u64);
    parts.instruments.rules_evaluated(evaluated, failed, group.evaluation_time());
    if !alerts.is_empty() || !batch.is_empty() {
        parts.alerting.tell(Input::Rules(alerts, batch));
    }
}
