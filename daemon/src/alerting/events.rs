//! From a breaker's transition to what alerting needs to know of it.

use breakwatch_alerts::TransitionEvent;
use breakwatch_breaker::{State, Transition};
use breakwatch_model::{Clock, Evidence, Impact, Labels};
use breakwatch_plugin_api::TransitionKind;

use crate::breakers::{Guard, GuardKind};
use crate::checks::unit::Units;

/// The event of a transition. A check's result was recorded before its breaker heard of it, so the last result is
/// the one that moved the breaker.
#[must_use]
pub fn transition_event(
    guard: &Guard,
    transition: &Transition,
    units: &Units,
    clock: &dyn Clock,
) -> TransitionEvent {
    let mut event = TransitionEvent {
        name: guard.name.to_string(),
        kind: guard.kind.as_str().to_owned(),
        check_type: String::new(),
        target: String::new(),
        transition: kind(transition),
        at: clock.wall_time(transition.at),
        impact: Impact::High,
        labels: Labels::empty(),
        reason: None,
        message: String::new(),
        evidence: Evidence::default(),
        failures: u64::from(transition.consecutive_failures),
        failure_rate: transition.failure_rate(),
        recovery_time: transition.recovery_duration(),
        open_for: transition.open_for,
        runbook_url: String::new(),
        dashboard_url: String::new(),
        integration: (guard.kind == GuardKind::Notifier).then(|| guard.name.to_string()),
    };
    if guard.kind == GuardKind::Check {
        describe_check(&mut event, guard, units);
    }
    event
}

fn describe_check(event: &mut TransitionEvent, guard: &Guard, units: &Units) {
    let Some(unit) = units.read().get(&guard.name).cloned() else { return };
    event.check_type = unit.id.kind.to_string();
    event.target = unit.target.to_string();
    event.impact = unit.settings.impact;
    event.labels = unit.settings.labels.clone();
    event.runbook_url.clone_from(&unit.settings.runbook_url);
    event.dashboard_url.clone_from(&unit.settings.dashboard_url);
    let state = unit.state.lock();
    let Some(last) = &state.last else { return };
    event.evidence = last.evidence.clone();
    if let Some(failure) = &last.failure {
        event.reason = Some(failure.reason);
        event.message.clone_from(&failure.message);
    }
}

fn kind(transition: &Transition) -> TransitionKind {
    match (transition.from, transition.to) {
        (State::HalfOpen, State::Open) => TransitionKind::Reopened,
        (_, State::Open) => TransitionKind::Opened,
        (_, State::HalfOpen) => TransitionKind::HalfOpen,
        (_, State::Closed) => TransitionKind::Closed,
    }
}
