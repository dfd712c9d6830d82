//! `/api/v1/admin/backup`: a consistent copy of state and history, made while the daemon runs.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::audit;
use super::error::{ApiError, ErrorKind, success};
use crate::shared::Shared;

/// Where to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupBody {
    /// An absolute path of this host that does not exist yet, or an empty directory.
    directory: PathBuf,
}

/// `POST /api/v1/admin/backup`.
pub(super) async fn backup(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<BackupBody>,
) -> Result<Response, ApiError> {
    if !body.directory.is_absolute() {
        return Err(ApiError::bad_data("the directory must be an absolute path of the daemon's host"));
    }
    audit::note(&shared, &headers, "store.backup", body.directory.display().to_string(), "").await?;
    let internal = |error: String| ApiError::new(ErrorKind::Internal, error);
    let store = shared.store.clone();
    let made = tokio::task::spawn_blocking(move || store.backup(&body.directory)).await;
    let made =
        made.map_err(|error| internal(error.to_string()))?.map_err(|error| internal(error.to_string()))?;
    Ok(success(json!({
        "files": made.files.len(),
        "bytes": made.bytes(),
        "created_at": made.created_at.to_rfc3339(),
    })))
}
