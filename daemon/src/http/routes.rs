//! Registers routes. A route cannot be added without saying what it needs of its caller.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Router, http};
use serde_json::{Value, json};

use super::auth::Access;
use super::crowd::{Class, Crowd};
use super::error::{ApiError, success};
use crate::shared::Shared;

/// Where the daemon says what it can be asked.
const INDEX: &str = "/api";

/// A router under construction.
pub struct Routes {
    router: Router<Arc<Shared>>,
    shared: Arc<Shared>,
    table: Vec<(&'static str, Access)>,
    crowd: Crowd,
}

impl Routes {
    /// No routes yet.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        let crowd = Crowd::new(shared.max_concurrent_reads);
        Self { router: Router::new(), shared, table: Vec::new(), crowd }
    }

    /// Adds a route with what it needs.
    #[must_use]
    pub fn add(mut self, path: &'static str, access: Access, methods: MethodRouter<Arc<Shared>>) -> Self {
        let class = Class::of(path, access);
        let guard =
            Guard { shared: Arc::clone(&self.shared), access, path, class, crowd: self.crowd.clone() };
        self.router =
            self.router.route(path, methods.route_layer(middleware::from_fn_with_state(guard, watch)));
        self.table.push((path, access));
        self
    }

    /// The finished router, with its own index at `/api` and the security headers on every answer.
    pub fn finish(mut self) -> Router {
        self.table.push((INDEX, Access::Read));
        self.table.sort_unstable();
        let routes =
            self.table.iter().map(|(path, access)| json!({ "path": path, "access": access.as_str() }));
        let index = Value::Array(routes.collect());
        self = self.add(INDEX, Access::Read, get(async move || success(&index)));
        let prefix = self.shared.path_prefix.clone();
        let router = self.router.with_state(self.shared).fallback(not_found);
        let router = if prefix.is_empty() { router } else { Router::new().nest(&prefix, router) };
        router.layer(middleware::from_fn(security_headers))
    }
}

#[derive(Clone)]
struct Guard {
    shared: Arc<Shared>,
    access: Access,
    path: &'static str,
    class: Class,
    crowd: Crowd,
}

/// Lets a request through if it may and there is room, and counts it.
async fn watch(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let started = guard.shared.clock.monotonic();
    let allowed = guard.shared.auth.load().check(guard.access, request.method(), request.headers());
    let response = match allowed {
        Ok(()) => match guard.crowd.enter(guard.class, request.method()).await {
            Ok(None) => next.run(request).await,
            Ok(Some(place)) => place.hold(next.run(request).await),
            Err(full) => full.into_response(),
        },
        Err(refusal) => ApiError::from(refusal).into_response(),
    };
    let duration = guard.shared.clock.monotonic().saturating_duration_since(started);
    guard.shared.instruments.http_request(guard.path, response.status().as_u16(), duration);
    response
}

async fn not_found() -> Response {
    (http::StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

/// No outside content, no framing, no guessing of types.
async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name, value| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    );
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    response
}
