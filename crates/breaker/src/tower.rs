//! The breaker as a layer of [tower](https://docs.rs/tower): around a client, or around a server's routes.
//!
//! [`BreakerLayer::new`] guards any service: its errors are failures, and [`CallError`](crate::CallError)
//! tells what went wrong. [`BreakerLayer::for_http`] guards HTTP servers, axum's routers among them: answers
//! of 500 and above are failures, and refused calls are answered with 503, `Retry-After` and a JSON body.
//!
//! A call ends when its response is there; what happens to a streamed body afterwards is not watched. A
//! response future that is dropped is a cancelled call.
//!
//! ```
//! use breakwatch_breaker::tower::BreakerLayer;
//! use breakwatch_breaker::{Breaker, Preset};
//! use std::time::Instant;
//! # async fn shop() -> &'static str { "open" }
//!
//! let breaker = Breaker::new("shop", Preset::HttpApi, Instant::now())?;
//! let routes: axum::Router =
//!     axum::Router::new().route("/", axum::routing::get(shop)).layer(BreakerLayer::for_http(breaker));
//! # Ok::<(), breakwatch_breaker::InvalidConfig>(())
//! ```

mod answer;
mod classify;
mod clock;
mod future;
mod service;

use tower_layer::Layer;

pub use answer::{Answer, AsError, AsResponse, Refusal};
pub use classify::{Classify, ErrorsFail, ServerErrorsFail};
pub use future::ResponseFuture;
pub use service::BreakerService;

use crate::{Breaker, InvalidConfig, Preset};

/// Puts a breaker around a service. Services made by one layer share its breaker.
///
/// `C` says which results are failures, `A` how refused calls are answered.
#[derive(Clone, Debug)]
pub struct BreakerLayer<C = ErrorsFail, A = AsError> {
    breaker: Breaker,
    classify: C,
    answer: A,
}

impl BreakerLayer {
    /// Errors of the service are failures. Refused calls end in
    /// [`CallError::Rejected`](crate::CallError::Rejected), calls that outlast
    /// [`Config::call_timeout`](crate::Config::call_timeout) in [`CallError::Timeout`](crate::CallError::Timeout).
    #[must_use]
    pub const fn new(breaker: Breaker) -> Self {
        Self { breaker, classify: ErrorsFail, answer: AsError }
    }

    /// For a service that sends HTTP requests: also answers of 500 and above are failures, those of 400 to
    /// 499 are not. Refused calls end in [`CallError::Rejected`](crate::CallError::Rejected), as above.
    #[must_use]
    pub const fn for_http_client(breaker: Breaker) -> BreakerLayer<ServerErrorsFail, AsError> {
        BreakerLayer { breaker, classify: ServerErrorsFail, answer: AsError }
    }

    /// For a service that answers HTTP requests, such as an axum router: answers of 500 and above are
    /// failures, those of 400 to 499 are not. Refused calls are answered with 503, `Retry-After` and a JSON
    /// body, calls that outlast [`Config::call_timeout`](crate::Config::call_timeout) with 504; the
    /// service's own errors pass as they are.
    #[must_use]
    pub const fn for_http(breaker: Breaker) -> BreakerLayer<ServerErrorsFail, AsResponse> {
        BreakerLayer { breaker, classify: ServerErrorsFail, answer: AsResponse }
    }

    /// [`BreakerLayer::for_http`] with a breaker of its own, of [`Preset::HttpApi`].
    ///
    /// # Errors
    /// None in practice: presets are valid.
    pub fn for_http_api(
        name: impl Into<std::sync::Arc<str>>,
    ) -> Result<BreakerLayer<ServerErrorsFail, AsResponse>, InvalidConfig> {
        Breaker::new(name, Preset::HttpApi, clock::now()).map(Self::for_http)
    }
}

impl<C, A> BreakerLayer<C, A> {
    /// The same with another judgement of results, for example `|result: &Result<_, _>| …`.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D, A> {
        BreakerLayer { breaker: self.breaker, classify, answer: self.answer }
    }

    /// The same with another answer to refused calls.
    #[must_use]
    pub fn answer<B>(self, answer: B) -> BreakerLayer<C, B> {
        BreakerLayer { breaker: self.breaker, classify: self.classify, answer }
    }

    /// The breaker all its services share.
    #[must_use]
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

impl<S, C: Clone, A: Clone> Layer<S> for BreakerLayer<C, A> {
    type Service = BreakerService<S, C, A>;

    fn layer(&self, service: S) -> Self::Service {
        BreakerService::new(service, self.breaker.clone(), self.classify.clone(), self.answer.clone())
    }
}
