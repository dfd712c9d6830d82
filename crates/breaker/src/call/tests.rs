//! Calls on tokio's paused clock; no test waits.

use std::future::pending;
use std::time::{Duration, Instant};

use crate::{Breaker, Builder, CallError, Config, Outcome, State};

fn start() -> Instant {
    crate::clock::now()
}

fn made(builder: Builder) -> Breaker {
    Breaker::seeded("b", builder.build().unwrap(), start(), 1).unwrap()
}

fn by_two() -> Builder {
    Config::builder().failure_threshold(2).failure_rate(None).open_for(Duration::from_secs(3600))
}

async fn good() -> Result<u8, String> {
    Ok(1)
}

async fn bad() -> Result<u8, String> {
    Err("no".to_owned())
}

#[tokio::test]
async fn the_callers_error_comes_back_as_it_is_and_trips() {
    let breaker = made(by_two());
    assert_eq!(breaker.call(good()).await, Ok(1));
    for _ in 0..2 {
        assert_eq!(breaker.call(bad()).await, Err(CallError::Failed("no".to_owned())));
    }
    let polled = async { panic!("a rejected future must not be polled") };
    let refused: CallError<String> = breaker.call::<u8, _>(polled).await.unwrap_err();
    assert!(refused.is_rejected());
    assert!(refused.retry_after().is_some_and(|wait| wait > Duration::from_secs(3000)), "{refused:?}");
}

#[tokio::test]
async fn an_own_judgement_decides_what_a_failure_is() {
    let breaker = made(by_two());
    for _ in 0..5 {
        let callers_fault = breaker.call_classified(bad(), |_| Outcome::Success).await;
        assert_eq!(callers_fault, Err(CallError::Failed("no".to_owned())));
    }
    assert_eq!(breaker.state(), State::Closed);
    for _ in 0..2 {
        let good_clothes = breaker.call_classified(good(), |_| Outcome::Failure).await;
        assert_eq!(good_clothes, Ok(1));
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_timer_cuts_a_hung_call_off() {
    let most = Duration::from_secs(5);
    let breaker = made(by_two().call_timeout(most));
    let began = tokio::time::Instant::now();
    for _ in 0..2 {
        let hung = breaker.call_with_timer(tokio::time::sleep, pending::<Result<u8, String>>()).await;
        assert_eq!(hung, Err(CallError::Timeout(most)));
    }
    assert_eq!(began.elapsed(), most * 2);
    let stats = breaker.stats(start());
    assert_eq!((stats.state, stats.calls.timeout), (State::Open, 2));
    let quick = made(by_two().call_timeout(most));
    assert_eq!(quick.call_with_timer(tokio::time::sleep, good()).await, Ok(1));
    let unbounded = made(by_two());
    let no_timer = |_| -> std::future::Ready<()> { panic!("no time-out, no timer") };
    assert_eq!(unbounded.call_with_timer(no_timer, good()).await, Ok(1));
}

#[test]
fn without_a_timer_a_late_answer_is_given_and_counted_as_timed_out() {
    let breaker = made(by_two().call_timeout(Duration::from_nanos(1)));
    let answer = breaker.call_blocking(|| {
        let began = start();
        while began == start() {}
        Ok::<_, String>(1)
    });
    assert_eq!(answer, Ok(1));
    assert_eq!(breaker.stats(start()).calls.timeout, 1);
}

#[tokio::test]
async fn a_fallback_learns_why_and_answers_instead() {
    let breaker = made(by_two().failure_threshold(1));
    let mut reasons = Vec::new();
    for _ in 0..2 {
        let answer = breaker
            .call_with_fallback(bad(), async |why| {
                reasons.push(why.is_rejected());
                Ok::<_, String>(7)
            })
            .await;
        assert_eq!(answer, Ok(7));
    }
    assert_eq!(reasons, [false, true]);
}

#[tokio::test]
async fn a_dropped_future_and_a_panic_are_cancelled_calls() {
    let breaker = made(by_two().half_open_permits(1));
    breaker.force(State::HalfOpen, start());
    {
        let mut call = std::pin::pin!(breaker.call(pending::<Result<u8, String>>()));
        let waker = std::task::Waker::noop();
        assert!(call.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        assert_eq!(breaker.stats(start()).probes_in_flight, 1);
    }
    let panicking = breaker.clone();
    let task = tokio::spawn(async move { panicking.call::<u8, String>(async { panic!("oops") }).await });
    assert!(task.await.is_err());
    let stats = breaker.stats(start());
    assert_eq!((stats.probes_in_flight, stats.calls.cancelled), (0, 2));
}

/// Fault B19 of others: errors flattened to text, and futures that must be boxed and own everything.
#[tokio::test]
async fn b19_any_future_and_any_error_can_be_guarded() {
    #[derive(Debug, PartialEq)]
    struct OwnError<'a>(&'a str);
    let breaker = made(by_two());
    let words = String::from("borrowed");
    let borrowing = async { Err::<u8, _>(OwnError(&words)) };
    assert_eq!(breaker.call(borrowing).await, Err(CallError::Failed(OwnError("borrowed"))));
    let not_send = std::rc::Rc::new(5);
    let answer = breaker.call(async { Ok::<_, OwnError<'_>>(*not_send) }).await;
    assert_eq!(answer, Ok(5));
}

#[test]
fn errors_read_like_sentences_and_keep_their_causes() {
    let cause = std::io::Error::other("disk full");
    let failed = CallError::Failed(std::io::Error::other(cause));
    assert_eq!(failed.to_string(), "disk full");
    assert!(std::error::Error::source(&CallError::<std::io::Error>::Timeout(Duration::ZERO)).is_none());
    let breaker = made(by_two());
    breaker.hold(State::Open, start());
    let held = breaker.call_blocking(|| Ok::<_, std::io::Error>(1)).unwrap_err();
    assert_eq!(held.to_string(), "rejected: the circuit breaker is held open");
}
