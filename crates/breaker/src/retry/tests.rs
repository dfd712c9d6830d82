//! Retries on tokio's paused clock; no test waits.

use std::cell::Cell;
use std::time::Duration;

use crate::{Breaker, CallError, Config, Retry, State};

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn breaker(threshold: u32) -> Breaker {
    let config = Config::builder().failure_threshold(threshold).failure_rate(None).build().unwrap();
    Breaker::seeded("b", config, crate::clock::now(), 1).unwrap()
}

/// Fails until it has been asked this often.
async fn works_at(attempts: &Cell<u32>, nth: u32) -> Result<u32, String> {
    attempts.set(attempts.get() + 1);
    if attempts.get() >= nth { Ok(nth) } else { Err(format!("attempt {}", attempts.get())) }
}

#[test]
fn waits_double_to_their_cap_and_jitter_only_shortens_them() {
    let retry = Retry { max_attempts: 12, ..Retry::default() };
    let waits: Vec<u128> = (1..12).map(|n| retry.wait(n, 0.0).unwrap().as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    assert_eq!(retry.wait(12, 0.0), None);
    for failed in 1..12 {
        let (full, least) = (retry.wait(failed, 0.0).unwrap(), retry.wait(failed, 1.0).unwrap());
        assert!(least < full && least >= full.mul_f64(0.899), "{full:?} {least:?}");
    }
}

#[test]
fn nonsense_is_taken_as_the_nearest_sense() {
    let odd = Retry { max_attempts: 0, multiplier: f64::NAN, jitter: f64::NAN, ..Retry::default() };
    assert_eq!(odd.wait(1, 0.5), None, "one attempt");
    let odd = Retry { max_attempts: u32::MAX, multiplier: 0.1, jitter: 7.0, ..Retry::default() };
    assert_eq!(odd.wait(5, 0.0), Some(millis(100)), "even waits");
    assert_eq!(odd.wait(5, f64::NAN), Some(millis(100)));
    let huge = Retry { max_attempts: u32::MAX, multiplier: f64::MAX, ..Retry::default() };
    assert_eq!(huge.wait(u32::MAX - 1, 0.0), Some(Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn it_tries_until_it_works_and_every_attempt_is_a_call() {
    let (breaker, attempts, began) = (breaker(10), Cell::new(0), tokio::time::Instant::now());
    let retry = Retry { jitter: 0.0, ..Retry::default() };
    let done = breaker.call_with_retry(&retry, 1, tokio::time::sleep, || works_at(&attempts, 3)).await;
    assert_eq!((done, began.elapsed()), (Ok(3), millis(300)));
    let calls = breaker.stats(crate::clock::now()).calls;
    assert_eq!((calls.failure, calls.success), (2, 1));

    attempts.set(0);
    let done = breaker.call_with_retry(&retry, 1, tokio::time::sleep, || works_at(&attempts, 4)).await;
    assert_eq!((done, attempts.get()), (Err(CallError::Failed("attempt 3".to_owned())), 3));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_ends_the_attempts_of_everybody() {
    let (breaker, attempts) = (breaker(2), Cell::new(0));
    let retry = Retry { max_attempts: 50, ..Retry::default() };
    let done = breaker.call_with_retry(&retry, 1, tokio::time::sleep, || works_at(&attempts, 99)).await;
    assert_eq!(
        done,
        Err(CallError::Failed("attempt 2".to_owned())),
        "what went wrong, not that it was given up"
    );
    assert_eq!((attempts.get(), breaker.state()), (2, State::Open));
    let next = breaker.call_with_retry(&retry, 1, tokio::time::sleep, || works_at(&attempts, 99)).await;
    assert!(next.is_err_and(|error| error.is_rejected()) && attempts.get() == 2, "not even tried");
}
