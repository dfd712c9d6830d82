//! `/api/v2/alerts` and `/api/v2/alerts/groups`.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use breakwatch_alerts::{Alerting, PostedAlert};
use breakwatch_model::{Labels, Timestamp};
use serde_json::{Value, json};

use super::filter::AlertFilter;
use super::wire::{self, AlertBody};
use super::{AmError, call};
use crate::http::audit;
use crate::http::query::Params;
use crate::shared::Shared;

/// So many alerts are named in a line of the audit log.
const NAMED_IN_AUDIT: usize = 5;

/// `GET /api/v2/alerts`, by fingerprint.
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, AmError> {
    let filter = AlertFilter::read(&params)?;
    let views = call(&shared, move |alerting, now| {
        let until = believed_until(alerting, now);
        let mut views = alerting.alerts(now);
        views.retain(|view| {
            filter.wants(view) && view.receivers.iter().any(|name| filter.wants_receiver(name))
        });
        views.sort_by_key(|view| view.fingerprint);
        (views, until)
    });
    let (views, until) = views.await?;
    Ok(Json(views.iter().map(|view| wire::alert(view, until)).collect::<Vec<_>>()).into_response())
}

/// `GET /api/v2/alerts/groups`, by labels (as Alertmanager sorts them) and receiver.
pub(super) async fn groups(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, AmError> {
    let filter = AlertFilter::read(&params)?;
    let groups = call(&shared, move |alerting, now| {
        let until = believed_until(alerting, now);
        let mut groups = alerting.groups(now);
        for group in &mut groups {
            group.alerts.retain(|view| filter.wants(view));
            // As in Alertmanager, the groups of other receivers are then not there at all.
            for view in &mut group.alerts {
                view.receivers.retain(|name| filter.wants_receiver(name));
            }
        }
        groups.retain(|group| !group.alerts.is_empty() && filter.wants_receiver(&group.receiver));
        groups.sort_by(|a, b| label_order(&a.labels, &b.labels).then_with(|| a.receiver.cmp(&b.receiver)));
        (groups, until)
    });
    let (groups, until) = groups.await?;
    let shown: Vec<Value> = groups
        .iter()
        .map(|group| {
            json!({
                "alerts": group.alerts.iter().map(|view| wire::alert(view, until)).collect::<Vec<_>>(),
                "labels": group.labels,
                "receiver": { "name": &*group.receiver },
            })
        })
        .collect();
    Ok(Json(shown).into_response())
}

/// `POST /api/v2/alerts`. The good ones are taken even if others are refused; 200 once they are durable.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AmError> {
    let alerts: Vec<AlertBody> = serde_json::from_slice(&body)
        .map_err(|error| AmError::bad_request(format!("parsing alerts body failed: {error}")))?;
    let posted: Vec<PostedAlert> = alerts.into_iter().map(PostedAlert::from).collect();
    let asked = posted.clone();
    // A Prometheus says again every minute what fires. Only news is worth a line of the audit log.
    let news = call(&shared, move |alerting, now| describe_news(alerting, &asked, now)).await?;
    if let Some(news) = news {
        audit::note(&shared, &headers, "alerts.post", news, "").await?;
    }
    let taken = call(&shared, move |alerting, now| alerting.receive(posted, now)).await?;
    shared.changes.notify();
    taken.map_err(AmError::bad_request)?;
    Ok(StatusCode::OK.into_response())
}

/// Alertmanager's order of label sets: smaller sets first, then name by name over the names of both; the set that
/// lacks a name comes first.
fn label_order(a: &Labels, b: &Labels) -> Ordering {
    let mut names: Vec<&str> = a.iter().chain(b.iter()).map(|(name, _)| name).collect();
    names.sort_unstable();
    // `None` is less than every value.
    let by_name = names.iter().map(|name| a.get(name).cmp(&b.get(name)));
    a.len().cmp(&b.len()).then_with(|| by_name.fold(Ordering::Equal, Ordering::then))
}

/// Until when an alert that has no end is said to be believed.
fn believed_until(alerting: &Alerting, now: Timestamp) -> Timestamp {
    now + alerting.config().resolve_timeout
}

/// Alerts that begin or end with this post.
fn describe_news(alerting: &Alerting, posted: &[PostedAlert], now: Timestamp) -> Option<String> {
    let is_news = |alert: &&PostedAlert| {
        let ends = alert.ends_at.is_some_and(|end| end <= now);
        let fires = alerting.alert(alert.labels.fingerprint(), now).is_some();
        ends == fires
    };
    let names: Vec<&str> = posted
        .iter()
        .filter(is_news)
        .map(|alert| alert.labels.get("alertname").unwrap_or("(unnamed)"))
        .collect();
    if names.is_empty() {
        return None;
    }
    let shown: Vec<String> =
        names.iter().take(NAMED_IN_AUDIT).map(|name| name.chars().take(100).collect()).collect();
    let more = if names.len() > NAMED_IN_AUDIT { ", …" } else { "" };
    Some(format!("{} alerts: {}{more}", names.len(), shown.join(", ")))
}
