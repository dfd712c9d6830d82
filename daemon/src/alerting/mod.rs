//! Drives alerting: one task owns the state, makes every change durable, and only then lets messages out.
//!
//! Everything that happens (a transition, a rule's alerts, an answer from a receiver, an API call) arrives as an
//! [`Input`]. Inputs that arrive together are committed together.

mod events;
mod heartbeat;
mod sender;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use breakwatch_alerts::{Alerting, TransitionEvent};
use breakwatch_model::{Alert, Batch, MetricFamily, Table, Timestamp};
use breakwatch_plugin_api::{NotifyError, Receipt};
use tokio::sync::{mpsc, oneshot};

use crate::breakers::Guard;
use crate::state::SavedBreaker;
pub use events::transition_event;
pub use heartbeat::Heartbeats;
pub use sender::{ATTEMPT_TIMEOUT, Receivers};
pub use task::{AlertingTask, TaskParts};

/// Gives the answer of a call, once what the call changed is durable.
pub type Answer = Box<dyn FnOnce() + Send>;
/// Something to do with the state, or to read from it.
pub type Call = Box<dyn FnOnce(&mut Alerting, Timestamp) -> Answer + Send>;

/// What the alerting task is told.
pub enum Input {
    /// A breaker changed its state.
    Transition(Box<TransitionEvent>, String, Box<SavedBreaker>),
    /// A breaker was moved without a transition (a hold was released): keep what it is now.
    Breaker(String, Box<SavedBreaker>),
    /// A rule group was evaluated: its alerts, and its state to be committed with them.
    Rules(Vec<Alert>, Batch),
    /// Something happened that belongs into the next commit (an event).
    Record(Batch),
    /// A receiver answered.
    Sent(String, Result<Receipt, NotifyError>),
    /// A message was not sent after all, why, and how long to wait.
    Unsent(String, String, Duration),
    /// Other receivers and routes from now on.
    Reload(Box<Receivers>),
    /// Something to do with the state, or to read from it.
    Call(Call),
    /// Commit, hand out nothing more, end.
    Stop(oneshot::Sender<()>),
}

/// What the page and `/metrics` show; renewed after every change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Alerts that fire, those of rules and breakers alike.
    pub firing: Vec<Alert>,
    /// Messages not yet delivered.
    pub outbox: usize,
    /// An integration whose sender hangs.
    pub stuck: Option<Arc<str>>,
    /// Figures.
    pub families: Vec<MetricFamily>,
}

/// Tells the alerting task what happened. Cloning gives another handle.
#[derive(Clone)]
pub struct Handle {
    inputs: mpsc::UnboundedSender<Input>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    beat: Arc<Beat>,
    clock: Arc<dyn breakwatch_model::Clock>,
}

/// When the task's loop last came round.
#[derive(Debug)]
struct Beat {
    origin: Instant,
    millis: AtomicU64,
}

impl Handle {
    /// A handle, and the end where inputs arrive.
    #[must_use]
    pub fn new(clock: Arc<dyn breakwatch_model::Clock>) -> (Self, mpsc::UnboundedReceiver<Input>) {
        let (inputs, receiver) = mpsc::unbounded_channel();
        let beat = Arc::new(Beat { origin: clock.monotonic(), millis: AtomicU64::new(0) });
        (Self { inputs, snapshot: Arc::default(), beat, clock }, receiver)
    }

    /// What is known right now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// How long ago the task's loop came round.
    #[must_use]
    pub fn pulse_age(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.beat.millis.load(Ordering::Relaxed));
        now.saturating_duration_since(self.beat.origin).saturating_sub(last)
    }

    /// Tells the task something. Nothing waits: an input is a few hundred bytes, and there are never more of them
    /// than checks, rule groups and messages on their way.
    pub fn tell(&self, input: Input) {
        // Fails only once the task has ended, when the daemon is going down.
        let _ = self.inputs.send(input);
    }

    /// Keeps what a breaker is now, after a person has moved it.
    pub fn breaker_changed(&self, guard: &Guard) {
        self.tell(Input::Breaker(guard.name.to_string(), Box::new(saved(guard, &*self.clock))));
    }

    /// Does something with the state and gives what came of it, once every change it made is durable.
    pub async fn call<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Alerting, Timestamp) -> R + Send + 'static,
    ) -> Option<R> {
        let (answer, outcome) = oneshot::channel();
        self.tell(Input::Call(Box::new(move |alerting, now| {
            let result = act(alerting, now);
            Box::new(move || {
                let _ = answer.send(result);
            })
        })));
        outcome.await.ok()
    }

    /// Ends the task after a last commit.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        self.tell(Input::Stop(done));
        let _ = ended.await;
    }
}

impl Beat {
    fn beat(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.origin).as_millis();
        self.millis.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A breaker as it is kept.
#[must_use]
pub fn saved(guard: &Guard, clock: &dyn breakwatch_model::Clock) -> SavedBreaker {
    SavedBreaker { at: clock.now(), snapshot: guard.breaker.snapshot(clock.monotonic()) }
}

/// Adds a breaker to a batch.
fn put_breaker(batch: &mut Batch, name: String, saved: &SavedBreaker) {
    match serde_json::to_vec(saved) {
        Ok(value) => {
            batch.put(Table::Breakers, name, value);
        }
        Err(error) => tracing::error!(breaker = name, %error, "a breaker's state could not be written down"),
    }
}
