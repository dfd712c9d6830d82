//! `/api/v1/checks`: every check with its last result, and run now, pause, resume.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use breakwatch_model::{Batch, Table, Timestamp};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::audit;
use super::error::{ApiError, ErrorKind, success};
use crate::checks::pause::PausedBy;
use crate::checks::scheduler::Command;
use crate::checks::unit::CheckUnit;
use crate::dependencies;
use crate::shared::Shared;

/// `GET /api/v1/checks`.
pub async fn list(State(shared): State<Arc<Shared>>) -> Response {
    let now = shared.clock.now();
    let causes = shared.observer.root_causes();
    let affected = dependencies::affected(&causes);
    let describe = |unit: &Arc<CheckUnit>| {
        let mut check = describe(unit, now);
        name_causes(&mut check, &unit.name, &causes, &affected);
        check
    };
    success(shared.checks().iter().map(describe).collect::<Vec<_>>())
}

/// `GET /api/v1/checks/{name}`.
pub async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let unit = find(&shared, &name)?;
    Ok(success(show(&shared, &unit)))
}

/// `POST /api/v1/checks/{name}/{run|pause|resume}`; names may hold slashes.
pub async fn act(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let (name, action) = path.rsplit_once('/').unwrap_or((&path, ""));
    let unit = find(&shared, name)?;
    if !matches!(action, "run" | "pause" | "resume") {
        return Err(ApiError::not_found(format!("no action {action:?}: use run, pause or resume")));
    }
    audit::note(&shared, &headers, format!("check.{action}"), &*unit.name, audit::reason(&body)?).await?;
    match action {
        "run" => run(&shared, &unit).await?,
        pause_or_resume => set_paused(&shared, &unit, pause_or_resume == "pause").await?,
    }
    shared.changes.notify();
    Ok(success(show(&shared, &unit)))
}

async fn run(shared: &Shared, unit: &CheckUnit) -> Result<(), ApiError> {
    let (answer, ended) = oneshot::channel();
    let stopping = || ApiError::new(ErrorKind::Unavailable, "the daemon is stopping");
    shared.scheduler.send(Command::RunNow(Arc::clone(&unit.name), answer)).await.map_err(|_| stopping())?;
    match ended.await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            let message = "the breaker is open and lets no run through now; reset it to run the check";
            Err(ApiError::new(ErrorKind::Conflict, message))
        }
        Err(_) => Err(stopping()),
    }
}

/// Suspends a check or lets it run again, at once; kept across restarts.
async fn set_paused(shared: &Shared, unit: &CheckUnit, paused: bool) -> Result<(), ApiError> {
    if paused {
        unit.pause.pause();
        shared.observer.forgotten(unit);
    } else {
        unit.pause.resume(shared.clock.now());
    }
    let mut batch = Batch::new();
    match unit.pause.saved().and_then(|saved| serde_json::to_vec(&saved).ok()) {
        Some(saved) => batch.put(Table::Checks, &*unit.name, saved),
        None => batch.delete(Table::Checks, &*unit.name),
    };
    let state = Arc::clone(&shared.state);
    let committed = tokio::task::spawn_blocking(move || state.commit(batch)).await;
    match committed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(not_kept(&error)),
        Err(error) => Err(not_kept(&error)),
    }
}

fn not_kept(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Internal, format!("done, but a restart will not know of it: {error}"))
}

fn find(shared: &Shared, name: &str) -> Result<Arc<CheckUnit>, ApiError> {
    let unit = shared.units.read().get(name).cloned();
    unit.ok_or_else(|| ApiError::not_found(format!("no check {name:?}")))
}

fn show(shared: &Shared, unit: &CheckUnit) -> Value {
    let causes = shared.observer.root_causes();
    let mut check = describe(unit, shared.clock.now());
    name_causes(&mut check, &unit.name, &causes, &dependencies::affected(&causes));
    check
}

/// Adds which failing dependency is behind a check (`root_cause`), and which checks suffer from it (`affects`).
fn name_causes(
    check: &mut Value,
    name: &str,
    causes: &HashMap<String, String>,
    affected: &BTreeMap<&str, Vec<&str>>,
) {
    check["root_cause"] = json!(causes.get(name));
    check["affects"] = json!(affected.get(name).map_or(&[][..], Vec::as_slice));
}

fn describe(unit: &CheckUnit, now: Timestamp) -> Value {
    let status = unit.status(now);
    let state = unit.state.lock();
    let last = state.last.as_ref().map(|last| {
        json!({
            "started_at": last.started_at.to_rfc3339(),
            "duration_seconds": last.duration.as_secs_f64(),
            "status": last.status.as_str(),
            "since": last.since.to_rfc3339(),
            "reason": last.failure.as_ref().map(|failure| failure.reason.as_str()),
            "message": last.failure.as_ref().map(|failure| &failure.message),
            "evidence": last.evidence.0.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect::<Vec<_>>(),
        })
    });
    json!({
        "id": &*unit.name,
        "type": &*unit.id.kind,
        "target": &*unit.target,
        "status": status.as_str(),
        "paused": unit.is_paused(),
        "paused_by": unit.pause.by().map(|by| match by {
            PausedBy::User => json!({ "by": "user" }),
            PausedBy::Schedule { until, window } => {
                json!({ "by": "schedule", "until": until.to_rfc3339(), "window": window })
            }
        }),
        "breaker": unit.guard.breaker.state().as_str(),
        "impact": unit.settings.impact.as_str(),
        "category": unit.settings.category,
        "depends_on": unit.settings.depends_on.iter().map(|name| &**name).collect::<Vec<_>>(),
        "interval_seconds": unit.settings.interval.as_secs_f64(),
        "timeout_seconds": unit.settings.timeout.as_secs_f64(),
        "description": unit.settings.description,
        "last": last,
    })
}
