//! Prometheus' query API: `query` and `query_range`, as Grafana and every other client of Prometheus ask them.

mod json;
pub(super) mod params;
mod run;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::encoding;
use super::error::ApiError;
use crate::shared::Shared;
pub(super) use json::TRUNCATED;
pub(super) use params::{Params, invalid};
pub(super) use run::{CancelOnDrop, TIMEOUT};

/// `GET` and `POST /api/v1/query`.
pub(in crate::http) async fn query(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let at = params.time_or("time", shared.clock.now())?;
    let asked = run::Asked::read(&params, &shared)?;
    let body = run::evaluate(shared, asked, move |engine, store, query, cancel| {
        engine.instant(store, query, at, cancel)
    });
    Ok(encoding::respond(&headers, "application/json", body.await?))
}

/// `GET` and `POST /api/v1/query_range`.
pub(in crate::http) async fn query_range(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let start = params.required_time("start")?;
    let end = params.required_time("end")?;
    if end < start {
        return Err(invalid("end", "end timestamp must not be before start time"));
    }
    let step = params.required_duration("step")?;
    if step.is_zero() {
        let reason = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(invalid("step", reason));
    }
    let asked = run::Asked::read(&params, &shared)?;
    let body = run::evaluate(shared, asked, move |engine, store, query, cancel| {
        engine.range(store, query, start, end, step, cancel)
    });
    Ok(encoding::respond(&headers, "application/json", body.await?))
}
