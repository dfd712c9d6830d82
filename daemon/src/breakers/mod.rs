//! The breakers of the daemon: one on every check, notifier and exporter, and one on the store.
//!
//! A [`Guard`] is a breaker with a name, a kind and its call statistics. Whoever makes a call admits it through
//! the guard; whoever wants to know of transitions is told by the guard's listener, on the thread that caused
//! them and after the breaker's lock is free.

mod families;
mod histogram;
mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_breaker::{Breaker, Config, InvalidConfig, Snapshot, State, Transition};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

pub use families::{WITHOUT_HISTOGRAMS, families, values};
pub(crate) use histogram::Histogram;

/// What a breaker stands in front of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum GuardKind {
    /// A check's target.
    Check,
    /// A receiver's integration.
    Notifier,
    /// An exporter's peer.
    Exporter,
    /// The history store's disk.
    Store,
}

impl GuardKind {
    /// The value of the `kind` label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Notifier => "notifier",
            Self::Exporter => "exporter",
            Self::Store => "store",
        }
    }
}

/// Is told of every transition of every guard.
pub type TransitionListener = Arc<dyn Fn(&Arc<Guard>, &Transition) + Send + Sync>;

/// A breaker with its place in the daemon.
pub struct Guard {
    /// Unique among all breakers: `http/website`, `ops/slack[0]`, `otlp/main`.
    pub name: Arc<str>,
    /// What it stands in front of.
    pub kind: GuardKind,
    /// The breaker.
    pub breaker: Breaker,
    call_durations: Mutex<Histogram>,
    recovery_durations: Mutex<Histogram>,
}

impl Guard {
    /// Notes how long a call took.
    pub fn observe_call(&self, duration: Duration) {
        self.call_durations.lock().observe(duration);
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind.as_str(), self.name, self.breaker.state())
    }
}

/// Every breaker of the daemon, by name.
pub struct Breakers {
    guards: RwLock<BTreeMap<Arc<str>, Arc<Guard>>>,
    listener: TransitionListener,
    transitioned: Arc<Transitioned>,
}

/// The breakers that have changed their state since somebody asked.
#[derive(Default)]
struct Transitioned {
    names: Mutex<BTreeSet<Arc<str>>>,
    news: Notify,
}

impl Breakers {
    /// An empty registry; `listener` hears of every transition, after it is logged.
    #[must_use]
    pub fn new(listener: TransitionListener) -> Self {
        Self { guards: RwLock::default(), listener, transitioned: Arc::default() }
    }

    /// The guard of this name and kind. A guard that exists with the same settings is kept with all it knows; with
    /// other settings its state is carried over. `restored` is the state from before the daemon's start.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn ensure(
        &self,
        name: &Arc<str>,
        kind: GuardKind,
        config: Config,
        restored: Option<Snapshot>,
        now: Instant,
    ) -> Result<Arc<Guard>, InvalidConfig> {
        let existing = self.get(name);
        if let Some(guard) = &existing
            && guard.breaker.config() == &config
            && guard.kind == kind
        {
            return Ok(Arc::clone(guard));
        }
        let breaker = Breaker::new(Arc::clone(name), config, now)?;
        let carried = existing.map(|guard| guard.breaker.snapshot(now)).or(restored);
        if let Some(snapshot) = carried {
            breaker.restore(&snapshot, now);
        }
        let guard = Arc::new(Guard {
            name: Arc::clone(name),
            kind,
            breaker,
            call_durations: Mutex::default(),
            recovery_durations: Mutex::default(),
        });
        self.listen(&guard);
        self.guards.write().insert(Arc::clone(name), Arc::clone(&guard));
        Ok(guard)
    }

    fn listen(&self, guard: &Arc<Guard>) {
        // A weak reference: the breaker belongs to the guard and must not keep it alive.
        let (weak, listener) = (Arc::downgrade(guard), Arc::clone(&self.listener));
        let transitioned = Arc::clone(&self.transitioned);
        guard.breaker.on_transition(move |transition| {
            let Some(guard) = weak.upgrade() else { return };
            if let Some(duration) = transition.recovery_duration() {
                guard.recovery_durations.lock().observe(duration);
            }
            log::transition(&guard, transition);
            listener(&guard, transition);
            transitioned.names.lock().insert(Arc::clone(&guard.name));
            transitioned.news.notify_one();
        });
    }

    /// Waits for a transition of any breaker. For one waiter.
    pub async fn transitioned(&self) {
        self.transitioned.news.notified().await;
    }

    /// The breakers that have changed their state since the last call.
    #[must_use]
    pub fn take_transitioned(&self) -> Vec<Arc<Guard>> {
        let names = std::mem::take(&mut *self.transitioned.names.lock());
        names.iter().filter_map(|name| self.get(name)).collect()
    }

    /// The guard of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Guard>> {
        self.guards.read().get(name).map(Arc::clone)
    }

    /// Whether there is a breaker of this name and it is open or half-open.
    #[must_use]
    pub fn is_open(&self, name: &str) -> bool {
        self.get(name).is_some_and(|guard| guard.breaker.state() != State::Closed)
    }

    /// Every guard, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Guard>> {
        self.guards.read().values().map(Arc::clone).collect()
    }

    /// Forgets guards that are no longer wanted.
    pub fn retain(&self, keep: impl Fn(&Guard) -> bool) {
        self.guards.write().retain(|_, guard| keep(guard));
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_breaker::{Outcome, Preset};
    use breakwatch_model::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn a_guard_keeps_its_state_when_its_settings_change() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let listener: TransitionListener =
            Arc::new(move |guard, transition| sink.lock().push((guard.name.to_string(), transition.to)));
        let breakers = Breakers::new(listener);
        let (name, now) = (Arc::from("http/a"), SystemClock.monotonic());
        let config = Preset::Check.config();
        let guard = breakers.ensure(&name, GuardKind::Check, config.clone(), None, now).unwrap();
        for _ in 0..3 {
            guard.breaker.admit(now).0.unwrap().record(Outcome::Failure, now);
        }
        assert_eq!(*heard.lock(), [("http/a".to_owned(), State::Open)]);
        let same = breakers.ensure(&name, GuardKind::Check, config.clone(), None, now).unwrap();
        assert!(Arc::ptr_eq(&guard, &same));
        let changed = Config { success_threshold: 5, ..config };
        let other = breakers.ensure(&name, GuardKind::Check, changed, None, now).unwrap();
        assert_eq!(other.breaker.state(), State::Open);
    }
}
