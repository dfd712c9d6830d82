//! `/-/healthy`, `/-/ready`, `/health` and `/health/circuit-breakers`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use breakwatch_breaker::State as BreakerState;
use breakwatch_model::Status;
use serde_json::{Map, Value, json};

use super::breakers_api;
use crate::health::{self, Component};
use crate::shared::{Shared, VERSION};

/// `GET /-/healthy`: whether the daemon itself works. Never says anything about its targets.
pub async fn healthy(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(trouble) = shared.vitals().trouble(shared.clock.monotonic()) {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("breakwatch is stuck: {trouble}.\n"))
            .into_response();
    }
    "breakwatch is healthy.\n".into_response()
}

/// `GET /-/ready`: whether configuration and store are loaded.
pub async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_ready() {
        return "breakwatch is ready.\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "breakwatch is starting.\n").into_response()
}

/// `GET /health`: the status of everything watched, as `application/health+json` (the IETF draft's shape, with our
/// `overall`, `categories` and `dependencies`). 503 only when overall is unhealthy.
pub async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let units = shared.checks();
    let mut picture = health::assess(&units, shared.clock.now());
    if shared.observer.is_isolated() {
        // Cut off, the daemon knows nothing of the whole.
        picture.overall = Status::Unknown;
    }
    let mut checks = Map::new();
    for unit in &units {
        let status = unit.status(shared.clock.now());
        let state = unit.state.lock();
        let last = state.last.as_ref();
        let mut entry = json!({
            "componentId": &*unit.name,
            "componentType": if unit.guard.kind.as_str() == "check" { "system" } else { "component" },
            "status": word(status),
            "state": status.as_str(),
            "impact": unit.settings.impact.as_str(),
            "category": unit.settings.category,
            "target": &*unit.target,
        });
        if let (Some(last), Some(fields)) = (last, entry.as_object_mut()) {
            fields.insert("time".to_owned(), json!(last.started_at.to_rfc3339()));
            fields.insert("observedValue".to_owned(), json!(last.duration.as_secs_f64()));
            fields.insert("observedUnit".to_owned(), json!("s"));
            if let Some(failure) = &last.failure {
                fields.insert("output".to_owned(), json!(failure.message));
                fields.insert("reason".to_owned(), json!(failure.reason.as_str()));
            }
        }
        checks.insert(format!("{}:responseTime", unit.name), json!([entry]));
    }
    let categories: Map<String, Value> = picture
        .categories
        .iter()
        .map(|(name, (status, counts))| {
            let value = json!({
                "status": status.as_str(), "healthy": counts.healthy, "degraded": counts.degraded,
                "unhealthy": counts.unhealthy, "unknown": counts.unknown, "total": counts.total(),
            });
            (name.clone(), value)
        })
        .collect();
    let body = json!({
        "status": word(picture.overall),
        "overall": picture.overall.as_str(),
        "version": VERSION,
        "releaseId": VERSION,
        "serviceId": shared.instance,
        "description": "breakwatch: the status of everything this daemon watches",
        "checks": checks,
        "categories": categories,
        "dependencies": dependencies(&picture.components),
        "links": { "breakers": format!("{}/health/circuit-breakers", shared.external_url) },
    });
    let code =
        if picture.overall == Status::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut response = (code, Json(body)).into_response();
    let media_type = HeaderValue::from_static("application/health+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Healthy => "pass",
        Status::Degraded | Status::Unknown => "warn",
        Status::Unhealthy => "fail",
    }
}

/// The dependency graph: nodes with status and impact, edges from dependant to dependency.
fn dependencies(components: &[Component]) -> Value {
    let nodes: Vec<Value> = components
        .iter()
        .map(|component| {
            json!({
                "id": &*component.name,
                "status": component.status.as_str(),
                "impact": component.impact.as_str(),
                "at_risk_from": component.at_risk_from.iter().map(|name| &**name).collect::<Vec<_>>(),
            })
        })
        .collect();
    let edges: Vec<Value> = components
        .iter()
        .flat_map(|component| {
            component.depends_on.iter().map(|to| json!({ "from": &*component.name, "to": &**to }))
        })
        .collect();
    json!({ "nodes": nodes, "edges": edges })
}

/// `GET /health/circuit-breakers`: every breaker with its counts and settings.
pub async fn circuit_breakers(State(shared): State<Arc<Shared>>) -> Response {
    let guards = shared.breakers.list();
    let all: Map<String, Value> = guards
        .iter()
        .map(|guard| (guard.name.to_string(), breakers_api::describe(guard, &*shared.clock)))
        .collect();
    let open = guards.iter().filter(|guard| guard.breaker.state() == BreakerState::Open).count();
    let half_open = guards.iter().filter(|guard| guard.breaker.state() == BreakerState::HalfOpen).count();
    let status = if open == 0 { "healthy" } else { "degraded" };
    Json(json!({
        "timestamp": shared.clock.now().to_rfc3339(),
        "status": status,
        "total": guards.len(),
        "closed": guards.len() - open - half_open,
        "open": open,
        "half_open": half_open,
        "circuit_breakers": all,
    }))
    .into_response()
}
