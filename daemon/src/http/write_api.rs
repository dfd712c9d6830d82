//! Prometheus' remote write 1.0, in: `POST /api/v1/write` takes snappy-compressed protobuf into the store.
//!
//! Answers as Prometheus gives them, because senders act on the code: 204 taken, 400 never send this again, 500 try
//! again, 503 with `Retry-After` try again then (the store's breaker is open). Unlike there, one bad sample does not take
//! the rest of its request with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use breakwatch_model::{
    Appended, Appender, CancelToken, Labels, METRIC_NAME, Matcher, Metadata, MetricKind, Queryable, Sample,
    SeriesRef, Timestamp,
};
use prost::Message as _;

use crate::guarded_store::NotTaken;
use crate::shared::Shared;
use crate::store::StoreHandle;

/// The largest request, packed or unpacked: thirty times what Prometheus sends by default.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// `prometheus.WriteRequest`, as far as it is read. Exemplars are left out.
#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<WireSample>,
    /// Native histograms: only whether there are any.
    #[prost(bytes = "vec", repeated, tag = "4")]
    histograms: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireSample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MetricMetadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    family: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

/// A refusal: the code, and a line of plain text as Prometheus' handler writes it.
#[derive(Debug)]
struct Refusal {
    code: StatusCode,
    text: String,
    /// When to come back.
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(code: StatusCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after: None }
    }

    fn internal(error: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<NotTaken> for Refusal {
    fn from(not_taken: NotTaken) -> Self {
        let code = match not_taken.retry_after {
            Some(_) => StatusCode::SERVICE_UNAVAILABLE,
            None => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { retry_after: not_taken.retry_after, ..Self::new(code, not_taken.error.to_string()) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.code, format!("{}\n", self.text)).into_response();
        if let Some(wait) = self.retry_after {
            // Whole seconds, and never so few that the store refuses again.
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        response
    }
}

/// `POST /api/v1/write`.
pub(super) async fn write(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let outcome = match accept(&headers) {
        Ok(()) => {
            let store = shared.store.clone();
            let work = tokio::task::spawn_blocking(move || take(&body, &store));
            work.await.unwrap_or_else(|error| Err(Refusal::internal(error)))
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Whether the request says it is of the form read here.
fn accept(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let unsupported = |what: String| Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    let kind = text(header::CONTENT_TYPE);
    let (media, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    if !media.is_empty() && !media.trim().eq_ignore_ascii_case("application/x-protobuf") {
        return unsupported(format!("expected application/x-protobuf as the first (media) part, got {kind}"));
    }
    if let Some(proto) = parameters.trim().strip_prefix("proto=").filter(|p| *p != "prometheus.WriteRequest")
    {
        return unsupported(format!(
            "{proto} protobuf message is not accepted by this server; accepted prometheus.WriteRequest"
        ));
    }
    let encoding = text(header::CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        return unsupported(format!(
            "{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
        ));
    }
    Ok(())
}

fn take(body: &[u8], handle: &StoreHandle) -> Result<(), Refusal> {
    let (appender, store) = (handle.appender(), handle.queryable());
    let request = decode(body)?;
    let described = describe(&request.metadata, &*appender, &*store);
    let mut batch: Vec<(SeriesRef, Sample)> = Vec::new();
    let mut complaint = None;
    for series in &request.timeseries {
        if !series.histograms.is_empty() {
            complaint = Some("native histograms are not supported".to_owned());
        }
        let Some(labels) = labels(&series.labels) else {
            complaint = Some("series without a metric name or with a label named twice".to_owned());
            continue;
        };
        if series.samples.is_empty() {
            continue;
        }
        let meta = known(&described, &*store, labels.metric_name());
        let reference = appender.resolve(&labels, &meta);
        let samples = series.samples.iter().map(|s| Sample::new(Timestamp(s.timestamp), s.value));
        batch.extend(samples.map(|sample| (reference, sample)));
    }
    let appended = if batch.is_empty() { Appended::default() } else { handle.offer(&batch)? };
    match refused(&appended).or(complaint) {
        Some(reason) => Err(Refusal::new(StatusCode::BAD_REQUEST, reason)),
        None if appended.dropped > 0 => {
            Err(Refusal::internal(format!("{} samples were dropped", appended.dropped)))
        }
        None => Ok(()),
    }
}

fn decode(body: &[u8]) -> Result<WriteRequest, Refusal> {
    let corrupt = |_| Refusal::new(StatusCode::BAD_REQUEST, "snappy: corrupt input");
    let length = snap::raw::decompress_len(body).map_err(corrupt)?;
    if length > MAX_BYTES {
        let text = format!("the request unpacks to {length} bytes, more than {MAX_BYTES}");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let plain = snap::raw::Decoder::new().decompress_vec(body).map_err(corrupt)?;
    WriteRequest::decode(plain.as_slice())
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// Why samples were refused, in Prometheus' words.
fn refused(appended: &Appended) -> Option<String> {
    let reasons = [
        (appended.out_of_order, "out of order sample"),
        (appended.duplicate, "duplicate sample for timestamp"),
        (appended.too_far_ahead, "out of bounds"),
    ];
    let (count, reason) = reasons.into_iter().find(|(count, _)| *count > 0)?;
    Some(format!("{reason} ({count} of the samples; {} were taken)", appended.accepted))
}

/// The labels of a series; none if it has no name, a label twice, or one without a name.
fn labels(wire: &[Label]) -> Option<Labels> {
    let pairs = wire.iter().map(|label| (label.name.as_str(), label.value.as_str()));
    let labels = Labels::from_pairs(pairs);
    let given = wire.iter().filter(|label| !label.value.is_empty()).count();
    let sound = !labels.metric_name().is_empty() && wire.iter().all(|label| !label.name.is_empty());
    (sound && labels.len() == given).then_some(labels)
}

/// Keeps what is said of metrics, also of those that came in an earlier request.
fn describe(
    metadata: &[MetricMetadata],
    appender: &dyn Appender,
    store: &dyn Queryable,
) -> HashMap<String, Metadata> {
    let mut described = HashMap::new();
    for wire in metadata {
        let meta = Metadata {
            kind: kind(wire.kind),
            unit: wire.unit.as_str().into(),
            help: wire.help.as_str().into(),
        };
        for suffix in suffixes(meta.kind) {
            let name = format!("{}{suffix}", wire.family);
            let found = store.prepare(&[Matcher::equal(METRIC_NAME, name)], &CancelToken::new());
            if let Some(entry) = found.ok().as_ref().and_then(|found| found.series.first()) {
                appender.resolve(&entry.labels, &meta);
            }
        }
        described.insert(wire.family.clone(), meta);
    }
    described
}

/// What the series of a family are called behind its name. Counters come with and without their `_total`.
fn suffixes(kind: MetricKind) -> &'static [&'static str] {
    match kind {
        MetricKind::Histogram => &["_bucket", "_sum", "_count"],
        MetricKind::Summary => &["", "_sum", "_count"],
        MetricKind::Counter => &["", "_total"],
        MetricKind::Info => &["", "_info"],
        _ => &[""],
    }
}

/// What is known of a metric: said in this request, or before.
fn known(described: &HashMap<String, Metadata>, store: &dyn Queryable, name: &str) -> Metadata {
    let stems =
        ["", "_bucket", "_sum", "_count", "_total", "_info"].iter().filter_map(|s| name.strip_suffix(s));
    let fits = |stem: &str, meta: &Metadata| {
        name.strip_prefix(stem).is_some_and(|suffix| suffixes(meta.kind).contains(&suffix))
    };
    for stem in stems {
        if let Some(meta) = described.get(stem).filter(|meta| fits(stem, meta)) {
            return meta.clone();
        }
        if let Some((_, meta)) = store.metadata(Some(stem)).into_iter().find(|(_, meta)| fits(stem, meta)) {
            return meta;
        }
    }
    Metadata::default()
}

/// The numbers of `prometheus.MetricMetadata.MetricType`.
fn kind(number: i32) -> MetricKind {
    match number {
        1 => MetricKind::Counter,
        2 => MetricKind::Gauge,
        3 => MetricKind::Histogram,
        5 => MetricKind::Summary,
        6 => MetricKind::Info,
        7 => MetricKind::StateSet,
        _ => MetricKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_told_when_to_come_back() {
        let answer = |retry_after| {
            let error = breakwatch_model::StorageError::Unavailable("full".to_owned());
            let response = Refusal::from(NotTaken { error, retry_after }).into_response();
            let wait =
                response.headers().get(header::RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned());
            (response.status().as_u16(), wait)
        };
        assert_eq!(answer(None), (500, None), "tried, and failed: at the sender's own pace");
        assert_eq!(answer(Some(Duration::from_millis(7200))), (503, Some("8".to_owned())));
        assert_eq!(answer(Some(Duration::ZERO)), (503, Some("1".to_owned())));
    }
}
