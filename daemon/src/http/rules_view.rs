//! Rules and their alerts in the words of Prometheus' API.

use breakwatch_alerts::rules::{ActiveAlert, RuleView};
use breakwatch_promql::number::go_exponent;
use serde_json::{Value, json};

pub(super) fn describe_rule(rule: &RuleView, with_alerts: bool) -> Value {
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
        let shown = alerting.alerts.iter().filter(|_| with_alerts);
        let alerts: Vec<Value> = shown.map(describe_alert).collect();
        fields.insert("alerts".to_owned(), json!(alerts));
    }
    value
}

pub(super) fn describe_alert(alert: &ActiveAlert) -> Value {
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
