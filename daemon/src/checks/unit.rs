//! A check at run time: what was configured, its breaker, and what is known of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Impact, Labels, Status, Timestamp};
use breakwatch_plugin_api::{Check, ComponentId, Level};
use parking_lot::{Mutex, RwLock};

use super::pause::PauseSwitch;
use super::results::CheckState;
use super::series::Source;
use crate::breakers::Guard;

/// How a check is probed while its breaker is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProbePace {
    /// Wait for the breaker's backoff: spares a target that is down.
    #[default]
    Stretch,
    /// Keep the interval: for what costs nothing to look at, such as the host itself.
    Normal,
    /// Look again after the retry interval: for what must be seen to come back at once.
    Fast,
}

/// How a check is run and what is said about it, as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSettings {
    /// The distance between runs.
    pub interval: Duration,
    /// How long a run may take.
    pub timeout: Duration,
    /// How many times a first failure is looked at again before it counts.
    pub retries: u32,
    /// The wait before each of those, and between probes while the breaker is half-open.
    pub retry_interval: Duration,
    /// How it is probed while its breaker is open.
    pub pace: ProbePace,
    /// Failures in this time after the start of the daemon do not count.
    pub start_grace: Duration,
    /// Healthy means unhealthy and the other way round.
    pub negate: bool,
    /// Whether it tells an outage of the daemon's own link from one of its targets.
    pub canary: bool,
    /// Looks at this host alone and depends on nothing else: believed even while the daemon is cut off.
    pub local: bool,
    /// Labels the user gave.
    pub labels: Labels,
    /// How bad a failure is for the whole.
    pub impact: Impact,
    /// The group the check is counted under.
    pub category: String,
    /// Checks this one cannot work without.
    pub depends_on: Vec<Arc<str>>,
    /// One sentence for people.
    pub description: String,
    /// Where to read what to do.
    pub runbook_url: String,
    /// Where to look at graphs.
    pub dashboard_url: String,
}

/// The checks of the running daemon, by name.
pub type Units = Arc<RwLock<BTreeMap<Arc<str>, Arc<CheckUnit>>>>;

/// One check of the running daemon.
pub struct CheckUnit {
    /// The component id.
    pub id: ComponentId,
    /// The id as text: the `check` label and the breaker's name.
    pub name: Arc<str>,
    /// The plugin.
    pub check: Arc<dyn Check>,
    /// What is looked at, without credentials.
    pub target: Arc<str>,
    /// Settings.
    pub settings: CheckSettings,
    /// A digest of the settings this was built from; the same digest means an unchanged check.
    pub fingerprint: u64,
    /// The breaker.
    pub guard: Arc<Guard>,
    /// `check`, `type`, `target` and the user's labels.
    pub labels: Labels,
    /// What is known.
    pub state: Mutex<CheckState>,
    /// The levels of the run before, for hysteresis.
    pub levels: Mutex<BTreeMap<&'static str, Level>>,
    /// The series written last.
    pub source: Source,
    /// Whether it is suspended.
    pub pause: PauseSwitch,
}

impl CheckUnit {
    /// A check that has not run yet, and is not paused.
    pub fn new(
        id: ComponentId,
        check: Arc<dyn Check>,
        settings: CheckSettings,
        fingerprint: u64,
        guard: Arc<Guard>,
    ) -> Self {
        let name: Arc<str> = id.to_string().into();
        let target: Arc<str> = check.target().into();
        let own = [("check", &*name), ("type", &*id.kind), ("target", &*target)];
        // The user's labels never hide which check it is.
        let labels = settings.labels.merged(&Labels::from_pairs(own));
        Self {
            id,
            name,
            check,
            target,
            settings,
            fingerprint,
            guard,
            labels,
            state: Mutex::default(),
            levels: Mutex::default(),
            source: Source::default(),
            pause: PauseSwitch::default(),
        }
    }

    /// Takes over what an earlier unit of the same check knew.
    pub fn inherit(&self, earlier: &Self) {
        *self.state.lock() = std::mem::take(&mut *earlier.state.lock());
        *self.levels.lock() = std::mem::take(&mut *earlier.levels.lock());
        self.source.inherit(&earlier.source);
        self.pause.inherit(&earlier.pause);
    }

    /// The status at `now`; a paused check is unknown.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if self.is_paused() { Status::Unknown } else { self.state.lock().status(now) }
    }

    /// Whether runs are suspended.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pause.is_paused()
    }
}

impl fmt::Debug for CheckUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "check {}", self.name)
    }
}
