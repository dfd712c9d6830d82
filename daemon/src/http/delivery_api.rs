//! What became of messages, and who has taken an alert on: `/api/v1/outbox`, `/api/v1/ledger` and
//! `/api/v1/alerts/{fingerprint}/ack`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{delete, get, post};
use breakwatch_alerts::Alerting;
use breakwatch_alerts::ledger::Record;
use breakwatch_model::{Fingerprint, Table, TimeRange, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::audit;
use super::auth::Access::{Operate, Read};
use super::error::{ApiError, ErrorKind, success};
use super::query::Params;
use super::routes::Routes;
use crate::shared::Shared;

/// The most records of the ledger that are read for one answer.
const MAX_RECORDS: usize = 10_000;
/// Records in an answer unless `limit` says otherwise.
const DEFAULT_LIMIT: usize = 1000;

/// Adds the routes.
#[must_use]
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add("/api/v1/outbox", Read, get(outbox))
        .add("/api/v1/ledger", Read, get(ledger))
        .add("/api/v1/alerts/{fingerprint}/ack", Operate, post(acknowledge))
        .add("/api/v1/alerts/{fingerprint}/ack", Operate, delete(unacknowledge))
}

/// `GET /api/v1/outbox`: messages that are not yet delivered, and why.
async fn outbox(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let entries = call(&shared, |alerting, _| alerting.outbox()).await?;
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id,
                "integration": entry.integration,
                "group": entry.group_key,
                "firing": entry.firing,
                "resolved": entry.resolved,
                "attempts": entry.attempts,
                "since": entry.since.to_rfc3339(),
                "in_flight": entry.in_flight,
                "handed_over": entry.handed_over,
                "next_attempt_at": entry.next_at.to_rfc3339(),
                "last_error": entry.last_error,
            })
        })
        .collect();
    Ok(success(json!({ "entries": entries })))
}

/// `GET /api/v1/ledger?since=&until=&receiver=&limit=`: every decision, attempt and answer, oldest first; the newest
/// `limit` of them.
async fn ledger(State(shared): State<Arc<Shared>>, params: Params) -> Result<Response, ApiError> {
    let since = params.time_or("since", Timestamp(0))?;
    let until = params.time_or("until", Timestamp::MAX)?;
    let limit = match params.limit()? {
        0 => DEFAULT_LIMIT,
        limit => limit.min(MAX_RECORDS),
    };
    let mut records = read_ledger(&shared, TimeRange::new(since, until)).await?;
    if let Some(receiver) = params.get("receiver").filter(|receiver| !receiver.is_empty()) {
        let of_receiver = |integration: &str| {
            integration.strip_prefix(receiver).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        records.retain(|record| of_receiver(&record.integration));
    }
    let newest = records.split_off(records.len().saturating_sub(limit));
    Ok(success(json!({ "records": newest.iter().map(describe).collect::<Vec<_>>() })))
}

/// A record with its sentence for people.
pub(super) fn describe(record: &Record) -> Value {
    let mut value = json!(record);
    if let Some(fields) = value.as_object_mut() {
        // Stored times are milliseconds; the API's are RFC 3339.
        for key in ["at", "starts_at", "ends_at", "retry_at"] {
            if let Some(time) = fields.get_mut(key) {
                *time = time.as_i64().map_or(Value::Null, |millis| json!(Timestamp(millis).to_rfc3339()));
            }
        }
        fields.insert("text".to_owned(), json!(record.event.to_string()));
    }
    value
}

/// The newest records of the ledger inside a time, oldest first.
pub(super) async fn read_ledger(shared: &Shared, range: TimeRange) -> Result<Vec<Record>, ApiError> {
    let state = Arc::clone(&shared.state);
    let read = move || {
        let records = state.journal(Table::Ledger, range, MAX_RECORDS)?;
        // A record that a later version wrote and this one cannot read is no reason to show none.
        let readable = records.iter().filter_map(|record| serde_json::from_slice(&record.value).ok());
        Ok::<Vec<Record>, breakwatch_model::StorageError>(readable.collect())
    };
    let internal = |error: String| ApiError::new(ErrorKind::Internal, error);
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| internal(error.to_string()))?;
    read.map_err(|error| internal(error.to_string()))
}

/// Who takes an alert on, and what they say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AckBody {
    /// Who; without it the name in the credentials.
    #[serde(default)]
    by: String,
    #[serde(default)]
    comment: String,
}

/// `POST /api/v1/alerts/{fingerprint}/ack`: the alert is not repeated and does not escalate until it ends.
async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    Path(fingerprint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let fingerprint = read_fingerprint(&fingerprint)?;
    let body = read_body(&body)?;
    let by = who(&shared, &body, &headers);
    let reason = format!("{by}: {}", body.comment);
    audit::note(&shared, &headers, "alert.ack", fingerprint.to_string(), reason).await?;
    let (said_by, comment) = (by.clone(), body.comment);
    let done = call(&shared, move |alerting, now| alerting.acknowledge(fingerprint, &said_by, &comment, now))
        .await?;
    if !done {
        return Err(ApiError::not_found(format!("no alert {fingerprint} fires")));
    }
    shared.changes.notify();
    Ok(success(json!({ "fingerprint": fingerprint.to_string(), "acknowledged_by": by })))
}

/// `DELETE /api/v1/alerts/{fingerprint}/ack`: takes it back.
async fn unacknowledge(
    State(shared): State<Arc<Shared>>,
    Path(fingerprint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let fingerprint = read_fingerprint(&fingerprint)?;
    let body = read_body(&body)?;
    let by = who(&shared, &body, &headers);
    let reason = format!("{by}: {}", body.comment);
    audit::note(&shared, &headers, "alert.unack", fingerprint.to_string(), reason).await?;
    let had = call(&shared, move |alerting, now| alerting.unacknowledge(fingerprint, &by, now)).await?;
    if !had {
        return Err(ApiError::not_found(format!("alert {fingerprint} is not acknowledged")));
    }
    shared.changes.notify();
    Ok(success(json!({ "fingerprint": fingerprint.to_string() })))
}

fn read_fingerprint(text: &str) -> Result<Fingerprint, ApiError> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u64::from_str_radix(text, 16).ok().filter(|_| digits);
    number.map(Fingerprint).ok_or_else(|| {
        ApiError::bad_data("a fingerprint is 16 hex digits, as `breakwatch alert list` shows them")
    })
}

fn read_body(body: &Bytes) -> Result<AckBody, ApiError> {
    if body.is_empty() {
        return Ok(AckBody::default());
    }
    serde_json::from_slice(body).map_err(|error| ApiError::bad_data(format!("body: {error}")))
}

fn who(shared: &Shared, body: &AckBody, headers: &HeaderMap) -> String {
    if body.by.is_empty() { shared.auth.load().actor(headers) } else { body.by.clone() }
}

/// Does something with alerting; an answer is durable.
pub(super) async fn call<R: Send + 'static>(
    shared: &Shared,
    act: impl FnOnce(&mut Alerting, Timestamp) -> R + Send + 'static,
) -> Result<R, ApiError> {
    let stopping = || ApiError::new(ErrorKind::Unavailable, "the daemon is stopping");
    shared.alerting.call(act).await.ok_or_else(stopping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_sixteen_digits() {
        assert_eq!(read_fingerprint("00000000000000ff").unwrap(), Fingerprint(255));
        for wrong in ["", "ff", "+0000000000000ff", "g000000000000000", "00000000000000ff0"] {
            assert!(read_fingerprint(wrong).is_err(), "{wrong}");
        }
    }
}
