//! Every route in one place, and the listener.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use super::auth::Access::{Admin, Open, Operate, Read};
use super::patience::Patient;
use super::routes::Routes;
use super::tls::{Certificate, TlsListener};
use super::{
    admin_api, breakers_api, checks_api, delivery_api, health, lifecycle, metrics, query, rules_api, ui,
};
use super::{am, audit, events_api, explain_api, recovery_api, resilience_api};
use super::{series_api, status_api, write_api};
use crate::shared::Shared;

/// The largest request body read, apart from routes that say otherwise.
const BODY_LIMIT: usize = 1 << 20;

/// Every route.
#[must_use]
pub fn routes(shared: Arc<Shared>) -> Routes {
    let routes = Routes::new(shared)
        .add("/", Read, get(ui::page))
        .add("/ui/overview", Read, get(ui::fragment))
        .add("/ui/events", Read, get(ui::events))
        .add("/assets/{file}", Open, get(ui::asset))
        .add("/-/healthy", Open, get(health::healthy))
        .add("/-/ready", Open, get(health::ready))
        .add("/-/reload", Admin, post(lifecycle::reload).put(lifecycle::reload))
        .add("/api/v1/admin/backup", Admin, post(admin_api::backup))
        .add("/health", Read, get(health::health))
        .add("/health/circuit-breakers", Read, get(health::circuit_breakers))
        .add("/metrics", Read, get(metrics::metrics));
    let routes = routes
        .add("/api/v1/checks", Read, get(checks_api::list))
        .add("/api/v1/checks/{*name}", Read, get(checks_api::one))
        .add("/api/v1/checks/{*name}", Operate, post(checks_api::act))
        .add("/api/resilience/circuit-breakers", Read, get(breakers_api::list))
        .add("/api/resilience/circuit-breakers/{*name}", Read, get(breakers_api::one))
        .add("/api/resilience/circuit-breakers/{*name}", Operate, post(breakers_api::act));
    let routes = resilience_api::routes(recovery_api::routes(events_api::routes(routes)));
    let routes = audit::routes(routes);
    let routes = am::routes(explain_api::routes(delivery_api::routes(routes)));
    prometheus_api(routes)
        .add("/api/v1/rules", Read, get(rules_api::rules))
        .add("/api/v1/alerts", Read, get(rules_api::alerts))
        .add("/api/v1/status/config", Read, get(lifecycle::config))
}

/// The query API of Prometheus. What Prometheus takes by `POST` is taken by `POST`, and only that.
fn prometheus_api(routes: Routes) -> Routes {
    let write = post(write_api::write).layer(DefaultBodyLimit::max(write_api::MAX_BYTES));
    let routes = routes
        .add("/api/v1/query", Read, get(query::query).post(query::query))
        .add("/api/v1/query_range", Read, get(query::query_range).post(query::query_range))
        .add("/api/v1/query_exemplars", Read, get(series_api::exemplars).post(series_api::exemplars))
        .add("/api/v1/format_query", Read, get(series_api::format_query).post(series_api::format_query))
        .add("/api/v1/parse_query", Read, get(series_api::parse_query).post(series_api::parse_query))
        .add("/api/v1/series", Read, get(series_api::series).post(series_api::series))
        .add("/api/v1/labels", Read, get(series_api::labels).post(series_api::labels))
        .add("/api/v1/label/{name}/values", Read, get(series_api::label_values))
        .add("/api/v1/metadata", Read, get(series_api::metadata))
        .add("/api/v1/write", Admin, write);
    routes
        .add("/api/v1/targets", Read, get(status_api::targets))
        .add("/api/v1/targets/metadata", Read, get(status_api::targets_metadata))
        .add("/api/v1/scrape_pools", Read, get(status_api::scrape_pools))
        .add("/api/v1/alertmanagers", Read, get(status_api::alertmanagers))
        .add("/api/v1/status/flags", Read, get(status_api::flags))
        .add("/api/v1/status/runtimeinfo", Read, get(status_api::runtimeinfo))
        .add("/api/v1/status/buildinfo", Read, get(status_api::buildinfo))
        .add("/api/v1/status/tsdb", Read, get(status_api::tsdb))
        .add("/api/v1/status/walreplay", Read, get(status_api::walreplay))
}

/// The finished router.
pub fn router(shared: Arc<Shared>) -> Router {
    routes(shared).finish().layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// Serves until `stop` completes; connections under way may finish their request.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    certificate: Option<Certificate>,
    shared: Arc<Shared>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = router(shared);
    match certificate {
        None => axum::serve(Patient(listener), router).with_graceful_shutdown(stop).await,
        Some(certificate) => {
            let listener = TlsListener::new(listener, certificate)?;
            axum::serve(Patient(listener), router).with_graceful_shutdown(stop).await
        }
    }
}
