//! `/api/v1/rules` and `/api/v1/alerts`, as Prometheus answers them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use breakwatch_alerts::BREAKER_ALERT;
use breakwatch_model::Alert;
use breakwatch_promql::number::go_exponent;
use serde_json::{Value, json};

use super::error::{ApiError, ErrorKind, success};
use super::query::Params;
use super::rules_filter::{Wanted, token};
use super::rules_view::describe_alert;
use super::series_api::answer;
use crate::shared::Shared;

/// `GET /api/v1/rules`, filtered and paged as in Prometheus.
pub(super) async fn rules(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let wanted = Wanted::read(&params)?;
    let groups = shared.rules.groups();
    let found = blocking(move || {
        let groups = groups.iter().filter_map(|group| Some((token(group), wanted.describe(group)?)));
        wanted.page.cut(groups)
    });
    let (groups, next) = found.await??;
    let mut data = json!({ "groups": groups });
    if let (Some(next), Some(fields)) = (next, data.as_object_mut()) {
        fields.insert("groupNextToken".to_owned(), json!(next));
    }
    Ok(answer(&headers, &data, false))
}

/// `GET /api/v1/alerts`: pending and firing alerts of rules, and the alerts of open breakers.
pub(super) async fn alerts(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let groups = shared.rules.groups();
    let active = blocking(move || {
        let rules = groups.iter().flat_map(|group| group.rules());
        let alerting = rules.filter_map(|rule| rule.alerting);
        alerting.flat_map(|view| view.alerts).map(|alert| describe_alert(&alert)).collect::<Vec<_>>()
    });
    let mut alerts = active.await?;
    let snapshot = shared.alerting.snapshot();
    alerts.extend(
        snapshot.firing.iter().filter(|alert| alert.name() == BREAKER_ALERT).map(describe_breaker_alert),
    );
    Ok(success(json!({ "alerts": alerts })))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))
}

fn describe_breaker_alert(alert: &Alert) -> Value {
    json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "state": "firing",
        "activeAt": alert.starts_at.to_rfc3339(),
        "value": go_exponent(1.0),
    })
}
