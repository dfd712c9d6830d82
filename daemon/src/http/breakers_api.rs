//! `/api/resilience/circuit-breakers`: list, one, reset, open, close, hold, release.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use breakwatch_breaker::State as BreakerState;
use breakwatch_model::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

use super::audit;
use super::error::{ApiError, ErrorKind, success};
use crate::breakers::Guard;
use crate::shared::Shared;

/// What can be done to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Reset,
    Open,
    Close,
    Hold,
    Release,
}

const ACTIONS: [(&str, Action); 5] = [
    ("reset", Action::Reset),
    ("open", Action::Open),
    ("close", Action::Close),
    ("hold", Action::Hold),
    ("release", Action::Release),
];

/// The optional body of an action.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionBody {
    /// Why, for the audit log.
    #[serde(default)]
    reason: String,
    /// For `hold`: the state to hold it in, `open` (the default) or `closed`.
    #[serde(default)]
    state: Option<String>,
}

/// `GET /api/resilience/circuit-breakers`.
pub async fn list(State(shared): State<Arc<Shared>>) -> Response {
    let guards = shared.breakers.list();
    success(guards.iter().map(|guard| show(&shared, guard)).collect::<Vec<_>>())
}

/// `GET /api/resilience/circuit-breakers/{name}`.
pub async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let guard = find(&shared, &name)?;
    Ok(success(show(&shared, &guard)))
}

/// A breaker as the API shows it, with what the event log knows of it.
fn show(shared: &Shared, guard: &Guard) -> Value {
    let mut value = describe(guard, &*shared.clock);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("flapping".to_owned(), json!(shared.observer.chronicle.is_flapping(&guard.name)));
    }
    value
}

/// `POST /api/resilience/circuit-breakers/{name}/{action}`; names may hold slashes.
pub async fn act(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let (name, word) = path.rsplit_once('/').unwrap_or((&path, ""));
    let action =
        ACTIONS.iter().find(|(known, _)| *known == word).map(|(_, action)| *action).ok_or_else(|| {
            ApiError::not_found(format!("no action {word:?}: use reset, open, close, hold or release"))
        })?;
    let guard = find(&shared, name)?;
    let body: ActionBody = if body.is_empty() {
        ActionBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| ApiError::bad_data(format!("body: {error}")))?
    };
    // First the audit log: what cannot be written down is not done.
    audit::note(&shared, &headers, format!("breaker.{word}"), &*guard.name, body.reason.as_str()).await?;
    apply(&guard, action, &body, &*shared.clock)?;
    shared.alerting.breaker_changed(&guard);
    let _ =
        shared.scheduler.send(crate::checks::scheduler::Command::Reschedule(Arc::clone(&guard.name))).await;
    shared.changes.notify();
    Ok(success(describe(&guard, &*shared.clock)))
}

fn apply(guard: &Guard, action: Action, body: &ActionBody, clock: &dyn Clock) -> Result<(), ApiError> {
    let (breaker, now) = (&guard.breaker, clock.monotonic());
    match action {
        Action::Reset => {
            breaker.reset(now);
        }
        Action::Open => {
            breaker.force(BreakerState::Open, now);
        }
        Action::Close => {
            breaker.force(BreakerState::Closed, now);
        }
        Action::Hold => {
            let state = match body.state.as_deref() {
                None | Some("open") => BreakerState::Open,
                Some("closed") => BreakerState::Closed,
                Some(other) => {
                    return Err(ApiError::bad_data(format!("state {other:?}: expected open or closed")));
                }
            };
            breaker.hold(state, now);
        }
        Action::Release => {
            if !breaker.release(now) {
                return Err(ApiError::new(ErrorKind::Conflict, "the breaker is not held"));
            }
        }
    }
    Ok(())
}

fn find(shared: &Shared, name: &str) -> Result<Arc<Guard>, ApiError> {
    shared.breakers.get(name).ok_or_else(|| ApiError::not_found(format!("no breaker {name:?}")))
}

/// A breaker as the API shows it.
#[must_use]
pub fn describe(guard: &Guard, clock: &dyn Clock) -> Value {
    let stats = guard.breaker.stats(clock.monotonic());
    let (now, config) = (clock.now(), guard.breaker.config());
    let time = |ago: Option<std::time::Duration>| ago.map(|ago| (now - ago).to_rfc3339());
    json!({
        "name": &*guard.name,
        "kind": guard.kind.as_str(),
        "state": stats.state.as_str(),
        "healthy": stats.state != BreakerState::Open,
        "held": stats.held,
        "failure_count": stats.consecutive_failures,
        "success_count": stats.probe_successes,
        "failure_rate": stats.failure_rate(),
        "window_calls": stats.window.calls,
        "calls": {
            "success": stats.calls.success, "failure": stats.calls.failure, "timeout": stats.calls.timeout,
            "rejected": stats.calls.rejected, "cancelled": stats.calls.cancelled,
        },
        "open_count": stats.open_count,
        "opened_at": time(stats.opened_ago),
        "first_opened_at": time(stats.first_opened_ago),
        "next_probe_at": stats.next_probe_in.map(|wait| (now + wait).to_rfc3339()),
        "last_failure_time": time(stats.last_failure_ago),
        "last_transition_time": time(stats.last_transition_ago),
        "last_recovery_seconds": stats.last_recovery.map(|duration| duration.as_secs_f64()),
        "configuration": {
            "failure_threshold": config.failure_threshold,
            "failure_rate": config.failure_rate,
            "minimum_calls": config.minimum_calls,
            "success_threshold": config.success_threshold,
            "half_open_permits": config.half_open_permits,
            "recovery_timeout": config.open_for.as_secs_f64(),
            "recovery_timeout_max": config.open_for_max.as_secs_f64(),
        },
    })
}
