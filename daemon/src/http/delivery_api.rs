//! `/api/v1/outbox`: messages that are not yet delivered, and why.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::error::{ApiError, ErrorKind, success};
use crate::shared::Shared;

/// `GET /api/v1/outbox`.
pub(super) async fn outbox(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let entries = shared.alerting.call(|alerting, _| alerting.outbox()).await;
    let entries = entries.ok_or_else(|| ApiError::new(ErrorKind::Unavailable, "the daemon is stopping"))?;
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id,
                "integration": entry.integration,
                "group": entry.group_key,
                "firing": entry.firing,
                "resolved": entry.resolved,
                "attempts": entry.attempts,
                "since": entry.since.to_rfc3339(),
                "in_flight": entry.in_flight,
                "handed_over": entry.handed_over,
                "next_attempt_at": entry.next_at.to_rfc3339(),
                "last_error": entry.last_error,
            })
        })
        .collect();
    Ok(success(json!({ "entries": entries })))
}
