//! Evaluates rule groups: one timer each, results into the store, alerts to alerting.

pub mod files;

use std::sync::Arc;

use breakwatch_model::{Clock, StateStore};
use breakwatch_promql::engine::Engine;
use tokio::sync::{mpsc, watch};

use crate::alerting;
use crate::checks::series::Identity;
use crate::store::StoreHandle;
use crate::telemetry::instruments::Instruments;
use files::RuleFiles;

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
    /// The labels of stored series.
    pub identity: Identity,
    /// For links in annotations.
    pub external_url: String,
}

/// Tells the task which groups there are, and shows them.
#[derive(Clone)]
pub struct Handle {
    replace: mpsc::UnboundedSender<RuleFiles>,
}

/// The task.
pub struct Task {
    parts: Parts,
    files: mpsc::UnboundedReceiver<RuleFiles>,
}

/// A task without groups, and its handle.
#[must_use]
pub fn new(parts: Parts) -> (Handle, Task) {
    let (replace, files) = mpsc::unbounded_channel();
    (Handle { replace }, Task { parts, files })
}

impl Handle {
    /// Evaluates these groups from now on.
    pub fn replace(&self, files: RuleFiles) {
        let _ = self.replace.send(files);
    }
}

impl Task {
    /// Runs until `stop` says so.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let _ = &self.parts;
        loop {
            tokio::select! {
                _ = self.files.recv() => {}
                _ = stop.changed() => return,
            }
        }
    }
}
