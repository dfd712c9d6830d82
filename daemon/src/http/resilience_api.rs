//! `/api/resilience/bulkheads` and `/api/resilience/dashboard/summary`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use breakwatch_breaker::State as BreakerState;
use breakwatch_model::Status;
use serde_json::{Value, json};

use super::audit;
use super::auth::Access::{Operate, Read};
use super::error::{ApiError, success};
use super::routes::Routes;
use crate::bulkhead::Bulkhead;
use crate::shared::Shared;

/// The routes of this file.
pub fn routes(routes: Routes) -> Routes {
    routes
        .add("/api/resilience/bulkheads", Read, get(list))
        .add("/api/resilience/bulkheads/{*name}", Read, get(one))
        .add("/api/resilience/bulkheads/{*name}", Operate, post(act))
        .add("/api/resilience/dashboard/summary", Read, get(summary))
}

/// `GET /api/resilience/bulkheads`.
async fn list(State(shared): State<Arc<Shared>>) -> Response {
    success(shared.bulkheads.list().iter().map(|bulkhead| describe(bulkhead)).collect::<Vec<_>>())
}

/// `GET /api/resilience/bulkheads/{name}`.
async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(success(describe(&*find(&shared, &name)?)))
}

/// `POST /api/resilience/bulkheads/{name}/reset`: counts begin anew; what is under way stays.
async fn act(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let name = path
        .strip_suffix("/reset")
        .ok_or_else(|| ApiError::not_found("a bulkhead can be reset and nothing else"))?;
    let bulkhead = find(&shared, name)?;
    audit::note(&shared, &headers, "bulkhead.reset", name, audit::reason(&body)?).await?;
    bulkhead.reset();
    Ok(success(describe(&bulkhead)))
}

fn find(shared: &Shared, name: &str) -> Result<Arc<Bulkhead>, ApiError> {
    shared.bulkheads.get(name).ok_or_else(|| ApiError::not_found(format!("no bulkhead {name:?}")))
}

fn describe(bulkhead: &Bulkhead) -> Value {
    let (stats, limits) = (bulkhead.stats(), bulkhead.limits());
    json!({
        "name": &*bulkhead.name,
        "max_concurrent": limits.max_concurrent,
        "max_queued": limits.max_queued,
        "queue_timeout": limits.queue_timeout.map(|timeout| timeout.as_secs_f64()),
        "active": stats.active,
        "queued": stats.queued,
        "utilization": bulkhead.utilization(),
        "calls": stats.calls,
        "rejected": stats.rejected,
        "timeouts": stats.timeouts,
    })
}

/// `GET /api/resilience/dashboard/summary`: the cards of a resilience dashboard.
async fn summary(State(shared): State<Arc<Shared>>) -> Response {
    let guards = shared.breakers.list();
    let in_state = |state| guards.iter().filter(|guard| guard.breaker.state() == state).count();
    let flapping = guards.iter().filter(|guard| shared.observer.chronicle.is_flapping(&guard.name)).count();
    let bulkheads = shared.bulkheads.list();
    let all: Vec<_> = bulkheads.iter().map(|bulkhead| bulkhead.stats()).collect();
    let (units, now) = (shared.checks(), shared.clock.now());
    let checks: serde_json::Map<String, Value> = Status::ALL
        .into_iter()
        .map(|status| {
            let count = units.iter().filter(|unit| unit.status(now) == status).count();
            (status.as_str().to_owned(), json!(count))
        })
        .collect();
    let alerts = shared.alerting.snapshot();
    success(json!({
        "timestamp": now.to_rfc3339(),
        "isolated": shared.observer.is_isolated(),
        "circuit_breakers": {
            "total": guards.len(),
            "closed": in_state(BreakerState::Closed),
            "open": in_state(BreakerState::Open),
            "half_open": in_state(BreakerState::HalfOpen),
            "held": guards.iter().filter(|guard| guard.breaker.is_held()).count(),
            "flapping": flapping,
        },
        "bulkheads": {
            "total": all.len(),
            "active": all.iter().map(|stats| stats.active).sum::<usize>(),
            "queued": all.iter().map(|stats| stats.queued).sum::<usize>(),
            "rejected": all.iter().map(|stats| stats.rejected + stats.timeouts).sum::<u64>(),
            "highest_utilization": bulkheads.iter().map(|bulkhead| bulkhead.utilization()).fold(0.0, f64::max),
        },
        "checks": checks,
        "alerts": { "firing": alerts.firing.len(), "outbox": alerts.outbox },
    }))
}
