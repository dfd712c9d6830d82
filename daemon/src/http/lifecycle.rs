//! `/-/reload` and the configuration in force.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::audit;
use super::error::{ApiError, ErrorKind, success};
use crate::reload::ReloadError;
use crate::shared::Shared;

/// `POST` or `PUT /-/reload`: reads the configuration again, if `server.enable_lifecycle` allows
/// it. A bad file changes nothing.
pub async fn reload(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Response, ApiError> {
    if !shared.reload.api_enabled() {
        return Ok((StatusCode::FORBIDDEN, "Lifecycle API is not enabled.").into_response());
    }
    audit::note(&shared, &headers, "config.reload", "", "").await?;
    match shared.reload.reload().await {
        Ok(()) => Ok("".into_response()),
        Err(ReloadError::Invalid(text)) => {
            let message = format!("failed to reload config: {text}");
            Err(ApiError::new(ErrorKind::Internal, message))
        }
        Err(ReloadError::Stopping) => Err(ApiError::new(ErrorKind::Unavailable, "the daemon is stopping")),
    }
}

/// `GET /api/v1/status/config`: the effective configuration, without secrets.
pub async fn config(State(shared): State<Arc<Shared>>) -> Response {
    success(json!({ "yaml": **shared.config_text.load() }))
}
