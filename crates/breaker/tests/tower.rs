//! The tower layer around services of all tempers, on tokio's paused clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may be blunt")]

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use breakwatch_breaker::tower::{BreakerLayer, BreakerService};
use breakwatch_breaker::{Breaker, Builder, CallError, Config, Outcome, State};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};

const OPEN_FOR: Duration = Duration::from_secs(60);

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn by_two() -> Builder {
    Config::builder()
        .failure_threshold(2)
        .failure_rate(None)
        .success_threshold(2)
        .half_open_permits(1)
        .jitter(0.0)
        .open_for(OPEN_FOR)
}

fn made(builder: Builder) -> Breaker {
    Breaker::new("shop", builder.build().unwrap(), now()).unwrap()
}

fn request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// Routes that answer with the status in the path.
fn routes(breaker: &Breaker) -> Router {
    let answer =
        async |axum::extract::Path(status): axum::extract::Path<u16>| StatusCode::from_u16(status).unwrap();
    Router::new().route("/{status}", get(answer)).layer(BreakerLayer::for_http(breaker.clone()))
}

#[tokio::test(start_paused = true)]
async fn axum_answers_503_with_retry_after_and_json_while_open() {
    let breaker = made(by_two());
    let app = routes(&breaker);
    for _ in 0..20 {
        assert_eq!(app.clone().oneshot(request("/404")).await.unwrap().status(), 404);
    }
    assert_eq!(breaker.state(), State::Closed, "4xx are no failures");
    for _ in 0..2 {
        assert_eq!(app.clone().oneshot(request("/500")).await.unwrap().status(), 500);
    }
    let refused = app.clone().oneshot(request("/200")).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "60");
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"], "circuit_breaker_open");
    assert_eq!((&body["breaker"], &body["retry_after"]), (&"shop".into(), &60.into()));
    // Our own 503 is no failure of the service: the open time is not touched by it.
    tokio::time::advance(OPEN_FOR).await;
    for _ in 0..2 {
        assert_eq!(app.clone().oneshot(request("/200")).await.unwrap().status(), 200);
    }
    assert_eq!(breaker.state(), State::Closed);
    let calls = breaker.stats(now()).calls;
    assert_eq!((calls.success, calls.failure, calls.rejected), (22, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hung_handler_is_cut_off_with_504_and_counts_as_timeout() {
    let breaker = made(by_two().call_timeout(Duration::from_secs(5)));
    let app =
        Router::new().route("/", get(pending::<StatusCode>)).layer(BreakerLayer::for_http(breaker.clone()));
    for expected in [504, 504, 503] {
        assert_eq!(app.clone().oneshot(request("/")).await.unwrap().status(), expected);
    }
    assert_eq!(breaker.stats(now()).calls.timeout, 2);
}

#[tokio::test(start_paused = true)]
async fn any_service_can_be_guarded_and_errors_stay_what_they_are() {
    let breaker = made(by_two().call_timeout(Duration::from_secs(5)));
    let service = service_fn(async |number: i32| {
        tokio::time::sleep(Duration::from_secs(if number == 0 { 9 } else { 1 })).await;
        if number < 0 { Err(format!("{number} is negative")) } else { Ok(number) }
    });
    let mut guarded = BreakerLayer::new(breaker.clone()).layer(service);
    assert_eq!(guarded.ready().await.unwrap().call(5).await, Ok(5));
    let failed = guarded.ready().await.unwrap().call(-1).await;
    assert_eq!(failed, Err(CallError::Failed("-1 is negative".to_owned())));
    let cut_off = guarded.ready().await.unwrap().call(0).await;
    assert_eq!(cut_off, Err(CallError::Timeout(Duration::from_secs(5))));
    let refused = guarded.ready().await.unwrap().call(5).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(OPEN_FOR));
}

#[tokio::test(start_paused = true)]
async fn an_own_judge_decides() {
    let breaker = made(by_two());
    let too_many = |result: &Result<Response<String>, Infallible>| match result {
        Ok(response) if response.status() == 429 => Outcome::Failure,
        _ => Outcome::Success,
    };
    let statuses = service_fn(|status: u16| {
        let response = Response::builder().status(status).body(String::new()).unwrap();
        ready(Ok::<_, Infallible>(response))
    });
    let guarded = BreakerLayer::for_http_client(breaker.clone()).classify(too_many).layer(statuses);
    for status in [500, 500, 500, 429] {
        guarded.clone().oneshot(status).await.unwrap();
    }
    assert_eq!(breaker.state(), State::Closed);
    guarded.clone().oneshot(429).await.unwrap();
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_response_future_gives_the_probe_slot_back() {
    let breaker = made(by_two());
    let hanging = service_fn(|()| pending::<Result<(), String>>());
    let mut guarded = BreakerLayer::new(breaker.clone()).layer(hanging);
    breaker.force(State::HalfOpen, now());
    for _ in 0..5 {
        let mut call = Box::pin(guarded.ready().await.unwrap().call(()));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(breaker.stats(now()).probes_in_flight, 1);
        assert!(guarded.ready().await.unwrap().call(()).await.unwrap_err().is_rejected());
        drop(call);
        assert_eq!(breaker.stats(now()).probes_in_flight, 0);
    }
}

/// A service that is never ready, and counts calls it should not have got.
#[derive(Clone)]
struct Busy(Arc<AtomicU64>);

impl Service<()> for Busy {
    type Response = ();
    type Error = String;
    type Future = std::future::Ready<Result<(), String>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_service_that_hangs_behind_an_open_breaker() {
    let breaker = made(by_two());
    let called = Arc::new(AtomicU64::new(0));
    let mut guarded: BreakerService<Busy, _, _> =
        BreakerLayer::new(breaker.clone()).layer(Busy(Arc::clone(&called)));
    assert!(guarded.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending(), "closed: it waits");
    breaker.force(State::Open, now());
    assert!(guarded.ready().await.unwrap().call(()).await.unwrap_err().is_rejected());
    // The open time ends between the question and the call: still the service is not called.
    guarded.ready().await.unwrap();
    tokio::time::advance(OPEN_FOR).await;
    assert!(guarded.call(()).await.unwrap_err().is_rejected());
    assert_eq!(breaker.stats(now()).probes_in_flight, 0);
    assert!(guarded.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending(), "half-open: it waits");
    assert_eq!(called.load(Ordering::Relaxed), 0);
}

#[test]
fn the_response_future_is_plain() {
    let breaker = Breaker::new("b", Config::default(), now()).unwrap();
    let mut guarded =
        BreakerLayer::new(breaker).layer(service_fn(|number: u64| ready(Ok::<_, Infallible>(number))));
    // No runtime, no allocation: ready at the first poll.
    let mut call = std::pin::pin!(guarded.call(5));
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Ok(5)));
}
