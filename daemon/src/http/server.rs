//! Every route in one place, and the listener.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use super::auth::Access::{Admin, Open, Operate, Read};
use super::routes::Routes;
use super::{breakers_api, checks_api, delivery_api, health, lifecycle, metrics, query, rules_api, ui};
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
    routes
        .add("/api/v1/query", Read, get(query::query).post(query::query))
        .add("/api/v1/query_range", Read, get(query::query_range).post(query::query_range))
        .add("/api/v1/rules", Read, get(rules_api::rules))
        .add("/api/v1/alerts", Read, get(rules_api::alerts))
        .add("/api/v1/outbox", Read, get(delivery_api::outbox))
        .add("/api/v1/status/config", Read, get(lifecycle::config))
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
    shared: Arc<Shared>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(shared)).with_graceful_shutdown(stop).await
}
