//! From configured checks to running ones; a reload keeps what has not changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use breakwatch_alerts::config::{Maintenance, Recurrence};
use breakwatch_breaker::Snapshot;
use breakwatch_config::{CheckConfig, CheckKind, Config, ProbeWhenOpen};
use breakwatch_model::{Clock, Labels, StateStore, Table};
use breakwatch_plugin_api::{Check, Diagnostics};

use crate::breakers::{Breakers, GuardKind};
use crate::checks::group::GroupCheck;
use crate::checks::pause::{PauseSwitch, SavedPause};
use crate::checks::unit::Units;
use crate::checks::unit::{CheckSettings, CheckUnit, ProbePace};
use crate::state::SavedBreaker;

/// What was known before the daemon's start.
pub struct Restored {
    breakers: BTreeMap<String, Snapshot>,
    paused: BTreeMap<String, SavedPause>,
}

impl Restored {
    /// Reads breakers and switches from the state log. A record that cannot be read is logged and left out: the
    /// breaker starts closed.
    #[must_use]
    pub fn load(state: &dyn StateStore, clock: &dyn Clock) -> Self {
        let now = clock.now();
        let breakers = state.table(Table::Breakers).into_iter().filter_map(|record| {
            match serde_json::from_slice::<SavedBreaker>(&record.value) {
                Ok(saved) => Some((record.key, saved.aged(now))),
                Err(error) => {
                    tracing::warn!(breaker = record.key, %error, "saved breaker state cannot be read");
                    None
                }
            }
        });
        let paused = state
            .table(Table::Checks)
            .into_iter()
            .filter_map(|record| Some((record.key, serde_json::from_slice(&record.value).ok()?)));
        Self { breakers: breakers.collect(), paused: paused.collect() }
    }

    /// The saved state of a breaker.
    #[must_use]
    pub fn breaker(&self, name: &str) -> Option<Snapshot> {
        self.breakers.get(name).cloned()
    }
}

/// Builds the checks of a configuration into `units`, keeping those that have not changed, and gives the checks
/// that are no longer wanted.
///
/// # Errors
/// A breaker's settings that cannot work, at their place. Nothing is changed then.
pub fn build(
    config: &Config,
    units: &Units,
    breakers: &Breakers,
    restored: &Restored,
    maintenance: &[Maintenance],
    clock: &dyn Clock,
) -> Result<Vec<Arc<CheckUnit>>, String> {
    let mut breaker_configs = BTreeMap::new();
    for (id, check) in &config.checks {
        let breaker = super::breaker::check_config(check)
            .map_err(|error| format!("{}: checks.{id}.breaker: {error}", check.breaker.place))?;
        breaker_configs.insert(id, breaker);
    }
    let earlier = units.read().clone();
    let mut next = BTreeMap::new();
    for (id, check) in &config.checks {
        let name: Arc<str> = id.to_string().into();
        let fingerprint = check.digest();
        let Some(breaker) = breaker_configs.remove(id) else { continue };
        let snapshot = restored.breaker(&name);
        let guard = breakers
            .ensure(&name, GuardKind::Check, breaker, snapshot, clock.monotonic())
            .map_err(|error| format!("{}: checks.{id}.breaker: {error}", check.breaker.place))?;
        let before = earlier.get(&name);
        if let Some(unit) =
            before.filter(|unit| unit.fingerprint == fingerprint && Arc::ptr_eq(&unit.guard, &guard))
        {
            unit.pause.set_windows(windows(check, &unit.labels, maintenance));
            next.insert(name, Arc::clone(unit));
            continue;
        }
        let mut unit =
            CheckUnit::new(id.clone(), plugin(check, units), settings(check, config), fingerprint, guard);
        let saved = restored.paused.get(&*name).copied().filter(|_| before.is_none());
        unit.pause = PauseSwitch::new(check.paused, saved);
        if let Some(before) = before {
            unit.inherit(before);
        }
        unit.pause.set_windows(windows(check, &unit.labels, maintenance));
        next.insert(name, Arc::new(unit));
    }
    let gone: Vec<Arc<CheckUnit>> = earlier
        .iter()
        .filter(|(name, _)| !next.contains_key(*name))
        .map(|(_, unit)| Arc::clone(unit))
        .collect();
    breakers.retain(|guard| guard.kind != GuardKind::Check || next.contains_key(&guard.name));
    *units.write() = next;
    Ok(gone)
}

/// When a check does not run: in windows of its own, and in those of recurring maintenance that say so.
fn windows(check: &CheckConfig, labels: &Labels, maintenance: &[Maintenance]) -> Vec<Recurrence> {
    // What is wrong with them was found when the configuration was loaded.
    let own = check.pause.as_ref().map(|node| Recurrence::read_list(node, &Diagnostics::new()));
    let matching = maintenance.iter().filter(|window| window.pause_checks && window.matches(labels));
    own.into_iter().flatten().chain(matching.map(|window| window.recurrence.clone())).collect()
}

fn plugin(check: &CheckConfig, units: &Units) -> Arc<dyn Check> {
    match &check.kind {
        CheckKind::Probe { check, .. } => Arc::clone(check),
        CheckKind::Group(group) => Arc::new(GroupCheck::new(group, Arc::downgrade(units))),
    }
}

/// Whether a check and everything it depends on need nothing beyond this host. A group has no link of its own: its
/// members say what they know.
fn is_local(check: &CheckConfig, config: &Config) -> bool {
    let (mut seen, mut ahead) = (BTreeSet::new(), vec![check]);
    while let Some(check) = ahead.pop() {
        if !check.local {
            return false;
        }
        let dependencies = check.depends_on.iter().filter_map(|(id, _)| config.checks.get(id));
        ahead.extend(dependencies.filter(|dependency| seen.insert(&dependency.id)));
    }
    true
}

fn settings(check: &CheckConfig, config: &Config) -> CheckSettings {
    CheckSettings {
        interval: check.interval,
        timeout: check.timeout,
        retries: check.retries,
        retry_interval: check.retry_interval,
        pace: match check.probe_when_open {
            ProbeWhenOpen::Stretch => ProbePace::Stretch,
            ProbeWhenOpen::Normal => ProbePace::Normal,
            ProbeWhenOpen::Fast => ProbePace::Fast,
        },
        start_grace: check.start_grace,
        negate: check.negate,
        canary: check.canary,
        local: is_local(check, config),
        labels: check.labels.clone(),
        impact: check.impact,
        category: if check.category.is_empty() { "uncategorized".to_owned() } else { check.category.clone() },
        depends_on: check.depends_on.iter().map(|(id, _)| Arc::from(id.to_string())).collect(),
        description: check.description.clone(),
        runbook_url: check.runbook_url.clone().unwrap_or_default(),
        dashboard_url: check.dashboard_url.clone().unwrap_or_default(),
    }
}
