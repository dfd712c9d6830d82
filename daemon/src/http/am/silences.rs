//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use breakwatch_alerts::SilenceError;
use serde_json::{Value, json};

use super::filter::SilenceFilter;
use super::wire::{self, SilenceBody};
use super::{AmError, call};
use crate::http::audit;
use crate::http::query::Params;
use crate::shared::Shared;

/// `GET /api/v2/silences`: active ones (earliest end first), pending ones (earliest start first), expired ones (latest
/// end first).
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, AmError> {
    let filter = SilenceFilter::read(&params)?;
    let silences = call(&shared, move |alerting, now| {
        let all = alerting.silences(now).into_iter();
        let wanted = all.filter(|silence| filter.wants(silence, silence.state(now)));
        wanted.map(|silence| wire::silence(silence, now)).collect::<Vec<Value>>()
    });
    Ok(Json(silences.await?).into_response())
}

/// `GET /api/v2/silence/{id}`.
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, AmError> {
    let wanted = id.clone();
    let found = call(&shared, move |alerting, now| {
        alerting.silence(&wanted).map(|silence| wire::silence(silence, now))
    });
    let found = found.await?.ok_or_else(|| AmError::from(SilenceError::NotFound(id)))?;
    Ok(Json(found).into_response())
}

/// `POST /api/v2/silences`: a new one, or with an `id` a change. Answers once it is durable.
pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AmError> {
    let body: SilenceBody = serde_json::from_slice(&body)
        .map_err(|error| AmError::bad_request(format!("parsing silence body failed: {error}")))?;
    let request = body.request(shared.clock.now());
    let conditions: Vec<String> = request
        .matchers
        .iter()
        .map(|matcher| {
            let operator = match (matcher.is_equal, matcher.is_regex) {
                (true, false) => "=",
                (false, false) => "!=",
                (true, true) => "=~",
                (false, true) => "!~",
            };
            format!("{}{operator}{:?}", matcher.name, matcher.value)
        })
        .collect();
    let said = |part: &str| part.chars().take(1000).collect::<String>();
    let action = if request.id.is_empty() { "silence.set" } else { "silence.change" };
    let subject = format!("{} {{{}}} until {}", request.id, conditions.join(","), request.ends_at);
    let reason = format!("{}: {}", request.created_by, request.comment);
    audit::note(&shared, &headers, action, said(subject.trim_start()), said(&reason)).await?;
    let id = call(&shared, move |alerting, now| alerting.set_silence(request, now)).await?;
    shared.changes.notify();
    Ok(Json(json!({ "silenceID": id? })).into_response())
}

/// `DELETE /api/v2/silence/{id}`: ends it now. One that is over already stays as it is, and that is no error.
pub(super) async fn expire(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, AmError> {
    let known = id.clone();
    if !call(&shared, move |alerting, _| alerting.silence(&known).is_some()).await? {
        return Err(SilenceError::NotFound(id).into());
    }
    audit::note(&shared, &headers, "silence.expire", id.as_str(), "").await?;
    match call(&shared, move |alerting, now| alerting.expire_silence(&id, now)).await? {
        Ok(()) | Err(SilenceError::AlreadyExpired(_)) => {}
        Err(error) => return Err(error.into()),
    }
    shared.changes.notify();
    Ok(StatusCode::OK.into_response())
}

impl From<SilenceError> for AmError {
    fn from(error: SilenceError) -> Self {
        let code = match error {
            SilenceError::NotFound(_) => StatusCode::NOT_FOUND,
            SilenceError::Invalid(_) | SilenceError::AlreadyExpired(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(code, error.to_string())
    }
}
