//! `GET /metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use breakwatch_exporters::text;

use super::encoding;
use super::error::{ApiError, ErrorKind};
use crate::collect;
use crate::shared::Shared;

/// Everything the daemon knows right now, in the text format the asker prefers. Never touches the store's data.
pub async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let format = text::negotiate(accept);
    let rendered = tokio::task::spawn_blocking(move || {
        let mut families = collect::own_families(&shared);
        families.extend(collect::check_families(&shared));
        text::write(format, &families)
    });
    match rendered.await {
        Ok(body) => encoding::respond(&headers, format.content_type(), body),
        Err(error) => ApiError::new(ErrorKind::Internal, error.to_string()).into_response(),
    }
}
