//! Heartbeats: a dead-man's switch outside is told that this daemon is alive, and notices when it is not.
//!
//! A ping says more than "the process exists": it is withheld while checks, rules, alerting or a sender are stuck,
//! because a daemon that cannot page is as good as dead. Pings pass by the outbox: one that is late is worth nothing.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_breaker::Outcome;
use breakwatch_model::{AlertStatus, Clock, Labels};
use breakwatch_plugin_api::{Notification, Notifier, NotifyError};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::Receivers;
use super::sender::ATTEMPT_TIMEOUT;
use crate::breakers::Guard;
use crate::vitals::Vitals;

/// The running heartbeats. Dropping it ends them.
pub struct Heartbeats {
    vitals: Vitals,
    clock: Arc<dyn Clock>,
    tasks: JoinSet<()>,
}

impl Heartbeats {
    /// None yet.
    #[must_use]
    pub fn new(vitals: Vitals, clock: Arc<dyn Clock>) -> Self {
        Self { vitals, clock, tasks: JoinSet::new() }
    }

    /// Starts the heartbeats of a configuration in the place of those of the one before.
    pub fn replace(&mut self, receivers: &Receivers) {
        self.tasks = JoinSet::new();
        for (key, interval) in &receivers.heartbeats {
            let Some(notifier) = receivers.notifiers.get(key) else { continue };
            let heartbeat = Heartbeat {
                key: Arc::clone(key),
                interval: *interval,
                notifier: Arc::clone(notifier),
                guard: receivers.guards.get(key).cloned(),
                vitals: self.vitals.clone(),
                clock: Arc::clone(&self.clock),
            };
            self.tasks.spawn(heartbeat.run());
        }
    }
}

struct Heartbeat {
    key: Arc<str>,
    interval: Duration,
    notifier: Arc<dyn Notifier>,
    guard: Option<Arc<Guard>>,
    vitals: Vitals,
    clock: Arc<dyn Clock>,
}

impl Heartbeat {
    async fn run(self) {
        let mut ticks = tokio::time::interval(self.interval);
        // A ping that was missed is missed: several at once would say nothing more.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut withheld = false;
        loop {
            ticks.tick().await;
            match self.vitals.trouble(self.clock.monotonic()) {
                Some(why) => {
                    if !withheld {
                        tracing::error!(integration = &*self.key, why, "heartbeat_withheld");
                    }
                    withheld = true;
                }
                None => {
                    if withheld {
                        tracing::info!(integration = &*self.key, "heartbeat_resumed");
                    }
                    withheld = false;
                    self.ping().await;
                }
            }
        }
    }

    /// One ping. It goes out even while the breaker is open, as silence would be understood as death; the breaker
    /// hears of the outcome where it asks, so that a wrong URL becomes an alert.
    async fn ping(&self) {
        let permit = self.guard.as_ref().map(|guard| guard.breaker.admit(self.clock.monotonic()).0);
        let message = sign_of_life(&self.key, &*self.clock);
        let started = self.clock.monotonic();
        let limit = self.interval.clamp(Duration::from_secs(1), ATTEMPT_TIMEOUT);
        let sent = match tokio::time::timeout(limit, self.notifier.notify(&message)).await {
            Ok(sent) => sent.map(drop),
            Err(_) => Err(NotifyError::Retryable {
                message: format!("no answer within {} s", limit.as_secs()),
                retry_after: None,
            }),
        };
        if let Err(error) = &sent {
            tracing::warn!(integration = &*self.key, %error, "heartbeat_failed");
        }
        if let Some(Ok(permit)) = permit {
            let now = self.clock.monotonic();
            let outcome = if sent.is_ok() { Outcome::Success } else { Outcome::Failure };
            let _ = permit.record_timed(outcome, now.saturating_duration_since(started), now);
        }
    }
}

/// A message about nothing but being alive.
fn sign_of_life(key: &str, clock: &dyn Clock) -> Notification {
    let (receiver, integration) = key.rsplit_once('/').unwrap_or((key, ""));
    Notification {
        id: "heartbeat".to_owned(),
        receiver: receiver.to_owned(),
        integration: integration.to_owned(),
        group_key: "heartbeat".to_owned(),
        group_labels: Labels::empty(),
        status: AlertStatus::Firing,
        alerts: Vec::new(),
        truncated_alerts: 0,
        transition: None,
        created_at: clock.now(),
        notes: Vec::new(),
        external_url: String::new(),
        first: None,
        previous: None,
    }
}
