//! Rule groups: what they are in force now, what replaces them, what others may know of them. How they are evaluated is
//! in [`evaluation`].

pub mod evaluation;
mod families;
pub mod files;

use std::sync::Arc;

use breakwatch_alerts::Alerting;
use breakwatch_alerts::rules::{Appending, Groups, SampleSink as _};
use breakwatch_model::{Clock, Labels, Sample, StateStore, Table};
use breakwatch_promql::Engine;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::alerting::{self, Input};
use crate::checks::scheduler::Pulse;
use crate::store::StoreHandle;
use crate::telemetry::instruments::Instruments;
use evaluation::{ALIVE, Evaluation, Replacement};
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
    /// `$externalURL`, and the stem of links.
    pub external_url: String,
}

/// The rule groups of the running daemon. Cloning gives another handle.
#[derive(Clone)]
pub struct Rules {
    parts: Arc<Parts>,
    current: Arc<Mutex<Current>>,
    replacements: mpsc::Sender<Replacement>,
    pulse: Arc<Pulse>,
}

/// What is in force.
#[derive(Clone)]
struct Current {
    groups: Groups,
    external_labels: Arc<Labels>,
}

impl Rules {
    /// Groups of these files, with the alert instances of before the start, and what evaluates them.
    #[must_use]
    pub fn new(parts: Parts, files: &RuleFiles) -> (Self, Evaluation) {
        let now = parts.clock.now();
        let groups = Groups::new(&files.files, files.defaults);
        let alive = parts.state.get(Table::Meta, ALIVE).and_then(|value| serde_json::from_slice(&value).ok());
        let batch = groups.restore(&parts.state.table(Table::Alerts), alive, now);
        parts.alerting.tell(Input::Rules(Vec::new(), batch));
        let current = Current { groups, external_labels: Arc::new(files.external_labels.clone()) };
        let (replacements, arriving) = mpsc::channel(1);
        let pulse = Arc::new(Pulse::new(parts.clock.monotonic()));
        let current = Arc::new(Mutex::new(current));
        let rules = Self { parts: Arc::new(parts), current, replacements, pulse };
        (rules.clone(), Evaluation::new(rules, arriving))
    }

    /// When rules were last looked at.
    #[must_use]
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// The groups in force. They may be read while they are evaluated.
    #[must_use]
    pub fn groups(&self) -> Groups {
        self.current.lock().groups.clone()
    }

    /// Puts other files in force: rules of the same name keep their state, series and alerts of others end. Waits for
    /// evaluations under way.
    pub async fn replace(&self, files: RuleFiles) {
        let (done, replaced) = oneshot::channel();
        // Nobody takes it only when the daemon is going down.
        if self.replacements.send(Replacement { files, done }).await.is_ok() {
            let _ = replaced.await;
        }
    }

    /// Puts other files in force while nothing is evaluated. Blocks.
    fn put_in_force(&self, files: &RuleFiles) {
        // Only evaluation calls this, so the groups cannot change in between, and readers need not wait for the work.
        let mut groups = self.groups();
        let reloaded = groups.reload(&files.files, files.defaults);
        let external_labels = Arc::new(files.external_labels.clone());
        *self.current.lock() = Current { groups, external_labels };
        let now = self.parts.clock.now();
        let ended: Vec<(Labels, Sample)> =
            reloaded.ended_series.into_iter().map(|labels| (labels, Sample::stale(now))).collect();
        if let Err(error) = Appending(&*self.parts.store.appender()).write(&ended) {
            tracing::warn!(%error, "series of rules that are gone could not be ended");
        }
        self.parts.alerting.tell(Input::Rules(Vec::new(), reloaded.batch));
    }

    /// Ends alerts whose rule is gone. Nothing may be evaluated meanwhile: what fires is told before what comes later.
    async fn reconcile(&self) {
        let Current { groups, external_labels: external } = self.current.lock().clone();
        let Ok(firing) = tokio::task::spawn_blocking(move || groups.firing_labels()).await else { return };
        // What left with external labels is known to its rule without them, unless it had them itself.
        let own = move |labels: &Labels| labels.filtered(|name| external.get(name) != labels.get(name));
        let holds = move |labels: &Labels| firing.contains(labels) || firing.contains(&own(labels));
        let reconcile = move |alerting: &mut Alerting, now| alerting.reconcile_rules(holds, now);
        let _ = self.parts.alerting.call(reconcile).await;
    }
}
