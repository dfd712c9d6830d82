//! Log events of breakers, by the names operators filter for.

use breakwatch_breaker::{State, Transition};

use super::Guard;

/// Logs a transition: its own event, and `circuit_state_change` for whoever wants them all under one name.
pub(super) fn transition(guard: &Guard, transition: &Transition) {
    // `tracing` needs the level and the message to be constants, hence a macro for the shared fields.
    macro_rules! event {
        ($level:ident, $name:literal) => {
            tracing::$level!(
                target: "circuit_breaker",
                component = &*guard.name,
                kind = guard.kind.as_str(),
                old_state = transition.from.as_str(),
                new_state = transition.to.as_str(),
                reason = transition.reason.as_str(),
                failure_count = transition.consecutive_failures,
                success_count = transition.probe_successes,
                failure_rate = transition.failure_rate().unwrap_or(0.0),
                open_count = transition.open_count,
                open_for_seconds = transition.open_for.map_or(0.0, |d| d.as_secs_f64()),
                recovery_seconds = transition.recovery_duration().map_or(0.0, |d| d.as_secs_f64()),
                $name
            )
        };
    }
    match (transition.from, transition.to) {
        (State::HalfOpen, State::Open) => event!(info, "circuit_reopened"),
        (_, State::Open) => event!(warn, "circuit_opened"),
        (_, State::HalfOpen) => event!(info, "circuit_half_open"),
        (_, State::Closed) => event!(info, "circuit_closed"),
    }
    event!(info, "circuit_state_change");
}
