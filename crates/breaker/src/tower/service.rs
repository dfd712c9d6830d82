//! The guarded service.

use std::task::{Context, Poll};

use tower_service::Service;

use super::answer::{Answer, Refusal};
use super::classify::Classify;
use super::clock::now;
use super::future::ResponseFuture;
use crate::{Breaker, Permit, Rejected};

/// A service behind a breaker. Made by [`BreakerLayer`](super::BreakerLayer).
#[derive(Debug)]
pub struct BreakerService<S, C, A> {
    inner: S,
    breaker: Breaker,
    classify: C,
    answer: A,
    /// Whether this handle was called ready while the service behind is not, because it would refuse.
    inner_is_busy: bool,
}

impl<S, C, A> BreakerService<S, C, A> {
    pub(super) const fn new(inner: S, breaker: Breaker, classify: C, answer: A) -> Self {
        Self { inner, breaker, classify, answer, inner_is_busy: false }
    }

    /// The breaker it stands behind.
    #[must_use]
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Whether a call would be refused now, so that it need not wait for the service behind.
    fn would_refuse(&self) -> bool {
        self.breaker.state() == crate::State::Open
            && self.breaker.retry_after(now()).is_none_or(|wait| !wait.is_zero())
    }
}

/// Readiness belongs to one handle, so a clone has to ask for its own.
impl<S: Clone, C: Clone, A: Clone> Clone for BreakerService<S, C, A> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.breaker.clone(), self.classify.clone(), self.answer.clone())
    }
}

impl<S, Request, C, A> Service<Request> for BreakerService<S, C, A>
where
    S: Service<Request>,
    C: Classify<S::Response, S::Error> + Clone,
    A: Answer<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = A::Error;
    type Future = ResponseFuture<S::Future, C, A>;

    /// Ready when the service behind is, and at once while calls are refused: whoever waits for a service
    /// that hangs is told so, instead of waiting with it.
    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.inner.poll_ready(context) {
            Poll::Ready(Ok(())) => {
                self.inner_is_busy = false;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.answer.pass(error))),
            Poll::Pending if self.would_refuse() => {
                self.inner_is_busy = true;
                Poll::Ready(Ok(()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let admission = self.breaker.enter(now);
        let is_busy = std::mem::take(&mut self.inner_is_busy);
        match admission.map(Permit::into_owned) {
            Ok(permit) if !is_busy => ResponseFuture::running(
                self.inner.call(request),
                permit,
                self.classify.clone(),
                self.answer.clone(),
            ),
            // The open time ended between the question and the call, and the service behind is still not
            // ready. The permit goes back; the next call will ask the service.
            Ok(permit) => {
                let rejected = Rejected { state: permit.breaker().state(), retry_after: None };
                self.refused(Refusal::Rejected(rejected))
            }
            Err(rejected) => self.refused(Refusal::Rejected(rejected)),
        }
    }
}

impl<S, C: Clone, A: Clone> BreakerService<S, C, A> {
    fn refused<F>(&self, refusal: Refusal) -> ResponseFuture<F, C, A> {
        ResponseFuture::refused(refusal, self.breaker.clone(), self.classify.clone(), self.answer.clone())
    }
}
