//! Asking for a reload, and what became of the last one. The reload itself is wiring's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use breakwatch_model::{Labels, MetricFamily, Timestamp};
use tokio::sync::{mpsc, oneshot};

/// Why a reload did not take place. The configuration in force stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadError {
    /// The new configuration cannot be used: every mistake, one a line.
    Invalid(String),
    /// The daemon is going down.
    Stopping,
}

/// A wish for a reload; the answer says what became of it.
pub type ReloadRequest = oneshot::Sender<Result<(), ReloadError>>;

/// Asks for reloads. Cloning gives another handle.
#[derive(Clone)]
pub struct ReloadHandle {
    requests: mpsc::Sender<ReloadRequest>,
    outcome: Arc<Outcome>,
}

#[derive(Debug)]
struct Outcome {
    successful: AtomicBool,
    api: AtomicBool,
    succeeded_at: AtomicI64,
}

impl ReloadHandle {
    /// A handle, and the end where requests arrive. Loading at the start counts as the first reload.
    #[must_use]
    pub fn new(now: Timestamp) -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (requests, receiver) = mpsc::channel(4);
        let outcome = Outcome {
            successful: AtomicBool::new(true),
            api: AtomicBool::new(false),
            succeeded_at: AtomicI64::new(now.0),
        };
        (Self { requests, outcome: Arc::new(outcome) }, receiver)
    }

    /// Reloads, and waits for the outcome.
    ///
    /// # Errors
    /// Why nothing has changed.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let (answer, outcome) = oneshot::channel();
        self.requests.send(answer).await.map_err(|_| ReloadError::Stopping)?;
        outcome.await.map_err(|_| ReloadError::Stopping)?
    }

    /// Says whether reloads may be asked for by HTTP.
    pub fn enable_api(&self, enabled: bool) {
        self.outcome.api.store(enabled, Ordering::Relaxed);
    }

    /// Whether reloads may be asked for by HTTP.
    #[must_use]
    pub fn api_enabled(&self) -> bool {
        self.outcome.api.load(Ordering::Relaxed)
    }

    /// Notes what became of a reload.
    pub fn note(&self, successful: bool, now: Timestamp) {
        self.outcome.successful.store(successful, Ordering::Relaxed);
        if successful {
            self.outcome.succeeded_at.store(now.0, Ordering::Relaxed);
        }
    }

    /// Whether the last reload succeeded.
    #[must_use]
    pub fn successful(&self) -> bool {
        self.outcome.successful.load(Ordering::Relaxed)
    }

    /// When the configuration was last loaded.
    #[must_use]
    pub fn succeeded_at(&self) -> Timestamp {
        Timestamp(self.outcome.succeeded_at.load(Ordering::Relaxed))
    }

    /// The last outcome as metric families.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let (successful, at) = (self.successful(), self.succeeded_at());
        let one = |family: MetricFamily, value| family.with(Labels::empty(), value);
        vec![
            one(
                MetricFamily::gauge(
                    "breakwatch_config_last_reload_successful",
                    "",
                    "Whether the last reload of the configuration succeeded.",
                ),
                f64::from(u8::from(successful)),
            ),
            one(
                MetricFamily::gauge(
                    "breakwatch_config_last_reload_success_timestamp_seconds",
                    "seconds",
                    "When the configuration was last loaded.",
                ),
                at.as_secs_f64(),
            ),
        ]
    }
}
