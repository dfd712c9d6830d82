//! `/api/v1/rules` and `/api/v1/alerts`, as Prometheus answers them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use breakwatch_alerts::BREAKER_ALERT;
use breakwatch_alerts::rules::{ActiveAlert, Group, RuleView};
use breakwatch_model::Alert;
use breakwatch_promql::number::go_exponent;
use serde_json::{Value, json};

use super::error::{ApiError, ErrorKind, success};
use super::query::Params;
use crate::shared::Shared;

/// `GET /api/v1/rules`; `type=alert|record` restricts.
pub(super) async fn rules(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, ApiError> {
    let wanted = match params.get("type") {
        None | Some("") => None,
        Some("alert") => Some(true),
        Some("record") => Some(false),
        Some(other) => {
            let message = format!("not supported value {other:?}");
            return Err(super::query::invalid("type", &message));
        }
    };
    let rules = shared.rules.clone();
    let groups = blocking(move || {
        rules.with(|groups| groups.iter().map(|group| describe_group(group, wanted)).collect::<Vec<_>>())
    });
    let groups: Vec<Value> = groups.await?.into_iter().flatten().collect();
    Ok(success(json!({ "groups": groups })))
}

/// `GET /api/v1/alerts`: pending and firing alerts of rules, and the alerts of open breakers.
pub(super) async fn alerts(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let rules = shared.rules.clone();
    let active = blocking(move || {
        rules.with(|groups| {
            let rules = groups.iter().flat_map(Group::rules);
            let alerting = rules.filter_map(|rule| rule.alerting);
            alerting.flat_map(|view| view.alerts).map(|alert| describe_alert(&alert)).collect::<Vec<_>>()
        })
    });
    let mut alerts = active.await?;
    let snapshot = shared.alerting.snapshot();
    alerts.extend(snapshot.firing.iter().filter(|alert| alert.name() == BREAKER_ALERT).map(describe_breaker_alert));
    Ok(success(json!({ "alerts": alerts })))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))
}

/// A group, unless nothing in it is wanted.
fn describe_group(group: &Group, alerting: Option<bool>) -> Option<Value> {
    let rules: Vec<Value> = group
        .rules()
        .iter()
        .filter(|rule| alerting.is_none_or(|wanted| rule.alerting.is_some() == wanted))
        .map(describe_rule)
        .collect();
    if rules.is_empty() && alerting.is_some() {
        return None;
    }
    Some(json!({
        "name": group.name(),
        "file": group.file(),
        "rules": rules,
        "interval": group.interval().as_secs_f64(),
        "limit": group.limit(),
        "evaluationTime": group.evaluation_time().as_secs_f64(),
        "lastEvaluation": group.last_evaluation().to_rfc3339(),
    }))
}

fn describe_rule(rule: &RuleView) -> Value {
    let mut value = json!({
        "name": &*rule.name,
        "query": &*rule.query,
        "labels": rule.labels,
        "health": rule.health.as_str(),
        "evaluationTime": rule.evaluation_time.as_secs_f64(),
        "lastEvaluation": rule.last_evaluation.to_rfc3339(),
        "type": if rule.alerting.is_some() { "alerting" } else { "recording" },
    });
    let Some(fields) = value.as_object_mut() else { return value };
    if !rule.health.error().is_empty() {
        fields.insert("lastError".to_owned(), json!(rule.health.error()));
    }
    if let Some(alerting) = &rule.alerting {
        fields.insert("state".to_owned(), json!(alerting.state().as_str()));
        fields.insert("duration".to_owned(), json!(alerting.hold.as_secs_f64()));
        fields.insert("keepFiringFor".to_owned(), json!(alerting.keep_firing_for.as_secs_f64()));
        fields.insert("annotations".to_owned(), json!(alerting.annotations));
        let alerts: Vec<Value> = alerting.alerts.iter().map(describe_alert).collect();
        fields.insert("alerts".to_owned(), json!(alerts));
    }
    value
}

fn describe_alert(alert: &ActiveAlert) -> Value {
    let mut value = json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "state": alert.state.as_str(),
        "activeAt": alert.active_at.to_rfc3339(),
        "value": go_exponent(alert.value),
    });
    if let (Some(since), Some(fields)) = (alert.keep_firing_since, value.as_object_mut()) {
        fields.insert("keepFiringSince".to_owned(), json!(since.to_rfc3339()));
    }
    value
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
