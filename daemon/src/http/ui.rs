//! The live page: rendered here, works without scripts, refreshed by one small script when something changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use futures_util::Stream;

use super::error::{ApiError, ErrorKind};
use crate::shared::Shared;
use crate::ui::{Overview, overview};

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    base: &'a str,
    overview: Overview,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Fragment {
    overview: Overview,
}

/// `GET /`: the page.
pub async fn page(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let page = Page { base: &shared.path_prefix, overview: overview(&shared) };
    render(&page)
}

/// `GET /ui/overview`: what changes on the page.
pub async fn fragment(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    render(&Fragment { overview: overview(&shared) })
}

fn render(template: &impl Template) -> Result<Response, ApiError> {
    let html = template.render().map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))?;
    let mut response = Html(html).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /ui/events`: an event whenever something changed, at most one a second.
pub async fn events(State(shared): State<Arc<Shared>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = shared.changes.subscribe();
    let stream = futures_util::stream::unfold(changes, |mut changes| async move {
        changes.changed().await.ok()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        changes.mark_unchanged();
        Some((Ok(Event::default().event("changed").data("overview")), changes))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// Files of the page, compiled into the binary.
const ASSETS: [(&str, &str, &[u8]); 3] = [
    ("breakwatch.css", "text/css; charset=utf-8", include_bytes!("../ui/assets/breakwatch.css")),
    ("breakwatch.js", "text/javascript; charset=utf-8", include_bytes!("../ui/assets/breakwatch.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("../ui/assets/icon.svg")),
];

/// `GET /assets/{file}`.
pub async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, media_type, bytes)) = ASSETS.iter().find(|(name, ..)| *name == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Changes only with the binary.
    let etag = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");
    let mut response = if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        super::encoding::respond(&headers, media_type, bytes.to_vec())
    };
    response.headers_mut().insert(header::ETAG, HeaderValue::from_static(etag));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
