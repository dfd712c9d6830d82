//! What the daemon's tasks and handlers share. Wiring fills it once; everything in it is safe to use from anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use breakwatch_model::{Batch, Clock, Queryable, StateStore, StorageError, Table, Timestamp};
use breakwatch_promql::Engine;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::alerting;
use crate::breakers::Breakers;
use crate::bulkhead::Bulkheads;
use crate::changes::Changes;
use crate::checks::observer::Observer;
use crate::checks::scheduler::{Command, Pulse};
use crate::checks::unit::CheckUnit;
use crate::checks::unit::Units;
use crate::http::auth::Auth;
use crate::reload::ReloadHandle;
use crate::rules::Rules;
use crate::store::StoreHandle;
use crate::telemetry::instruments::Instruments;
use crate::vitals::Vitals;

/// The daemon's version, as `--version`, `/metrics` and the API give it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The running daemon.
pub struct Shared {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When the process started, by the wall.
    pub started_at: Timestamp,
    /// When the process started, for durations.
    pub started: Instant,
    /// The `instance` label of everything stored.
    pub instance: String,
    /// Where people reach the pages, without a trailing slash.
    pub external_url: String,
    /// The path all routes lie under, without a trailing slash; usually empty.
    pub path_prefix: String,
    /// How many may read at once.
    pub max_concurrent_reads: usize,
    /// Who may do what.
    pub auth: ArcSwap<Auth>,
    /// The effective configuration as text, without secrets.
    pub config_text: ArcSwap<String>,
    /// Checks.
    pub units: Units,
    /// Events, canaries, dependencies.
    pub observer: Arc<Observer>,
    /// Bulkheads.
    pub bulkheads: Arc<Bulkheads>,
    /// Breakers.
    pub breakers: Arc<Breakers>,
    /// Tells the scheduler what to do.
    pub scheduler: mpsc::Sender<Command>,
    /// The scheduler's pulse.
    pub pulse: Arc<Pulse>,
    /// The daemon's own metrics.
    pub instruments: Instruments,
    /// Tells that something changed.
    pub changes: Changes,
    /// History.
    pub store: StoreHandle,
    /// State.
    pub state: Arc<dyn StateStore>,
    /// PromQL.
    pub engine: Arc<Engine>,
    /// Alerts, groups, silences, outbox.
    pub alerting: alerting::Handle,
    /// Rule groups.
    pub rules: Rules,
    /// Reloads the configuration.
    pub reload: ReloadHandle,
    /// Whether configuration and store are loaded; see [`Shared::is_ready`].
    pub ready: AtomicBool,
}

impl Shared {
    /// The pulses of the loops that pages depend on.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals {
            scheduler: Arc::clone(&self.pulse),
            rules: self.rules.pulse(),
            alerting: self.alerting.clone(),
        }
    }

    /// Every check, by name.
    #[must_use]
    pub fn checks(&self) -> Vec<Arc<CheckUnit>> {
        self.units.read().values().cloned().collect()
    }

    /// What PromQL reads.
    #[must_use]
    pub fn queryable(&self) -> Arc<dyn Queryable> {
        self.store.queryable()
    }

    /// Whether configuration and store are loaded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Says whether the daemon is ready.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Writes to the audit log who did what to what and why, durably.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub async fn audit(&self, entry: AuditEntry) -> Result<(), StorageError> {
        let mut batch = Batch::new();
        let value = serde_json::to_vec(&entry).map_err(|error| StorageError::Corrupt(error.to_string()))?;
        batch.append(Table::Audit, self.clock.now(), value);
        let state = Arc::clone(&self.state);
        tokio::task::spawn_blocking(move || state.commit(batch))
            .await
            .unwrap_or_else(|error| Err(StorageError::Unavailable(error.to_string())))
    }
}

/// A line of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Who, as far as the credentials tell.
    pub actor: String,
    /// What was done: `breaker.reset`, `check.run`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Why, in the actor's words.
    pub reason: String,
}
