//! `/api/v1/explain`: the whole way of an alert, from the check or rule that raises it to every attempt to tell of it,
//! and why somebody was not told.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use breakwatch_alerts::matchers::parse_matcher;
use breakwatch_alerts::rules::{ActiveState, Group, RuleView};
use breakwatch_alerts::{Alerting, Explanation, labels_in};
use breakwatch_model::{Labels, MatchOp, Matcher, TimeRange, Timestamp};
use serde_json::{Value, json};

use super::auth::Access::Read;
use super::delivery_api::{call, describe, read_ledger};
use super::error::{ApiError, ErrorKind, success};
use super::query::Params;
use super::routes::Routes;
use crate::checks::unit::CheckUnit;
use crate::dependencies;
use crate::shared::Shared;

/// How far back the ledger is read unless `since` says otherwise: long enough for the whole of a usual incident.
const DEFAULT_SPAN: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Adds the routes.
#[must_use]
pub(super) fn routes(routes: Routes) -> Routes {
    routes.add("/api/v1/explain", Read, get(explain))
}

/// `GET /api/v1/explain?label=check="http/web"&label=…&since=`; a `label` is a matcher, all must hold.
async fn explain(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, ApiError> {
    let matchers = read_matchers(&params)?;
    let now = shared.clock.now();
    let since = params.time_or("since", now - DEFAULT_SPAN)?;
    let records = read_ledger(&shared, TimeRange::new(since, Timestamp::MAX)).await?;
    let asked = matchers.clone();
    let others = labels_in(&records, &matchers);
    let (mut explanations, would) = call(&shared, move |alerting, now| {
        let found = alerting.explain(&asked, &others, now);
        let would = if found.is_empty() { would_go(alerting, &asked) } else { Vec::new() };
        (found, would)
    })
    .await?;
    Explanation::tell_history(&mut explanations, &records);
    let mut lines = check_lines(&shared, &matchers, &explanations, now);
    lines.extend(isolation_line(&shared));
    lines.extend(rule_lines(&shared, matchers).await?);
    lines.extend(explanations.iter().flat_map(Explanation::lines));
    lines.extend(would);
    if lines.is_empty() {
        lines.push("nothing is known of such an alert, and no rule or check by this name exists".to_owned());
    }
    let alerts: Vec<Value> = explanations.iter().map(describe_explanation).collect();
    Ok(success(json!({ "alerts": alerts, "lines": lines })))
}

fn read_matchers(params: &Params) -> Result<Vec<Matcher>, ApiError> {
    let parse = |text: &str| {
        parse_matcher(text).map_err(|error| ApiError::bad_data(format!("label: {text}: {error}")))
    };
    let matchers: Vec<Matcher> = params.all("label").map(parse).collect::<Result<_, _>>()?;
    if matchers.is_empty() {
        return Err(ApiError::bad_data("say which alert: `label=check=\"http/web\"`, `label=alertname=…`"));
    }
    Ok(matchers)
}

/// Where an alert with these labels would go.
fn would_go(alerting: &Alerting, matchers: &[Matcher]) -> Vec<String> {
    let plain = matchers.iter().filter(|matcher| matcher.op() == MatchOp::Equal);
    let labels = Labels::from_pairs(plain.map(|matcher| (matcher.name(), matcher.value())));
    let line = |route: &&breakwatch_alerts::config::Route| {
        let integrations = alerting.integrations_of(route);
        let names: Vec<&str> = integrations.iter().map(|integration| &*integration.key).collect();
        let who = if names.is_empty() {
            "nobody: the receiver has no integrations".to_owned()
        } else {
            names.join(", ")
        };
        format!("no such alert has fired; one would go by {} to {}: {who}", route.key, route.receiver)
    };
    alerting.routes_for(&labels).iter().map(line).collect()
}

/// Cut off, the daemon does not believe what its checks find.
fn isolation_line(shared: &Shared) -> Option<String> {
    let since = shared.observer.chronicle.isolated_since()?;
    Some(format!(
        "breakwatch itself is cut off since {since}, as its canaries say: what checks find meanwhile opens no circuit breaker"
    ))
}

fn check_lines(
    shared: &Shared,
    matchers: &[Matcher],
    explanations: &[Explanation],
    now: Timestamp,
) -> Vec<String> {
    let asked = matchers.iter().filter(|matcher| matcher.name() == "check");
    let asked: Vec<&Matcher> = asked.collect();
    let concerned = |unit: &Arc<CheckUnit>| {
        let by_name = !asked.is_empty() && asked.iter().all(|matcher| matcher.matches(&unit.name));
        by_name || explanations.iter().any(|alert| alert.labels.get("check") == Some(&unit.name))
    };
    let causes = shared.observer.root_causes();
    let affected = dependencies::affected(&causes);
    let units = shared.checks();
    let lines = units.iter().filter(|unit| concerned(unit)).flat_map(|unit| {
        let cause = causes.get(&*unit.name).map(|root| {
            format!(
                "check {}: the root cause is {root}; until that is over its alerts are kept quiet",
                unit.name
            )
        });
        let effect = affected.get(&*unit.name).map(|checks| {
            let (number, names) = (checks.len(), checks.join(", "));
            format!("check {}: is the root cause of {number} others, kept quiet for it: {names}", unit.name)
        });
        std::iter::once(describe_check(unit, now)).chain(cause).chain(effect)
    });
    lines.collect()
}

/// `check http/web: unhealthy now; unhealthy since …, status: 500; its circuit breaker is closed, …`.
fn describe_check(unit: &CheckUnit, now: Timestamp) -> String {
    let breaker = unit.guard.breaker.state();
    let state = unit.state.lock();
    let found = match &state.last {
        None => "has not run yet".to_owned(),
        Some(last) => {
            let why = last.failure.as_ref();
            let why = why.map(|f| format!(", {}: {}", f.reason.as_str(), f.message)).unwrap_or_default();
            format!("{} since {}{why}", last.status.as_str(), last.since)
        }
    };
    drop(state);
    let paused = if unit.is_paused() { "; it is paused" } else { "" };
    let (status, breaker) = (unit.status(now).as_str(), breaker.as_str());
    format!(
        "check {}: {status} now; {found}{paused}; its circuit breaker is {breaker}, and raises an alert only when it opens",
        unit.name
    )
}

async fn rule_lines(shared: &Shared, matchers: Vec<Matcher>) -> Result<Vec<String>, ApiError> {
    let groups = shared.rules.groups();
    let look = move || {
        let in_group = |group: &Arc<Group>| {
            group.rules().iter().flat_map(|r| describe_rule(group, r, &matchers)).collect::<Vec<_>>()
        };
        groups.iter().flat_map(in_group).collect::<Vec<String>>()
    };
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))
}

/// The instances of a rule that match; of a rule that is asked for by name, also that it has none.
fn describe_rule(group: &Group, rule: &RuleView, matchers: &[Matcher]) -> Vec<String> {
    let Some(alerting) = &rule.alerting else { return Vec::new() };
    let head = format!("rule {} (group {}): {}", rule.name, group.name(), rule.query);
    let matching =
        alerting.alerts.iter().filter(|alert| matchers.iter().all(|m| m.matches_labels(&alert.labels)));
    let line = |alert: &breakwatch_alerts::rules::ActiveAlert| {
        let stands = match alert.state {
            ActiveState::Pending => {
                format!(
                    "holds since {} and fires from {} on",
                    alert.active_at,
                    alert.active_at + alerting.hold
                )
            }
            _ => format!("{} since {}", alert.state.as_str(), alert.fired_at.unwrap_or(alert.active_at)),
        };
        format!("{head}; {} {stands}, value {}", alert.labels, alert.value)
    };
    let mut lines: Vec<String> = matching.map(line).collect();
    let mut by_name = matchers.iter().filter(|matcher| matcher.name() == "alertname").peekable();
    if lines.is_empty() && by_name.peek().is_some() && by_name.all(|matcher| matcher.matches(&rule.name)) {
        let error = rule.health.error();
        lines.push(if error.is_empty() {
            format!(
                "{head}; its condition does not hold for such labels, last looked at {}",
                rule.last_evaluation
            )
        } else {
            format!("{head}; its last evaluation at {} failed: {error}", rule.last_evaluation)
        });
    }
    lines
}

fn describe_explanation(explanation: &Explanation) -> Value {
    let routes: Vec<Value> = explanation
        .routes
        .iter()
        .map(|route| {
            let integrations = route.integrations.iter().map(|story| {
                json!({ "integration": &*story.integration, "told": story.told, "verdict": story.verdict })
            });
            json!({
                "route": &*route.route,
                "receiver": &*route.receiver,
                "group": route.group,
                "next_look_at": route.next.map(Timestamp::to_rfc3339),
                "integrations": integrations.collect::<Vec<_>>(),
                "escalation": route.escalation,
            })
        })
        .collect();
    let alert = explanation.alert.as_ref().map(|view| {
        json!({
            "starts_at": view.alert.starts_at.to_rfc3339(),
            "state": view.state.as_str(),
            "silenced_by": view.silenced_by,
            "inhibited_by": view.inhibited_by.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "muted_by": view.muted_by,
            "root_cause": view.root_cause,
            "acknowledged_by": view.ack.as_ref().map(|ack| ack.by.clone()),
        })
    });
    json!({
        "fingerprint": explanation.fingerprint.to_string(),
        "labels": explanation.labels,
        "firing": alert,
        "routes": routes,
        "history": explanation.history.iter().map(describe).collect::<Vec<_>>(),
    })
}
