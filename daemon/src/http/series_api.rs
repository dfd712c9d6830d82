//! What is stored, without its samples: series, label names, label values, metadata; and exemplars, of which there
//! are none. Exactly as Prometheus answers, because Grafana's label browser and variables live on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use breakwatch_model::{
    CancelToken, Labels, Matcher, MetricKind, Queryable, StorageError, TimeRange, Timestamp,
    is_valid_label_name,
};
use breakwatch_promql::parse_selector;
use serde::Serialize;
use serde_json::{Value, json};

use super::encoding;
use super::error::{ApiError, ErrorKind};
use super::query::{CancelOnDrop, Params, TRUNCATED, invalid};
use crate::shared::Shared;

/// What Prometheus asks of every `match[]`: otherwise one of them would mean everything.
const NO_MATCHER: &str = "match[] must contain at least one non-empty matcher";

/// `GET` and `POST /api/v1/series`.
pub(super) async fn series(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    if params.get("match[]").is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let asked = Asked::read(&params)?;
    let found =
        look(&shared, move |store, cancel| store.series(&asked.selectors, asked.range, asked.limit, cancel));
    let (series, cut) = found.await?;
    Ok(answer::<Vec<Labels>>(&headers, &series, cut))
}

/// `GET` and `POST /api/v1/labels`.
pub(super) async fn labels(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let asked = Asked::read(&params)?;
    let found = look(&shared, move |store, cancel| {
        store.label_names(&asked.selectors, asked.range, asked.limit, cancel)
    });
    let (names, cut) = found.await?;
    Ok(answer::<Vec<Arc<str>>>(&headers, &names, cut))
}

/// `GET /api/v1/label/{name}/values`.
pub(super) async fn label_values(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let label = unescape(&name);
    let asked = Asked::read(&params)?;
    let wanted = label.clone();
    let found = look(&shared, move |store, cancel| {
        store.label_values(&wanted, &asked.selectors, asked.range, asked.limit, cancel)
    });
    let (values, cut) = found.await?;
    // A name outside the classic form may exist; one that no series bears is a slip, and is told as such.
    if values.is_empty() && label == name && !is_valid_label_name(&label) {
        return Err(ApiError::bad_data(format!("invalid label name: {label:?}")));
    }
    Ok(answer::<Vec<Arc<str>>>(&headers, &values, cut))
}

/// `GET /api/v1/metadata`.
pub(super) async fn metadata(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let limit = signed(&params, "limit", "limit must be a number")?;
    let per_metric = signed(&params, "limit_per_metric", "limit_per_metric must be a number")?;
    let metric = params.get("metric").filter(|name| !name.is_empty()).map(str::to_owned);
    let known = look(&shared, move |store, _| Ok(store.metadata(metric.as_deref()))).await?;
    let shown = limit.unwrap_or(known.len());
    let mut families: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for (name, meta) in known.into_iter().take(shown) {
        let entry = json!({ "type": kind(meta.kind), "help": &*meta.help, "unit": &*meta.unit });
        // The store keeps one description per family.
        families.insert(name, std::iter::once(entry).take(per_metric.unwrap_or(1)).collect());
    }
    Ok(answer(&headers, &families, false))
}

/// `GET` and `POST /api/v1/query_exemplars`: the query is checked, no exemplars are kept.
pub(super) async fn exemplars(headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    let start = params.time_or("start", EARLIEST)?;
    let end = params.time_or("end", LATEST)?;
    if end < start {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let query = params.get("query").unwrap_or("");
    breakwatch_promql::parse(query).map_err(|error| ApiError::bad_data(error.to_string()))?;
    Ok(answer::<[(); 0]>(&headers, &[], false))
}

/// `GET` and `POST /api/v1/format_query`.
pub(super) async fn format_query(headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    Ok(answer(&headers, &breakwatch_promql::pretty(&parse(&params)?), false))
}

/// `GET` and `POST /api/v1/parse_query`.
pub(super) async fn parse_query(headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    // Spliced in as text: a tree may be as deep as its query is long, too deep for a recursive writer.
    let tree = breakwatch_promql::to_json(&parse(&params)?);
    let body = format!("{{\"status\":\"success\",\"data\":{tree}}}");
    Ok(encoding::respond(&headers, "application/json", body.into_bytes()))
}

fn parse(params: &Params) -> Result<breakwatch_promql::Expr, ApiError> {
    let text = params.get("query").unwrap_or("");
    breakwatch_promql::parse(text).map_err(|error| invalid("query", &error.to_string()))
}

/// Times that stand for "from the beginning" and "to the end"; halved, so that sums with durations stay in range.
const EARLIEST: Timestamp = Timestamp(i64::MIN / 2);
const LATEST: Timestamp = Timestamp(i64::MAX / 2);

/// What requests for series and labels have in common.
struct Asked {
    selectors: Vec<Vec<Matcher>>,
    range: TimeRange,
    limit: usize,
}

impl Asked {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let limit = params.limit()?;
        let range = TimeRange::new(params.time_or("start", EARLIEST)?, params.time_or("end", LATEST)?);
        Ok(Self { selectors: selectors(params)?, range, limit })
    }
}

/// Every `match[]`, in Prometheus' words where it is wrong.
pub(super) fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let read = |text: &str| match parse_selector(text) {
        Ok(matchers) if matchers.iter().all(|matcher| matcher.matches("")) => Err(NO_MATCHER.to_owned()),
        Ok(matchers) => Ok(matchers),
        Err(error) if error.message.contains("at least one non-empty matcher") => Err(NO_MATCHER.to_owned()),
        Err(error) => Err(error.to_string()),
    };
    params.all("match[]").map(|text| read(text).map_err(|reason| invalid("match[]", &reason))).collect()
}

/// A whole number of which negative ones mean none.
fn signed(params: &Params, name: &str, wrong: &str) -> Result<Option<usize>, ApiError> {
    let Some(text) = params.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse::<i64>().map_err(|_| ApiError::bad_data(wrong))?;
    Ok(usize::try_from(number).ok())
}

/// Asks the store on a blocking thread; stops when the asker goes away.
pub(super) async fn look<T: Send + 'static>(
    shared: &Shared,
    ask: impl FnOnce(&dyn Queryable, &CancelToken) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, ApiError> {
    let cancel = CancelToken::new();
    let _guard = CancelOnDrop(cancel.clone());
    let store = shared.queryable();
    let done = tokio::task::spawn_blocking(move || ask(&*store, &cancel)).await;
    let done = done.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))?;
    done.map_err(|error| {
        let kind = match error {
            StorageError::Cancelled => ErrorKind::Canceled,
            StorageError::TimedOut => ErrorKind::Timeout,
            StorageError::Limit(_) => ErrorKind::Execution,
            _ => ErrorKind::Internal,
        };
        ApiError::new(kind, error.to_string())
    })
}

/// The envelope, compressed where that is welcome; `cut` adds the warning of a limit.
pub(super) fn answer<T: Serialize + ?Sized>(headers: &HeaderMap, data: &T, cut: bool) -> Response {
    #[derive(Serialize)]
    struct Envelope<'a, T: ?Sized> {
        status: &'static str,
        data: &'a T,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        warnings: &'a [&'a str],
    }
    let warnings: &[&str] = if cut { &[TRUNCATED] } else { &[] };
    // Nothing here has a map key that is no text, so writing it cannot fail.
    let body = serde_json::to_vec(&Envelope { status: "success", data, warnings }).unwrap_or_default();
    encoding::respond(headers, "application/json", body)
}

/// Prometheus' word for a kind.
fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Counter => "counter",
        MetricKind::Histogram => "histogram",
        MetricKind::Summary => "summary",
        MetricKind::Info => "info",
        MetricKind::StateSet => "stateset",
        MetricKind::Unknown => "unknown",
    }
}

/// A name in Prometheus' value encoding (`U__` and hexadecimal code points between underscores); one that is not in
/// it, or not rightly so, stands for itself.
fn unescape(name: &str) -> String {
    name.strip_prefix("U__").and_then(decode).unwrap_or_else(|| name.to_owned())
}

fn decode(escaped: &str) -> Option<String> {
    /// A code point has at most six hexadecimal digits.
    const DIGITS: usize = 6;
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, tail)) = rest.split_once('_') {
        out.push_str(plain);
        if let Some(tail) = tail.strip_prefix('_') {
            out.push('_');
            rest = tail;
            continue;
        }
        let (hex, tail) = tail.split_once('_')?;
        if hex.is_empty() || hex.len() > DIGITS || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read_as_prometheus_reads_them() {
        assert_eq!(unescape("U__http_2e_status"), "http.status");
        assert_eq!(unescape("U__a__b"), "a_b");
        assert_eq!(unescape("U___1f600_"), "😀");
        assert_eq!(unescape("job"), "job");
        // Broken ones stand for themselves.
        assert_eq!(unescape("U__a_zz_"), "U__a_zz_");
        assert_eq!(unescape("U__a_2e"), "U__a_2e");
        assert_eq!(unescape("U___d800_"), "U___d800_");
    }

    #[test]
    fn selectors_must_exclude_something() {
        let params = |text: &str| Params::from_pairs([("match[]", text)]);
        let message = |text: &str| selectors(&params(text)).unwrap_err().message;
        let expected = "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher";
        assert_eq!(message("{}"), expected);
        assert_eq!(message(r#"{a=~".*"}"#), expected);
        let expected =
            r#"invalid parameter "match[]": 1:4: parse error: unexpected end of input inside braces"#;
        assert_eq!(message("up{"), expected);
        assert_eq!(selectors(&params(r#"{__name__!=""}"#)).unwrap().len(), 1);
    }
}
