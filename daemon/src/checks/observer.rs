//! Hears of every result before the breaker does, and of every transition: writes events down, asks the canaries,
//! and tells alerting whose alerts have a cause elsewhere.
//!
//! The order matters: a dependant's alert must find the silence already there, so what alerting is told about
//! dependencies goes into its queue before the transition the same result causes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use breakwatch_breaker::{State, Transition};
use breakwatch_model::{Batch, CheckResult, Clock, Labels, MetricFamily, StateStore, Status, Timestamp};
use parking_lot::Mutex;

use super::unit::{CheckUnit, Units};
use crate::alerting::{self, Input};
use crate::breakers::{Guard, GuardKind};
use crate::canary;
use crate::dependencies::{self, Causes};
use crate::events::{Chronicle, Event, EventKind};
use crate::recovery;

/// What a check whose alerts wait for the daemon's own link is said to depend on.
const MONITOR: &str = "the monitor itself, which is cut off";

/// See the module.
pub struct Observer {
    /// The event log.
    pub chronicle: Arc<Chronicle>,
    units: Units,
    alerting: alerting::Handle,
    clock: Arc<dyn Clock>,
    isolated: AtomicBool,
    /// Notifiers and exporters whose breakers are not closed: cut off, that is no news of theirs.
    unreached: Mutex<BTreeSet<Arc<str>>>,
    /// While cut off: since when most canaries answer again.
    answering: Mutex<Option<Timestamp>>,
    /// Checks that others depend on: only their changes move anybody's root cause.
    roots: ArcSwap<HashSet<Arc<str>>>,
    /// What alerting was last told, so that it is told of changes only.
    causes: Mutex<Causes>,
}

impl Observer {
    /// An observer with the event log of `state`. Blocks on the disk.
    #[must_use]
    pub fn new(
        units: Units,
        state: &dyn StateStore,
        clock: Arc<dyn Clock>,
        alerting: alerting::Handle,
    ) -> Self {
        let chronicle = Chronicle::restore(state, Arc::clone(&clock), alerting.clone());
        let isolated = AtomicBool::new(chronicle.isolated_since().is_some());
        let chronicle = Arc::new(chronicle);
        Self {
            chronicle,
            units,
            alerting,
            clock,
            isolated,
            unreached: Mutex::default(),
            answering: Mutex::default(),
            roots: ArcSwap::default(),
            causes: Mutex::default(),
        }
    }

    /// Whether the daemon itself is cut off: then nothing is believed but the canaries and what looks at this host
    /// alone.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.isolated.load(Ordering::Relaxed)
    }

    /// A result was recorded; the breaker has not heard of it yet. `began` is when its first attempt began.
    pub fn result(&self, unit: &CheckUnit, result: &CheckResult, began: Timestamp) {
        if unit.settings.canary {
            self.ask_canaries();
        }
        // A canary that fails while most others do says something about the link, not about its target.
        let doubted = self.is_isolated() && !unit.settings.local;
        let status = if doubted { Status::Unknown } else { result.status };
        let failure = result.failure.as_ref();
        let why = failure.map_or(("", ""), |failure| (failure.reason.as_str(), failure.message.as_str()));
        let changed = self.chronicle.status(&unit.name, status, began, why);
        if changed && self.roots.load().contains(&unit.name) || self.causes.lock().is_aftermath(&unit.name) {
            self.tell_dependencies();
        }
    }

    /// A check does not run any more, or not for now.
    pub fn forgotten(&self, unit: &CheckUnit) {
        self.chronicle.status(&unit.name, Status::Unknown, self.clock.now(), ("", ""));
        self.refresh();
    }

    /// A breaker changed its state.
    pub fn transition(&self, guard: &Guard, transition: &Transition, message: &str) {
        let at = self.clock.wall_time(transition.at);
        let mut event = Event::new(EventKind::of(transition), at, guard.kind.as_str(), &guard.name);
        event.from = transition.from.as_str().to_owned();
        event.to = transition.to.as_str().to_owned();
        event.reason = transition.reason.as_str().to_owned();
        event.message = message.to_owned();
        event.recovery_seconds = transition.recovery_duration().map(|duration| duration.as_secs_f64());
        self.chronicle.transition(event);
        if matches!(guard.kind, GuardKind::Notifier | GuardKind::Exporter) {
            let mut unreached = self.unreached.lock();
            match transition.to {
                State::Closed => drop(unreached.remove(&guard.name)),
                State::Open | State::HalfOpen => drop(unreached.insert(Arc::clone(&guard.name))),
            }
            drop(unreached);
            if self.is_isolated() {
                self.tell_dependencies();
            }
        }
        if self.roots.load().contains(&guard.name) || self.causes.lock().is_aftermath(&guard.name) {
            self.tell_dependencies();
        }
    }

    /// Looks at everything anew: after the start, a reload, a pause.
    pub fn refresh(&self) {
        let units = self.units.read().clone();
        let roots = units.values().flat_map(|unit| unit.settings.depends_on.iter().cloned()).collect();
        self.roots.store(Arc::new(roots));
        self.ask_canaries();
        self.tell_dependencies();
    }

    /// The root cause of every check with a failing dependency, as alerting was told.
    #[must_use]
    pub fn root_causes(&self) -> Arc<HashMap<String, String>> {
        self.causes.lock().told()
    }

    /// Recovery figures, flapping, and whether the daemon is cut off.
    #[must_use]
    pub fn families(&self, now: Timestamp) -> Vec<MetricFamily> {
        let mut families = self.chronicle.look(now, |pasts, blind| recovery::families(pasts, blind, now));
        let help = "Whether the daemon itself is cut off: most of its canaries fail.";
        let isolated = MetricFamily::gauge("breakwatch_monitor_isolated", "", help);
        families.push(isolated.with(Labels::empty(), f64::from(u8::from(self.is_isolated()))));
        families
    }

    fn ask_canaries(&self) {
        let before = self.chronicle.isolated_since();
        let now = self.clock.now();
        let mut answering = self.answering.lock();
        // What follows looks at the checks itself, so they are let go of first.
        let (verdict, confirmed) = {
            let units = self.units.read();
            let from = answering.unwrap_or(now);
            (canary::judge(&units, before), canary::is_confirmed(&units, from, now))
        };
        match (before, verdict.isolated_since) {
            (None, Some(since)) => self.cut_off(since, &verdict, now),
            (Some(_), Some(_)) => *answering = None,
            (Some(since), None) if confirmed => {
                *answering = None;
                self.connected(since, now);
            }
            (Some(_), None) => drop(answering.get_or_insert(now)),
            (None, None) => {}
        }
    }

    fn cut_off(&self, since: Timestamp, verdict: &canary::Verdict, now: Timestamp) {
        self.isolated.store(true, Ordering::Relaxed);
        let message = format!("{} of {} canaries fail", verdict.failing, verdict.total);
        tracing::error!(failing = verdict.failing, canaries = verdict.total, "monitor_isolated");
        self.chronicle.record(Event::daemon(EventKind::MonitorIsolated, now, Some(since), &message));
        self.tell_dependencies();
        self.alert(canary::alert(since, None, now));
    }

    fn connected(&self, since: Timestamp, now: Timestamp) {
        self.isolated.store(false, Ordering::Relaxed);
        tracing::warn!("monitor_connected");
        self.chronicle.record(Event::daemon(EventKind::MonitorConnected, now, Some(since), ""));
        self.alert(canary::alert(since, Some(now), now));
        self.tell_dependencies();
    }

    fn alert(&self, alert: breakwatch_model::Alert) {
        self.alerting.tell(Input::Rules(vec![alert], Batch::new()));
    }

    fn tell_dependencies(&self) {
        let units = self.units.read();
        let now = self.clock.now();
        let mut known = self.causes.lock();
        let mut causes = dependencies::root_causes(&units, now);
        let unreached = self.unreached.lock().clone();
        if self.is_isolated() {
            let doubted = units.values().filter(|unit| !unit.settings.local).map(|unit| &unit.name);
            causes.extend(doubted.chain(&unreached).map(|name| (name.to_string(), MONITOR.to_owned())));
        }
        let suffers = |name: &str, over_at| match units.get(name) {
            Some(unit) => dependencies::suffers_still(unit, over_at, now),
            None => unreached.contains(name),
        };
        if let Some(causes) = known.update(causes, suffers, now) {
            self.alerting.tell(Input::Call(Box::new(move |alerting, _| {
                alerting.set_dependency_silences(Arc::unwrap_or_clone(causes));
                Box::new(|| {})
            })));
        }
    }
}
