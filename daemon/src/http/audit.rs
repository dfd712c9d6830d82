//! The audit log: who changed what and why. Every handler that changes something writes here first, and what cannot
//! be written down is not done. `GET /api/v1/audit` reads it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use breakwatch_model::{Table, TimeRange};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Access::Operate;
use super::error::{ApiError, ErrorKind, success};
use super::moment::moment;
use super::query::params::Params;
use super::routes::Routes;
use crate::shared::{AuditEntry, Shared};

/// What is shown when the asker does not say: the last week.
const DEFAULT_SPAN: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most entries in an answer; the newest are kept.
const MAX_ENTRIES: usize = 10_000;

/// The routes of this file. What people wrote as their reasons is not for everybody who may read states.
pub fn routes(routes: Routes) -> Routes {
    routes.add("/api/v1/audit", Operate, get(list))
}

/// Writes down that the bearer of these credentials is about to do something.
///
/// # Errors
/// When that cannot be made durable: then it must not be done.
pub(super) async fn note(
    shared: &Shared,
    headers: &HeaderMap,
    action: impl Into<String>,
    subject: impl Into<String>,
    reason: impl Into<String>,
) -> Result<(), ApiError> {
    let actor = shared.auth.load().actor(headers);
    let entry = AuditEntry { actor, action: action.into(), subject: subject.into(), reason: reason.into() };
    let noted = shared.audit(entry).await;
    noted.map_err(|error| ApiError::new(ErrorKind::Internal, format!("audit log: {error}")))
}

/// The reason in a body that may be empty and holds nothing else.
///
/// # Errors
/// When the body is something else.
pub(super) fn reason(body: &[u8]) -> Result<String, ApiError> {
    #[derive(Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        reason: String,
    }
    if body.is_empty() {
        return Ok(String::new());
    }
    let body: Body =
        serde_json::from_slice(body).map_err(|error| ApiError::bad_data(format!("body: {error}")))?;
    Ok(body.reason)
}

/// `GET /api/v1/audit?since=&until=`: oldest first; both are a time or a span back from now.
async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, ApiError> {
    let now = shared.clock.now();
    let at =
        |name: &'static str, default| params.get(name).map_or(Ok(default), |text| moment(name, text, now));
    let range = TimeRange::new(at("since", now - DEFAULT_SPAN)?, at("until", now)?);
    let state = Arc::clone(&shared.state);
    let read = tokio::task::spawn_blocking(move || state.journal(Table::Audit, range, MAX_ENTRIES)).await;
    let internal = |error: String| ApiError::new(ErrorKind::Internal, error);
    let records = read.map_err(|error| internal(error.to_string()))?;
    let records = records.map_err(|error| internal(error.to_string()))?;
    let entries: Vec<Value> = records
        .iter()
        .filter_map(|record| {
            let entry: AuditEntry = serde_json::from_slice(&record.value).ok()?;
            Some(json!({
                "at": record.at.to_rfc3339(), "actor": entry.actor, "action": entry.action,
                "subject": entry.subject, "reason": entry.reason,
            }))
        })
        .collect();
    Ok(success(json!({ "entries": entries })))
}
