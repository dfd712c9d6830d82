//! `/api/v1/recovery`: availability, episodes, recovery times, grades and what to do about them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use breakwatch_model::Timestamp;
use serde_json::{Value, json};

use super::auth::Access::Read;
use super::error::{ApiError, success};
use super::moment::moment;
use super::query::params::Params;
use super::routes::Routes;
use crate::recovery::{Figures, Report, Subject, WINDOWS, report};
use crate::shared::Shared;

/// The routes of this file.
pub fn routes(routes: Routes) -> Routes {
    routes.add("/api/v1/recovery", Read, get(recovery))
}

/// `GET /api/v1/recovery?check=&since=`: the figures in the windows 1h, 24h, 7d and 30d, or with `since` in the one
/// window from there (a time, or a span such as `12h`); at most the last thirty days are known.
async fn recovery(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, ApiError> {
    let now = shared.clock.now();
    let own;
    let windows: &[(&str, Duration)] = match params.get("since") {
        None => &WINDOWS,
        Some(text) => {
            own = [("since", now.since(moment("since", text, now)?))];
            &own
        }
    };
    let wanted = params.get("check").or_else(|| params.get("name"));
    let report = shared.observer.chronicle.look(now, |pasts, blind| {
        // What is no longer configured is no longer reported.
        let present = pasts.iter().filter(|(name, _)| shared.breakers.get(name).is_some());
        report(present.filter(|(name, _)| wanted.is_none_or(|wanted| wanted == **name)), blind, windows, now)
    });
    if let Some(name) = wanted.filter(|_| report.subjects.is_empty()) {
        return Err(ApiError::not_found(format!("nothing is known of {name:?}")));
    }
    Ok(success(show(&report)))
}

fn show(report: &Report) -> Value {
    json!({
        "generatedAt": report.generated_at.to_rfc3339(),
        "overall": report.overall,
        "recommendations": report.recommendations,
        "subjects": report.subjects.iter().map(subject).collect::<Vec<_>>(),
    })
}

fn subject(subject: &Subject) -> Value {
    let windows: serde_json::Map<String, Value> =
        subject.windows.iter().map(|(name, figures)| (name.clone(), show_figures(figures))).collect();
    json!({
        "name": subject.name,
        "component": subject.component,
        "flapping": subject.flapping,
        "windows": windows,
        "recommendations": subject.recommendations,
    })
}

fn show_figures(figures: &Figures) -> Value {
    let mut value = serde_json::to_value(figures).unwrap_or_default();
    let time = |at: Option<Timestamp>| json!(at.map(Timestamp::to_rfc3339));
    if let Some(fields) = value.as_object_mut() {
        fields.insert("last_failure".to_owned(), time(figures.last_failure));
        fields.insert("last_recovery".to_owned(), time(figures.last_recovery));
    }
    value
}
