//! Evaluates a query away from the async threads, with a time limit, and gives up when the asker is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_model::{CancelToken, Clock, Queryable};
use breakwatch_promql::{Engine, EngineOptions, ErrorType, Prepared, QueryError, QueryResult};

use super::json;
use super::params::Params;
use crate::http::error::{ApiError, ErrorKind};
use crate::shared::Shared;

/// A query may take this long unless it asks for less; the limit Prometheus has too.
pub(in crate::http) const TIMEOUT: Duration = Duration::from_secs(120);

/// What a request asks for besides its times.
pub(in crate::http) struct Asked {
    query: Prepared,
    engine: Arc<Engine>,
    timeout: Duration,
    limit: usize,
    /// When the request came, how long its query took to read, and whether to say so.
    begun: Instant,
    preparation: Duration,
    stats: bool,
}

impl Asked {
    /// Reads `query`, `timeout`, `limit`, `lookback_delta` and `stats`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(in crate::http) fn read(params: &Params, shared: &Shared) -> Result<Self, ApiError> {
        let begun = shared.clock.monotonic();
        let limit = params.limit()?;
        let timeout = params.duration("timeout")?.map_or(TIMEOUT, |asked| asked.min(TIMEOUT));
        let engine = match params.duration("lookback_delta")? {
            Some(lookback) if !lookback.is_zero() => {
                let options = EngineOptions { lookback, ..shared.engine.options().clone() };
                Arc::new(Engine::new(options))
            }
            _ => Arc::clone(&shared.engine),
        };
        let text = params.get("query").unwrap_or("");
        let query =
            engine.prepare(text).map_err(|error| super::params::invalid("query", &error.to_string()))?;
        let preparation = since(begun, &*shared.clock);
        let stats = params.get("stats").is_some_and(|wanted| !wanted.is_empty());
        Ok(Self { query, engine, timeout, limit, begun, preparation, stats })
    }
}

fn since(begun: Instant, clock: &dyn Clock) -> Duration {
    clock.monotonic().saturating_duration_since(begun)
}

/// Stops the evaluation when it is dropped: the handler's future is dropped when its client goes away.
pub(in crate::http) struct CancelOnDrop(pub(in crate::http) CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The body of the answer.
///
/// # Errors
/// What the query or its data do not allow.
pub(in crate::http) async fn evaluate(
    shared: Arc<Shared>,
    asked: Asked,
    ask: impl FnOnce(&Engine, &dyn Queryable, &Prepared, &CancelToken) -> Result<QueryResult, QueryError>
    + Send
    + 'static,
) -> Result<Vec<u8>, ApiError> {
    let cancel = CancelToken::new();
    let guard = CancelOnDrop(cancel.clone());
    let (store, worker_cancel, timeout) = (shared.queryable(), cancel.clone(), asked.timeout);
    let clock = Arc::clone(&shared.clock);
    let work = tokio::task::spawn_blocking(move || {
        let started = clock.monotonic();
        let queue = started.saturating_duration_since(asked.begun).saturating_sub(asked.preparation);
        let result = ask(&asked.engine, &*store, &asked.query, &worker_cancel)?;
        let timings = json::Timings {
            preparation: asked.preparation,
            queue,
            evaluation: since(started, &*clock),
            total: since(asked.begun, &*clock),
        };
        Ok::<_, QueryError>(json::answer(result, asked.limit, asked.stats.then_some(timings)))
    });
    tokio::pin!(work);
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = tokio::time::sleep(timeout) => {
            cancel.time_out();
            work.await
        }
    };
    drop(guard);
    match ended {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(api_error(&error)),
        Err(error) => Err(ApiError::new(ErrorKind::Internal, format!("the query ended abnormally: {error}"))),
    }
}

/// The engine's error in the API's words.
pub(in crate::http) fn api_error(error: &QueryError) -> ApiError {
    let kind = match error.error_type() {
        ErrorType::BadData => ErrorKind::BadData,
        ErrorType::Execution => ErrorKind::Execution,
        ErrorType::Timeout => ErrorKind::Timeout,
        ErrorType::Canceled => ErrorKind::Canceled,
        ErrorType::Internal => ErrorKind::Internal,
    };
    ApiError::new(kind, error.to_string())
}
