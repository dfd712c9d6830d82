//! The loop: inputs, one commit, answers, messages out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_alerts::Alerting;
use breakwatch_alerts::ledger;
use breakwatch_model::{Batch, Clock, Labels, MetricFamily, StateStore, StorageError, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::sender::{Context, Readiness, Receivers, Senders};
use super::{Answer, Handle, Input, Snapshot, put_breaker};
use crate::changes::Changes;
use crate::jumps::Jumps;
use crate::telemetry::instruments::Instruments;

/// The loop comes round at least this often: for its pulse, and because the wall clock may jump.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// What others see is renewed this often at most: in a storm every round changes something, and each picture holds every
/// alert that fires.
const SHOW_EVERY: Duration = Duration::from_millis(500);
/// Inputs taken into one commit at most.
const MAX_INPUTS: usize = 1000;
/// How long messages wait for a disk that refuses. After this they go out undurably: a page that may be repeated is
/// better than none.
const MAX_WAIT_FOR_DISK: Duration = Duration::from_secs(5);

/// How long attempts under way may take to end when the daemon stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What the task is made of.
pub struct TaskParts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The state log.
    pub state: Arc<dyn StateStore>,
    /// The daemon's own metrics.
    pub instruments: Instruments,
    /// Who wants to know that something changed.
    pub changes: Changes,
    /// The task's own handle: answers of receivers come back through it.
    pub handle: Handle,
    /// Where inputs arrive.
    pub inputs: mpsc::UnboundedReceiver<Input>,
}

/// The task that owns alerting.
pub struct AlertingTask {
    parts: TaskParts,
    alerting: Alerting,
    jumps: Jumps,
    senders: Senders,
    /// Answers to be given once what they speak of is durable.
    answers: Vec<Answer>,
    /// Changes made outside alerting that belong into the next commit.
    extra: Batch,
    /// What the disk has refused so far, and since when.
    refused: Option<(Batch, Timestamp)>,
    /// When others were last shown what there is, and whether more has happened since.
    shown: Option<Instant>,
    unseen: bool,
    stop: Option<oneshot::Sender<()>>,
}

impl AlertingTask {
    /// A task for this state, with these receivers.
    #[must_use]
    pub fn new(parts: TaskParts, alerting: Alerting, receivers: &Receivers) -> Self {
        let context = Context {
            clock: Arc::clone(&parts.clock),
            instruments: parts.instruments.clone(),
            handle: parts.handle.clone(),
        };
        let mut senders = Senders::new(context);
        senders.replace(receivers);
        let jumps = Jumps::new(&*parts.clock);
        let (answers, extra) = (Vec::new(), Batch::new());
        Self {
            parts,
            alerting,
            jumps,
            senders,
            answers,
            extra,
            refused: None,
            shown: None,
            unseen: true,
            stop: None,
        }
    }

    /// Runs until told to stop.
    pub async fn run(mut self) {
        loop {
            let now = self.now();
            self.parts.handle.beat.beat(self.parts.clock.monotonic());
            self.alerting.tick(now);
            let durable = self.commit(now).await;
            if durable {
                for answer in self.answers.drain(..) {
                    answer();
                }
            }
            self.log_records();
            self.show(now);
            if let Some(done) = self.stop.take() {
                self.end().await;
                let _ = done.send(());
                return;
            }
            self.hand_out(now);
            if !self.wait(now).await {
                return;
            }
        }
    }

    /// The time. Alerting hears of a jump of the clock before it is given the time after it.
    fn now(&mut self) -> Timestamp {
        let (now, jump) = self.jumps.look(&*self.parts.clock);
        if let Some(by) = jump {
            tracing::warn!(by_millis = by, "clock_jumped");
            self.alerting.clock_jumped(by, now);
        }
        now
    }

    /// Notes the answers of the attempts that are under way.
    async fn end(&mut self) {
        self.senders.finish(LAST_ANSWERS).await;
        while let Ok(input) = self.parts.inputs.try_recv() {
            self.take(input);
        }
        let now = self.now();
        if self.commit(now).await {
            for answer in self.answers.drain(..) {
                answer();
            }
        }
    }

    /// Takes the inputs that are there, or waits for one until something is due; `false` when nobody is left.
    async fn wait(&mut self, now: Timestamp) -> bool {
        let sleep = self.alerting.next_due().since(now).min(MAX_SLEEP);
        let sleep = if self.unseen { sleep.min(self.until_shown()) } else { sleep };
        tokio::select! {
            input = self.parts.inputs.recv() => match input {
                Some(input) => self.take(input),
                None => return false,
            },
            () = tokio::time::sleep(sleep) => {}
        }
        for _ in 0..MAX_INPUTS {
            match self.parts.inputs.try_recv() {
                Ok(input) => self.take(input),
                Err(_) => break,
            }
        }
        true
    }

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Transition(event, name, saved) => {
                self.alerting.transition(&event, now);
                put_breaker(&mut self.extra, name, &saved);
            }
            Input::Breaker(name, saved) => put_breaker(&mut self.extra, name, &saved),
            Input::Rules(alerts, batch) => {
                self.alerting.receive_rules(alerts, now);
                self.extra.extend(batch);
            }
            Input::Record(batch) => {
                self.extra.extend(batch);
            }
            Input::Sent(id, result) => {
                if let Err(error) = &result {
                    tracing::warn!(id, %error, "notification_failed");
                }
                self.alerting.finish(&id, result, now);
            }
            Input::Unsent(id, why, wait) => self.alerting.put_back(&id, &why, now + wait, now),
            Input::Reload(receivers) => {
                self.alerting.reload(Arc::clone(&receivers.config), now);
                self.senders.replace(&receivers);
            }
            Input::Call(act) => {
                let answer = act(&mut self.alerting, now);
                self.answers.push(answer);
            }
            Input::Stop(done) => self.stop = Some(done),
        }
    }

    /// Makes everything that changed durable; `false` while the disk refuses.
    async fn commit(&mut self, now: Timestamp) -> bool {
        let mut batch = self.alerting.take_batch();
        batch.extend(std::mem::take(&mut self.extra));
        let since = self.refused.as_ref().map(|(_, since)| *since);
        if let Some((mut earlier, _)) = self.refused.take() {
            earlier.extend(batch);
            batch = earlier;
        }
        if batch.is_empty() {
            self.alerting.committed();
            return true;
        }
        self.unseen = true;
        let (state, attempt) = (Arc::clone(&self.parts.state), batch.clone());
        let committed = tokio::task::spawn_blocking(move || state.commit(attempt)).await;
        let committed = committed.unwrap_or_else(|error| Err(StorageError::Unavailable(error.to_string())));
        self.parts.changes.notify();
        match committed {
            Ok(()) => {
                self.alerting.committed();
                true
            }
            Err(error) => {
                let since = since.unwrap_or(now);
                tracing::error!(%error, "the state log refuses: alerts cannot be made durable");
                self.refused = Some((batch, since));
                if now.since(since) >= MAX_WAIT_FOR_DISK {
                    self.alerting.committed();
                }
                false
            }
        }
    }

    /// Starts every message that is due and whose integration can take it.
    fn hand_out(&mut self, now: Timestamp) {
        for due in self.alerting.due_messages(now) {
            match self.senders.readiness(&due.integration) {
                Readiness::Ready => {
                    if let Some(message) = self.alerting.start(&due.id, now) {
                        if due.attempts > 0 {
                            self.parts.instruments.retried("notifier", integration_type(&due.integration));
                        }
                        self.senders.send(&due.integration, message);
                    }
                }
                Readiness::Busy => {}
                // Rounded up to the wall clock's millisecond: a moment too early the breaker is still open, and the
                // loop would come round at once, again and again.
                Readiness::Open(wait) => {
                    self.alerting.hold(&due.integration, now + wait + Duration::from_millis(1));
                }
            }
        }
    }

    /// Logs what was decided.
    fn log_records(&mut self) {
        for record in self.alerting.take_records() {
            if matches!(record.event, ledger::Event::Fallback { .. }) {
                self.parts.instruments.fell_back("notifier", integration_type(&record.integration));
            }
            tracing::debug!(target: "ledger", record = ?record, "ledger");
        }
    }

    /// How long until what others see may be renewed.
    fn until_shown(&self) -> Duration {
        let now = self.parts.clock.monotonic();
        self.shown.map_or(Duration::ZERO, |shown| (shown + SHOW_EVERY).saturating_duration_since(now))
    }

    /// Renews what others see, unless it has just been renewed.
    fn show(&mut self, now: Timestamp) {
        if !self.until_shown().is_zero() {
            return;
        }
        (self.shown, self.unseen) = (Some(self.parts.clock.monotonic()), false);
        // A stable order, for whoever compares one answer with the next.
        let mut firing: Vec<_> = self.alerting.firing(now).cloned().collect();
        firing.sort_by(|a, b| a.labels.cmp(&b.labels));
        let snapshot = Snapshot {
            firing,
            outbox: self.alerting.stats(now).outbox,
            stuck: self.senders.stuck(),
            families: self.families(now),
        };
        self.parts.handle.snapshot.store(Arc::new(snapshot));
    }

    fn families(&self, now: Timestamp) -> Vec<MetricFamily> {
        let stats = self.alerting.stats(now);
        let gauge = |name: &'static str, unit, help, value: f64| {
            MetricFamily::gauge(name, unit, help).with(Labels::empty(), value)
        };
        let oldest = stats.oldest.as_secs_f64();
        let durable = f64::from(u8::from(self.refused.is_none()));
        vec![
            gauge("breakwatch_outbox_entries", "", "Messages not yet delivered.", stats.outbox as f64),
            gauge(
                "breakwatch_outbox_oldest_age_seconds",
                "seconds",
                "Age of the oldest state that is not yet delivered.",
                oldest,
            ),
            gauge("breakwatch_alerts_firing", "", "Alerts that fire.", stats.firing as f64),
            gauge("breakwatch_silences_active", "", "Silences in force.", stats.silences as f64),
            gauge("breakwatch_state_durable", "", "Whether the state log takes commits.", durable),
        ]
    }
}

/// `slack` of `ops/slack[0]`.
fn integration_type(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.split('[').next().unwrap_or(name)
}
