//! `/api/v2/status` and `/api/v2/receivers`. `amtool` asks for the status before every command and reads the routing
//! tree from it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{AmError, call};
use crate::shared::{Shared, VERSION};

/// The Alertmanager whose API this is. Clients switch features by it and warn when it is far from their own version.
const EMULATED_VERSION: &str = "0.28.0";

/// `GET /api/v2/status`.
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Result<Response, AmError> {
    let original = call(&shared, |alerting, _| alerting.config().to_alertmanager_yaml()).await?;
    let status = json!({
        "cluster": { "status": "disabled", "peers": [] },
        "config": { "original": original },
        "uptime": shared.started_at.to_rfc3339(),
        "versionInfo": {
            "version": EMULATED_VERSION,
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
            "application": "breakwatch",
            "applicationVersion": VERSION,
        },
    });
    Ok(Json(status).into_response())
}

/// `GET /api/v2/receivers`.
pub(super) async fn receivers(State(shared): State<Arc<Shared>>) -> Result<Response, AmError> {
    let names = call(&shared, |alerting, _| {
        let receivers = alerting.config().receivers.iter();
        receivers.map(|receiver| json!({ "name": &*receiver.name })).collect::<Vec<Value>>()
    });
    Ok(Json(names.await?).into_response())
}
