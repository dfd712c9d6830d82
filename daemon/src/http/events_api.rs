//! `/api/v1/events`: what happened, as a list or counted per step.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use breakwatch_model::{TimeRange, Timestamp};
use breakwatch_plugin_api::parse_duration;
use serde_json::{Value, json};

use super::auth::Access::Read;
use super::error::{ApiError, ErrorKind, success};
use super::moment::moment;
use super::query::params::Params;
use super::routes::Routes;
use crate::events::query::{Count, Filter, count, read};
use crate::events::{Event, EventKind};
use crate::shared::Shared;

/// What is looked at when the asker does not say: the last day.
const DEFAULT_SPAN: Duration = Duration::from_secs(24 * 3600);
/// The most events in an answer; the newest are kept.
const MAX_EVENTS: usize = 10_000;
/// The most steps in an answer, as in a range query.
const MAX_STEPS: u128 = 11_000;

/// The routes of this file.
pub fn routes(routes: Routes) -> Routes {
    routes.add("/api/v1/events", Read, get(list))
}

/// `GET /api/v1/events?type=&check=&since=&until=&step=`: `type` may be given several times; `since` and `until` are a
/// time (seconds or RFC 3339) or a span back from now (`24h`); with `step` the answer is counts per step.
async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, ApiError> {
    let now = shared.clock.now();
    let filter = filter(&params, now)?;
    let step = params.get("step").map(step).transpose()?;
    if let Some(step) = step
        && filter.range.end.since(filter.range.start).as_nanos() / step.as_nanos() > MAX_STEPS
    {
        return Err(ApiError::bad_data(format!("more than {MAX_STEPS} steps: use a longer `step`")));
    }
    let (state, asked) = (Arc::clone(&shared.state), filter.clone());
    let events = tokio::task::spawn_blocking(move || read(&*state, &asked)).await;
    let events = events.map_err(internal)?.map_err(internal)?;
    if let Some(step) = step {
        let counts: Vec<Value> = count(&events, filter.range, step).iter().map(show_count).collect();
        return Ok(success(json!({ "stepSeconds": step.as_secs_f64(), "counts": counts })));
    }
    let dropped = events.len().saturating_sub(MAX_EVENTS);
    let shown: Vec<Value> = events.iter().skip(dropped).map(show).collect();
    Ok(success(json!({ "events": shown, "dropped": dropped })))
}

fn internal(error: impl ToString) -> ApiError {
    ApiError::new(ErrorKind::Internal, error.to_string())
}

fn filter(params: &Params, now: Timestamp) -> Result<Filter, ApiError> {
    let since = params.get("since").map_or(Ok(now - DEFAULT_SPAN), |text| moment("since", text, now))?;
    let until = params.get("until").map_or(Ok(now), |text| moment("until", text, now))?;
    let kinds = params.all("type").flat_map(|list| list.split(',')).filter(|word| !word.is_empty());
    let kinds: Result<Vec<EventKind>, ApiError> = kinds.map(kind).collect();
    let name = params.get("check").or_else(|| params.get("name")).map(str::to_owned);
    Ok(Filter { range: TimeRange::new(since, until), kinds: kinds?, name })
}

fn kind(word: &str) -> Result<EventKind, ApiError> {
    EventKind::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| {
        let known: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        ApiError::bad_data(format!("no type {word:?}: use {}", known.join(", ")))
    })
}

fn step(text: &str) -> Result<Duration, ApiError> {
    let step = parse_duration(text).filter(|step| *step >= Duration::from_secs(1));
    step.ok_or_else(|| ApiError::bad_data(format!("step {text:?}: expected a duration of a second or more")))
}

fn show(event: &Event) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("at".to_owned(), json!(event.at.to_rfc3339()));
        if let Some(since) = event.since {
            fields.insert("since".to_owned(), json!(since.to_rfc3339()));
        }
    }
    value
}

fn show_count(count: &Count) -> Value {
    json!({ "start": count.start.to_rfc3339(), "total": count.total, "types": count.types })
}
