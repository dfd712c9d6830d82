//! Alertmanager's API v2, so that `amtool`, Prometheus, Grafana and whatever else speaks to an Alertmanager speaks to
//! us. Answers follow its OpenAPI description; an error's body is a plain JSON string.
//!
//! Reading needs what reading needs everywhere; posting alerts and setting silences needs a token even on loopback.
//! `amtool` sends one with `--http.config.file` (a file with `authorization: { credentials_file: … }`), Prometheus
//! with `authorization:` in its entry under `alerting.alertmanagers`.

mod alerts;
mod filter;
mod silences;
mod status;
mod wire;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use breakwatch_alerts::Alerting;
use breakwatch_model::Timestamp;

use super::auth::Access::{Operate, Read};
use super::error::ApiError;
use super::routes::Routes;
use crate::shared::Shared;

/// Prometheus posts up to 256 alerts at once, each with annotations of any length.
const ALERTS_BODY_LIMIT: usize = 16 << 20;

/// Adds the routes under `/api/v2`.
#[must_use]
pub(super) fn routes(routes: Routes) -> Routes {
    let take_alerts = post(alerts::post).layer(DefaultBodyLimit::max(ALERTS_BODY_LIMIT));
    routes
        .add("/api/v2/status", Read, get(status::status))
        .add("/api/v2/receivers", Read, get(status::receivers))
        .add("/api/v2/alerts", Read, get(alerts::list))
        .add("/api/v2/alerts", Operate, take_alerts)
        .add("/api/v2/alerts/groups", Read, get(alerts::groups))
        .add("/api/v2/silences", Read, get(silences::list))
        .add("/api/v2/silences", Operate, post(silences::set))
        .add("/api/v2/silence/{id}", Read, get(silences::one))
        .add("/api/v2/silence/{id}", Operate, axum::routing::delete(silences::expire))
}

/// An error as this API tells it.
pub(super) struct AmError(StatusCode, String);

impl AmError {
    fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self(code, message.into())
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for AmError {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl From<ApiError> for AmError {
    fn from(error: ApiError) -> Self {
        Self::new(error.kind.status(), error.message)
    }
}

/// Does something with alerting; an answer is durable.
async fn call<R: Send + 'static>(
    shared: &Shared,
    act: impl FnOnce(&mut Alerting, Timestamp) -> R + Send + 'static,
) -> Result<R, AmError> {
    let stopping = || AmError::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping");
    shared.alerting.call(act).await.ok_or_else(stopping)
}
