//! Sends stored samples to exporters: one loop each, following the store by a durable cursor.
//!
//! The cursor moves only when the other side has answered, so nothing inside retention is lost, and a crash sends
//! at most one batch again, with the same series and times. A peer that is down, slow or refuses costs memory for
//! one batch and delays nothing else.

mod batch;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_breaker::Outcome;
use breakwatch_exporters::{Delivery, RetrySettings};
use breakwatch_model::{Batch, Clock, Cursor, Follower, SeriesRef, StateStore, Table};
use breakwatch_plugin_api::{ExportError, ExportSeries, Exporter, SampleBatch};
use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::breakers::Guard;
use crate::telemetry::instruments::Instruments;

/// How long to wait for more samples once caught up, at least: the store makes samples durable every second, and a
/// few seconds of them make a request worth its overhead.
const IDLE: Duration = Duration::from_secs(2);
/// The wait before the store is asked again after it could not be read.
const STORE_RETRY: Duration = Duration::from_secs(5);
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
    /// What happens after a failure, and how much is sent at once.
    pub delivery: Delivery,
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
        let mut failures = Failures::default();
        let idle = self.delivery.batch.flush_timeout.max(IDLE);
        loop {
            let stopping = *stop.borrow();
            let followed = self.follow(cursor).await;
            let wait = match followed {
                None => STORE_RETRY,
                Some(followed) => {
                    let batch = batch::build(&followed.samples, &*self.follower, &mut series);
                    let sent = self.send(&batch, failures.any()).await;
                    let given_up =
                        sent.is_err() && failures.give_up(&self.delivery.retry, self.clock.monotonic());
                    match sent {
                        Err(asked) if !given_up => {
                            asked.unwrap_or_else(|| failures.wait(&self.delivery.retry, &mut rng))
                        }
                        sent => {
                            if sent.is_err() {
                                self.drop_batch(&batch);
                            }
                            failures = Failures::default();
                            let moved = followed.next != cursor;
                            cursor = followed.next;
                            if moved {
                                self.save_cursor(cursor).await;
                            }
                            if followed.caught_up { idle } else { Duration::ZERO }
                        }
                    }
                }
            };
            if stopping && (failures.any() || wait == idle) {
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

    /// Sends a batch, perhaps not for the first time; on failure says how long the other side asked to wait, if it
    /// did.
    async fn send(&self, batch: &SampleBatch, again: bool) -> Result<(), Option<Duration>> {
        let points: u64 = batch.series.iter().map(|series| series.samples.len() as u64).sum();
        if points == 0 {
            return Ok(());
        }
        let (permit, _) = self.guard.breaker.admit(self.clock.monotonic());
        let permit = permit.map_err(|rejected| rejected.retry_after)?;
        if again {
            let kind = self.id.split('/').next().unwrap_or(&self.id);
            self.instruments.retried("exporter", kind);
        }
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

    /// A batch that the settings say not to keep trying.
    fn drop_batch(&self, batch: &SampleBatch) {
        let points: u64 = batch.series.iter().map(|series| series.samples.len() as u64).sum();
        tracing::warn!(exporter = &*self.id, points, "a batch was given up as `retry_on_failure` says");
        self.instruments.exported(&self.id, 0, points, Duration::ZERO);
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

/// Failed attempts at one batch.
#[derive(Default)]
struct Failures {
    count: u32,
    since: Option<Instant>,
}

impl Failures {
    /// Counts a failure; says whether the batch is to be given up.
    fn give_up(&mut self, retry: &RetrySettings, now: Instant) -> bool {
        self.count = self.count.saturating_add(1);
        let since = *self.since.get_or_insert(now);
        let limited = !retry.max_elapsed_time.is_zero();
        !retry.enabled || limited && now.saturating_duration_since(since) >= retry.max_elapsed_time
    }

    /// How long to wait: growing to a cap, random to both sides so that several daemons do not come back together.
    fn wait(&self, retry: &RetrySettings, rng: &mut fastrand::Rng) -> Duration {
        let exponent = i32::try_from(self.count.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = retry.initial_interval.as_secs_f64() * retry.multiplier.powi(exponent);
        let capped = grown.min(retry.max_interval.as_secs_f64());
        let random = 1.0 + retry.randomization_factor * (2.0 * rng.f64() - 1.0);
        Duration::try_from_secs_f64(capped * random).unwrap_or(retry.max_interval)
    }

    fn any(&self) -> bool {
        self.count > 0
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_model::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn waits_grow_to_their_cap_and_end_when_they_are_told_to() {
        let retry = RetrySettings { max_elapsed_time: Duration::from_secs(60), ..RetrySettings::default() };
        let (start, mut rng) = (SystemClock.monotonic(), fastrand::Rng::with_seed(7));
        let mut failures = Failures::default();
        assert!(!failures.give_up(&retry, start));
        let first = failures.wait(&retry, &mut rng);
        for _ in 0..50 {
            assert!(!failures.give_up(&retry, start + Duration::from_secs(59)));
        }
        let late = failures.wait(&retry, &mut rng);
        assert!(
            first < late && late <= retry.max_interval.mul_f64(1.0 + retry.randomization_factor),
            "{first:?} {late:?}"
        );
        assert!(failures.give_up(&retry, start + Duration::from_secs(60)));
        let never = RetrySettings { enabled: false, ..RetrySettings::default() };
        assert!(Failures::default().give_up(&never, start));
    }
}
