//! Sends stored samples to exporters: one loop each, following the store by a durable cursor.
//!
//! The cursor moves only when the other side has answered, so nothing inside retention is lost, and a crash sends
//! at most one batch again, with the same series and times. A peer that is down, slow or refuses costs memory for
//! one batch and delays nothing else.

mod batch;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_breaker::Outcome;
use breakwatch_model::{Batch, Clock, Cursor, Follower, SeriesRef, StateStore, Table};
use breakwatch_plugin_api::{ExportError, ExportSeries, Exporter, SampleBatch};
use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::breakers::Guard;
use crate::telemetry::instruments::Instruments;

/// How long to wait for more samples once caught up: the store makes samples durable every second, and a few
/// seconds of them make a request worth its overhead.
const IDLE: Duration = Duration::from_secs(5);
/// First and longest wait after a failed attempt.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_CAP: Duration = Duration::from_secs(30);
/// The most one export call may take in all.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// What a loop is made of.
pub struct ExportLoop {
    /// The component id, also the cursor's key.
    pub id: Arc<str>,
    /// Sends.
    pub exporter: Arc<dyn Exporter>,
    /// Its breaker.
    pub guard: Arc<Guard>,
    /// What was appended.
    pub follower: Arc<dyn Follower>,
    /// Keeps the cursor.
    pub state: Arc<dyn StateStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The daemon's own metrics.
    pub instruments: Instruments,
}

impl ExportLoop {
    /// Runs until `stop` says so; what is durable by then is sent once more if that takes no retry.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut cursor = self.load_cursor();
        let mut series: HashMap<SeriesRef, Option<Arc<ExportSeries>>> = HashMap::new();
        let mut rng = fastrand::Rng::new();
        let mut attempts = 0u32;
        loop {
            let stopping = *stop.borrow();
            let followed = self.follow(cursor).await;
            let wait = match followed {
                None => RETRY_CAP,
                Some(followed) => {
                    let batch = batch::build(&followed.samples, &*self.follower, &mut series);
                    match self.send(&batch).await {
                        Ok(()) => {
                            attempts = 0;
                            let moved = followed.next != cursor;
                            cursor = followed.next;
                            if moved {
                                self.save_cursor(cursor).await;
                            }
                            if followed.caught_up { IDLE } else { Duration::ZERO }
                        }
                        Err(asked) => {
                            attempts = attempts.saturating_add(1);
                            asked.unwrap_or_else(|| backoff(attempts, &mut rng)).min(RETRY_CAP * 2)
                        }
                    }
                }
            };
            if stopping && (attempts > 0 || wait == IDLE) {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = stop.changed(), if !stopping => if changed.is_err() { return },
            }
        }
    }

    async fn follow(&self, cursor: Cursor) -> Option<breakwatch_model::Followed> {
        let (follower, size) = (Arc::clone(&self.follower), self.exporter.batch_size());
        let followed = tokio::task::spawn_blocking(move || follower.follow(cursor, size)).await;
        match followed {
            Ok(Ok(followed)) => Some(followed),
            Ok(Err(error)) => {
                tracing::warn!(exporter = &*self.id, %error, "the store cannot be followed");
                None
            }
            Err(error) => {
                tracing::error!(exporter = &*self.id, %error, "following the store ended abnormally");
                None
            }
        }
    }

    /// Sends a batch; on failure says how long the other side asked to wait, if it did.
    async fn send(&self, batch: &SampleBatch) -> Result<(), Option<Duration>> {
        let points: u64 = batch.series.iter().map(|series| series.samples.len() as u64).sum();
        if points == 0 {
            return Ok(());
        }
        let (permit, _) = self.guard.breaker.admit(self.clock.monotonic());
        let permit = permit.map_err(|rejected| rejected.retry_after)?;
        let started = self.clock.monotonic();
        let attempt = AssertUnwindSafe(self.exporter.export(batch)).catch_unwind();
        let result = match tokio::time::timeout(ATTEMPT_TIMEOUT, attempt).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(retryable("the exporter itself panicked: this is a fault of breakwatch")),
            Err(_) => Err(retryable("no answer in time")),
        };
        let now = self.clock.monotonic();
        let duration = now.saturating_duration_since(started);
        self.guard.observe_call(duration);
        let (outcome, sent, failed, end) = match result {
            Ok(exported) => {
                if exported.refused > 0 {
                    let (exporter, refused) = (&*self.id, exported.refused);
                    tracing::warn!(
                        exporter,
                        refused,
                        message = exported.message,
                        "points were refused for good"
                    );
                }
                (Outcome::Success, exported.accepted, exported.refused, Ok(()))
            }
            Err(ExportError::Rejected(message)) => {
                tracing::warn!(exporter = &*self.id, points, message, "a batch was rejected for good");
                (Outcome::Success, 0, points, Ok(()))
            }
            Err(ExportError::Retryable { message, retry_after }) => {
                tracing::warn!(exporter = &*self.id, message, "export_failed");
                (Outcome::Failure, 0, 0, Err(retry_after))
            }
        };
        let _ = permit.record_timed(outcome, duration, now);
        self.instruments.exported(&self.id, sent, failed, duration);
        end
    }

    fn load_cursor(&self) -> Cursor {
        let saved = self.state.get(Table::Cursors, &self.id);
        let cursor = saved.and_then(|value| serde_json::from_slice(&value).ok());
        // A new exporter begins with what happens from now on.
        cursor.unwrap_or_else(|| self.follower.end())
    }

    async fn save_cursor(&self, cursor: Cursor) {
        let Ok(value) = serde_json::to_vec(&cursor) else { return };
        let mut batch = Batch::new();
        batch.put(Table::Cursors, &*self.id, value);
        let state = Arc::clone(&self.state);
        let saved = tokio::task::spawn_blocking(move || state.commit(batch)).await;
        if let Ok(Err(error)) = saved {
            // Sending goes on; after a crash these samples would be sent again, which their times make harmless.
            tracing::warn!(exporter = &*self.id, %error, "the exporter's position could not be kept");
        }
    }
}

fn retryable(message: &str) -> ExportError {
    ExportError::Retryable { message: message.to_owned(), retry_after: None }
}

/// Doubling, with the upper half random so that several daemons do not come back together.
fn backoff(attempts: u32, rng: &mut fastrand::Rng) -> Duration {
    let doubled =
        RETRY_FIRST.saturating_mul(1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(RETRY_CAP).mul_f64(0.5 + 0.5 * rng.f64())
}
