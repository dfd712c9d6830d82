//! `/api/v1/rules` and `/api/v1/alerts`, as Prometheus answers them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use breakwatch_model::{Alert, AlertStatus};
use serde_json::{Value, json};

use super::error::success;
use crate::shared::Shared;

/// `GET /api/v1/rules`.
pub async fn rules(State(_shared): State<Arc<Shared>>) -> Response {
    success(json!({ "groups": [] }))
}

/// `GET /api/v1/alerts`.
pub async fn alerts(State(shared): State<Arc<Shared>>) -> Response {
    let snapshot = shared.alerting.snapshot();
    success(json!({ "alerts": snapshot.firing.iter().map(|alert| describe(alert, &shared)).collect::<Vec<_>>() }))
}

fn describe(alert: &Alert, shared: &Shared) -> Value {
    let firing = alert.status(shared.clock.now()) == AlertStatus::Firing;
    json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "state": if firing { "firing" } else { "inactive" },
        "activeAt": alert.starts_at.to_rfc3339(),
        "value": "1e+00",
    })
}
