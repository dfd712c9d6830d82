//! `/api/v1/status/*`, `targets` and `alertmanagers`: what clients of Prometheus ask to learn whom they talk to.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use breakwatch_model::{CancelToken, Count, Queryable, Status, StorageError, TimeRange, Timestamp};
use breakwatch_plugin_api::format_duration;
use breakwatch_store::Retention;
use serde_json::{Value, json};

use super::error::ApiError;
use super::query::Params;
use super::series_api::{answer, look, selectors};
use crate::checks::unit::CheckUnit;
use crate::shared::{Shared, VERSION};

/// The Prometheus whose API this is. Clients switch features by it: from 2.24 on Grafana asks for label values with
/// `match[]`, from 2.50 on the semantics of the query language are those the engine has.
const EMULATED: &str = "2.55.0";

/// How many entries a statistic lists unless asked for more, as in Prometheus.
const TOP: usize = 10;

/// What counts as the head: the span Prometheus keeps in memory.
const HEAD: std::time::Duration = std::time::Duration::from_secs(2 * 3600);

/// `GET /api/v1/status/buildinfo`. There is never a `features` key: Grafana takes one for the mark of a Mimir.
pub(super) async fn buildinfo(headers: HeaderMap) -> Response {
    let info = json!({
        "version": EMULATED,
        "revision": option_env!("BREAKWATCH_REVISION").unwrap_or(""),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "breakwatch",
        "applicationVersion": VERSION,
    });
    answer(&headers, &info, false)
}

/// `GET /api/v1/status/runtimeinfo`.
pub(super) async fn runtimeinfo(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let directory = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let info = json!({
        "startTime": shared.started_at.to_rfc3339(),
        "CWD": directory,
        "hostname": shared.instance,
        "serverTime": shared.clock.now().to_rfc3339(),
        "reloadConfigSuccess": shared.reload.successful(),
        "lastConfigTime": shared.reload.succeeded_at().to_rfc3339(),
        "corruptionCount": figure(&shared, "breakwatch_store_incidents_total"),
        "goroutineCount": 0,
        "GOMAXPROCS": threads,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": retention(&shared),
    });
    answer(&headers, &info, false)
}

/// `GET /api/v1/status/flags`: what has an equal among Prometheus' flags.
pub(super) async fn flags(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let options = shared.engine.options();
    let prefix = if shared.path_prefix.is_empty() { "/" } else { &shared.path_prefix };
    let flags = BTreeMap::from([
        ("query.lookback-delta", format_duration(options.lookback)),
        ("query.max-samples", options.max_samples.to_string()),
        ("query.timeout", format_duration(super::query::TIMEOUT)),
        ("storage.tsdb.retention.time", retention(&shared)),
        ("web.enable-lifecycle", "true".to_owned()),
        ("web.enable-remote-write-receiver", "true".to_owned()),
        ("web.external-url", shared.external_url.clone()),
        ("web.route-prefix", prefix.to_owned()),
    ]);
    answer(&headers, &flags, false)
}

/// `GET /api/v1/status/walreplay`: the daemon answers once the log is replayed.
pub(super) async fn walreplay(headers: HeaderMap) -> Response {
    answer(&headers, &json!({ "min": 0, "max": 0, "current": 0 }), false)
}

/// `GET /api/v1/status/tsdb`: how many series there are and what makes them many.
pub(super) async fn tsdb(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let limit = params.limit()?;
    let limit = if limit == 0 { TOP } else { limit };
    let now = shared.clock.now();
    let statistics = look(&shared, move |store, cancel| statistics(store, cancel, now, limit)).await?;
    Ok(answer(&headers, &statistics, false))
}

fn statistics(
    store: &dyn Queryable,
    cancel: &CancelToken,
    now: Timestamp,
    limit: usize,
) -> Result<Value, StorageError> {
    let found = store.statistics(TimeRange::new(now - HEAD, now), limit, cancel)?;
    // The widest wrong way round, as Prometheus says, if there are no samples.
    let (first, last) = found.times.map_or((i64::MAX, i64::MIN), |times| (times.start.0, times.end.0));
    Ok(json!({
        "headStats": {
            "numSeries": found.series,
            "numLabelPairs": found.pairs,
            // Every series has one open column in memory.
            "chunkCount": found.series,
            "minTime": first,
            "maxTime": last,
        },
        "seriesCountByMetricName": listed(&found.series_by_metric),
        "labelValueCountByLabelName": listed(&found.values_by_label),
        "memoryInBytesByLabelName": listed(&found.bytes_by_label),
        "seriesCountByLabelValuePair": listed(&found.series_by_pair),
    }))
}

fn listed(counts: &[Count]) -> Vec<Value> {
    counts.iter().map(|(name, value)| json!({ "name": &**name, "value": value })).collect()
}

/// `GET /api/v1/targets`: the checks, as what they look at.
pub(super) async fn targets(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Response {
    let wanted = |state: &str| {
        params.get("state").is_none_or(|asked| asked.is_empty() || asked == state || asked == "any")
    };
    let now = shared.clock.now();
    let pool = params.get("scrapePool").filter(|pool| !pool.is_empty());
    let units = shared.checks().into_iter().filter(|unit| pool.is_none_or(|pool| *unit.id.kind == *pool));
    let active: Vec<Value> =
        if wanted("active") { units.map(|unit| target(&shared, &unit, now)).collect() } else { Vec::new() };
    let data = json!({ "activeTargets": active, "droppedTargets": [], "droppedTargetCounts": {} });
    answer(&headers, &data, false)
}

fn target(shared: &Shared, unit: &CheckUnit, now: Timestamp) -> Value {
    let health = match unit.status(now) {
        Status::Healthy | Status::Degraded => "up",
        Status::Unhealthy => "down",
        Status::Unknown => "unknown",
    };
    let state = unit.state.lock();
    let last = state.last.as_ref();
    let failure = last.and_then(|last| last.failure.as_ref());
    let labels = unit.labels.with("job", "breakwatch").with("instance", shared.instance.as_str());
    json!({
        "discoveredLabels": {},
        "labels": labels,
        "scrapePool": &*unit.id.kind,
        "scrapeUrl": &*unit.target,
        "globalUrl": &*unit.target,
        "lastError": failure.map_or("", |failure| failure.message.as_str()),
        "lastScrape": last.map_or(Timestamp(0), |last| last.started_at).to_rfc3339(),
        "lastScrapeDuration": last.map_or(0.0, |last| last.duration.as_secs_f64()),
        "health": health,
        "scrapeInterval": format_duration(unit.settings.interval),
        "scrapeTimeout": format_duration(unit.settings.timeout),
    })
}

/// `GET /api/v1/scrape_pools`: the kinds of checks in use.
pub(super) async fn scrape_pools(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let mut kinds: Vec<String> = shared.checks().iter().map(|unit| unit.id.kind.to_string()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    answer(&headers, &json!({ "scrapePools": kinds }), false)
}

/// `GET /api/v1/targets/metadata`: metadata is known by metric and not by target, so `metadata` has it.
pub(super) async fn targets_metadata(headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    params.limit().map_err(|_| ApiError::bad_data("limit must be a number"))?;
    selectors(&params)?;
    Ok(answer::<[(); 0]>(&headers, &[], false))
}

/// `GET /api/v1/alertmanagers`: routing is built in.
pub(super) async fn alertmanagers(headers: HeaderMap) -> Response {
    answer(&headers, &json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] }), false)
}

/// The sum of a figure of the store.
fn figure(shared: &Shared, name: &str) -> u64 {
    let families = shared.store.families();
    let points = families.iter().filter(|family| *family.name == *name).flat_map(|family| &family.points);
    points.map(|point| point.value as u64).sum()
}

/// How long raw samples are kept, from the configuration in force.
fn retention(shared: &Shared) -> String {
    let quiet = breakwatch_plugin_api::Diagnostics::new();
    let node = breakwatch_config::load_text("", &shared.config_text.load(), &quiet);
    let time = node.as_ref().and_then(|node| node.get("store")?.get("retention")?.get("time")?.as_str());
    time.map_or_else(|| format_duration(Retention::default().raw), str::to_owned)
}
