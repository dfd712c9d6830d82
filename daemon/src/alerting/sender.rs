//! Delivers messages: one loop per integration, so that a slow receiver delays nobody else. A loop makes as many attempts
//! at once as its integration can take; they are of different groups, because the alerting state lets out one message of
//! a group at a time.
//!
//! An attempt is guarded by the integration's breaker and bounded by a total time-out. What becomes of the message
//! is decided by the alerting state, never here.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use breakwatch_alerts::config::Config;
use breakwatch_breaker::{Outcome, State};
use breakwatch_model::{Alert, Clock, Fingerprint};
use breakwatch_plugin_api::{Notification, Notifier, NotifyError, Receipt};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::{Handle, Input};
use crate::breakers::Guard;
use crate::telemetry::instruments::Instruments;

/// The most an attempt may take in all, whatever the other side does byte by byte, unless the integration's own
/// `timeout` asks for more.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// An attempt that has not ended this long after its limit hangs: the limit itself does not come round.
const GRACE: Duration = Duration::from_secs(20);
/// Messages handed to one integration ahead of their turn. The state decides what is due; this is only a pipe.
const QUEUE: usize = 64;
/// Alerts being told of at once by one integration, unless a single message has more: each takes kilobytes in each of
/// the forms a message goes through, and a large message gains nothing from company.
const ALERTS_AT_ONCE: usize = 500;
/// How soon an integration that is held open by hand, or is not built, is looked at again.
const HELD_RECHECK: Duration = Duration::from_secs(5);

/// Routes, and everyone who can be told.
pub struct Receivers {
    /// Routes, inhibition, receivers as configured.
    pub config: Arc<Config>,
    /// The integrations by key (`ops/slack[0]`), ready to send.
    pub notifiers: BTreeMap<Arc<str>, Arc<dyn Notifier>>,
    /// Their breakers.
    pub guards: BTreeMap<Arc<str>, Arc<Guard>>,
    /// How long an attempt may take, where that is more than [`ATTEMPT_TIMEOUT`].
    pub limits: BTreeMap<Arc<str>, Duration>,
    /// Integrations that the daemon calls by itself as a sign of life, and how often.
    pub heartbeats: BTreeMap<Arc<str>, Duration>,
}

/// Whether an integration can take a message.
pub(super) enum Readiness {
    /// It can.
    Ready,
    /// Its queue is full.
    Busy,
    /// Its breaker is open for this much longer.
    Open(Duration),
}

/// The way to one loop.
struct Lane {
    jobs: mpsc::Sender<Notification>,
    guard: Arc<Guard>,
    overdue: Overdue,
}

/// When each of the attempts under way must have ended.
type Overdue = Arc<Mutex<Vec<Instant>>>;

/// The running loops.
pub(super) struct Senders {
    loops: BTreeMap<Arc<str>, Lane>,
    tasks: JoinSet<()>,
    /// Whether the daemon goes down: nothing new is begun.
    ending: Arc<AtomicBool>,
    context: Context,
}

#[derive(Clone)]
pub(super) struct Context {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) instruments: Instruments,
    pub(super) handle: Handle,
}

impl Senders {
    pub(super) fn new(context: Context) -> Self {
        Self { loops: BTreeMap::new(), tasks: JoinSet::new(), ending: Arc::default(), context }
    }

    /// Replaces every loop. A loop whose channel is closed finishes the attempt it is in.
    pub(super) fn replace(&mut self, receivers: &Receivers) {
        self.loops.clear();
        while self.tasks.try_join_next().is_some() {}
        for (key, notifier) in &receivers.notifiers {
            let Some(guard) = receivers.guards.get(key) else { continue };
            let (jobs, queue) = mpsc::channel(QUEUE);
            let overdue = Overdue::default();
            let integration = Integration {
                key: Arc::clone(key),
                notifier: Arc::clone(notifier),
                guard: Arc::clone(guard),
                limit: receivers.limits.get(key).copied().unwrap_or(ATTEMPT_TIMEOUT),
                ending: Arc::clone(&self.ending),
                overdue: Arc::clone(&overdue),
                context: self.context.clone(),
            };
            self.tasks.spawn(integration.run(queue));
            self.loops.insert(Arc::clone(key), Lane { jobs, guard: Arc::clone(guard), overdue });
        }
    }

    /// Begins nothing more and waits until the attempts under way have ended, at most so long: an answer that is
    /// still heard is a message that need not be repeated after the next start.
    pub(super) async fn finish(&mut self, patience: Duration) {
        self.ending.store(true, Ordering::Relaxed);
        self.loops.clear();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!(
                "a message was still under way; it is sent again, with the same id, after the next start"
            );
        }
    }

    /// An integration whose attempt has not ended although its time is over.
    pub(super) fn stuck(&self) -> Option<Arc<str>> {
        let now = self.context.clock.monotonic();
        let hangs = |lane: &Lane| lane.overdue.lock().iter().any(|end| *end < now);
        self.loops.iter().find(|(_, lane)| hangs(lane)).map(|(key, _)| Arc::clone(key))
    }

    /// Whether an integration can take a message now.
    pub(super) fn readiness(&self, key: &str) -> Readiness {
        let Some(Lane { jobs, guard, .. }) = self.loops.get(key) else {
            return Readiness::Open(HELD_RECHECK);
        };
        match guard.breaker.retry_after(self.context.clock.monotonic()) {
            Some(wait) if !wait.is_zero() => Readiness::Open(wait),
            None if guard.breaker.state() == State::Open => Readiness::Open(HELD_RECHECK),
            _ if jobs.capacity() == 0 => Readiness::Busy,
            _ => Readiness::Ready,
        }
    }

    /// Hands a message to its integration. One that is not there any more is answered for at once.
    pub(super) fn send(&self, key: &str, message: Notification) {
        let id = message.id.clone();
        let sent = self.loops.get(key).is_some_and(|lane| lane.jobs.try_send(message).is_ok());
        if !sent {
            let why = "the integration is not ready to send".to_owned();
            self.context.handle.tell(Input::Unsent(id, why, Duration::from_secs(1)));
        }
    }
}

/// One loop.
struct Integration {
    key: Arc<str>,
    notifier: Arc<dyn Notifier>,
    guard: Arc<Guard>,
    limit: Duration,
    ending: Arc<AtomicBool>,
    overdue: Overdue,
    context: Context,
}

impl Integration {
    /// Runs until nobody hands it messages any more, and every attempt has ended.
    async fn run(self, mut queue: mpsc::Receiver<Notification>) {
        let at_once = self.notifier.at_once().max(1);
        let (mut attempts, mut open) = (FuturesUnordered::new(), true);
        // The alerts being told of. An alert can be in several groups; its messages still go one after the other.
        let mut busy: HashSet<Fingerprint> = HashSet::new();
        let mut next: Option<(Notification, Vec<Fingerprint>)> = None;
        loop {
            let is_free = |alerts: &[Fingerprint]| {
                busy.is_empty()
                    || busy.len() + alerts.len() <= ALERTS_AT_ONCE
                        && alerts.iter().all(|alert| !busy.contains(alert))
            };
            if let Some((message, alerts)) = next.take_if(|(_, alerts)| is_free(alerts))
                && !self.is_ending()
            {
                busy.extend(&alerts);
                attempts.push(async { (self.deliver_in_time(message).await, alerts) });
            }
            tokio::select! {
                Some((input, alerts)) = attempts.next(), if !attempts.is_empty() => {
                    for alert in &alerts {
                        busy.remove(alert);
                    }
                    self.context.handle.tell(input);
                }
                message = queue.recv(), if open && next.is_none() && attempts.len() < at_once => {
                    open = message.is_some() && !self.is_ending();
                    next = message.filter(|_| open).map(|message| {
                        let alerts = message.alerts.iter().map(Alert::fingerprint).collect();
                        (message, alerts)
                    });
                }
                else => return,
            }
        }
    }

    /// Whether nothing new is begun.
    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// An attempt that is known to hang if it has not ended in time.
    async fn deliver_in_time(&self, message: Notification) -> Input {
        let end = self.context.clock.monotonic() + self.limit + GRACE;
        self.overdue.lock().push(end);
        let input = self.deliver(&message).await;
        let mut overdue = self.overdue.lock();
        if let Some(at) = overdue.iter().position(|other| *other == end) {
            overdue.swap_remove(at);
        }
        input
    }

    async fn deliver(&self, message: &Notification) -> Input {
        let clock = &self.context.clock;
        let (permit, _) = self.guard.breaker.admit(clock.monotonic());
        let permit = match permit {
            Ok(permit) => permit,
            // Readiness was asked before; this is the race with a message that has just opened the breaker.
            Err(rejected) => {
                let wait = rejected.retry_after.unwrap_or(HELD_RECHECK);
                return Input::Unsent(message.id.clone(), rejected.to_string(), wait);
            }
        };
        let span = tracing::info_span!(
            "notification.send",
            receiver = message.receiver,
            integration = &*self.key,
            group = message.group_key,
            id = message.id,
            outcome = tracing::field::Empty,
        );
        let started = clock.monotonic();
        let result = self.attempt(message).instrument(span.clone()).await;
        let now = clock.monotonic();
        let duration = now.saturating_duration_since(started);
        self.guard.observe_call(duration);
        // A refused message says nothing about the receiver's health: it answered.
        let outcome = match &result {
            Ok(_) | Err(NotifyError::Rejected(_)) => Outcome::Success,
            Err(_) => Outcome::Failure,
        };
        let _ = permit.record_timed(outcome, duration, now);
        let failure = result.as_ref().err().map(reason);
        self.context.instruments.notified(self.notifier.integration(), failure, duration);
        span.record("outcome", failure.unwrap_or("delivered"));
        Input::Sent(message.id.clone(), result)
    }

    async fn attempt(&self, message: &Notification) -> Result<Receipt, NotifyError> {
        let attempt = AssertUnwindSafe(self.notifier.notify(message)).catch_unwind();
        let retryable = |message: String| NotifyError::Retryable { message, retry_after: None };
        match tokio::time::timeout(self.limit, attempt).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(retryable("the notifier itself panicked: this is a fault of breakwatch".to_owned()))
            }
            Err(_) => Err(retryable(format!("no answer within {} s", self.limit.as_secs()))),
        }
    }
}

/// The bounded reason label, in the words Alertmanager's metrics use where they fit.
fn reason(error: &NotifyError) -> &'static str {
    match error {
        NotifyError::Rejected(_) => "clientError",
        NotifyError::Misconfigured(_) => "authError",
        NotifyError::Retryable { retry_after: Some(_), .. } => "rateLimited",
        NotifyError::Retryable { message, .. } if message.starts_with("no answer within") => {
            "contextDeadlineExceeded"
        }
        NotifyError::Retryable { .. } => "serverError",
    }
}

#[cfg(test)]
mod tests;
