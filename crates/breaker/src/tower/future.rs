//! The future of a guarded call: a plain enum, no box.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::answer::{Answer, Refusal};
use super::classify::Classify;
use super::clock::now;
use crate::{Breaker, Outcome, OwnedPermit};

pin_project! {
    /// The response of a guarded service. Dropped before it is ready, the call is cancelled.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C, A> {
        #[pin]
        stage: Stage<F>,
        classify: C,
        answer: A,
    }
}

pin_project! {
    #[project = StageView]
    #[derive(Debug)]
    enum Stage<F> {
        Running {
            #[pin]
            future: F,
            // Taken when the call ends.
            permit: Option<OwnedPermit>,
        },
        Bounded {
            #[pin]
            future: F,
            #[pin]
            timer: tokio::time::Sleep,
            most: Duration,
            permit: Option<OwnedPermit>,
        },
        Refused {
            breaker: Breaker,
            refusal: Refusal,
        },
    }
}

impl<F, C, A> ResponseFuture<F, C, A> {
    #[inline]
    pub(super) fn running(future: F, permit: OwnedPermit, classify: C, answer: A) -> Self {
        let stage = match permit.breaker().config().call_timeout {
            None => Stage::Running { future, permit: Some(permit) },
            Some(most) => {
                Stage::Bounded { future, timer: tokio::time::sleep(most), most, permit: Some(permit) }
            }
        };
        Self { stage, classify, answer }
    }

    pub(super) const fn refused(refusal: Refusal, breaker: Breaker, classify: C, answer: A) -> Self {
        Self { stage: Stage::Refused { breaker, refusal }, classify, answer }
    }
}

impl<F, C, A, Response, Error> Future for ResponseFuture<F, C, A>
where
    F: Future<Output = Result<Response, Error>>,
    C: Classify<Response, Error>,
    A: Answer<Response, Error>,
{
    type Output = Result<Response, A::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, permit) = match this.stage.project() {
            StageView::Running { future, permit } => (ready!(future.poll(context)), permit),
            StageView::Bounded { future, timer, most, permit } => match future.poll(context) {
                Poll::Ready(result) => (result, permit),
                Poll::Pending => {
                    ready!(timer.poll(context));
                    let Some(permit) = permit.take() else { return Poll::Pending };
                    let breaker = permit.breaker().clone();
                    permit.record_with(Outcome::Timeout, now);
                    return Poll::Ready(this.answer.refuse(breaker.name(), Refusal::Timeout(*most)));
                }
            },
            StageView::Refused { breaker, refusal } => {
                return Poll::Ready(this.answer.refuse(breaker.name(), *refusal));
            }
        };
        if let Some(permit) = permit.take() {
            permit.end(this.classify.classify(&result), now);
        }
        Poll::Ready(result.map_err(|error| this.answer.pass(error)))
    }
}
