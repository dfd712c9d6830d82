//! Faults seen in circuit breakers elsewhere, one test each. The name says what must not happen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use breakwatch_breaker::{
    Breaker, Builder, Config, ConfigError, Outcome, OwnedPermit, Permit, Reason, State, Window,
};
use support::{millis, secs, start};

/// Trips on rate alone, over the last 10 calls; open 60 s without jitter.
fn by_rate() -> Builder {
    Config::builder()
        .failure_threshold(None)
        .failure_rate(0.5)
        .count_window(10)
        .minimum_calls(4)
        .success_threshold(3)
        .open_for(secs(60))
        .jitter(0.0)
}

/// Trips on 2 failures in a row alone; open 60 s without jitter.
fn by_two() -> Builder {
    by_rate().failure_rate(None).failure_threshold(2).success_threshold(2)
}

fn made(builder: Builder, now: Instant) -> Breaker {
    Breaker::seeded("b", builder.build().unwrap(), now, 7).unwrap()
}

fn permit(breaker: &Breaker, now: Instant) -> OwnedPermit {
    breaker.admit(now).0.map(Permit::into_owned).unwrap_or_else(|refused| panic!("{refused}"))
}

fn call(breaker: &Breaker, outcome: Outcome, now: Instant) -> bool {
    let Ok(permit) = breaker.admit(now).0 else { return false };
    permit.record(outcome, now);
    true
}

fn calls(breaker: &Breaker, count: u32, outcome: Outcome, now: Instant) {
    for _ in 0..count {
        assert!(call(breaker, outcome, now));
    }
}

#[test]
fn b01_a_recovered_breaker_is_not_tripped_by_failures_from_before() {
    let now = start();
    let breaker = made(by_rate(), now);
    calls(&breaker, 4, Outcome::Failure, now);
    assert_eq!(breaker.state(), State::Open);
    let now = now + secs(60);
    calls(&breaker, 3, Outcome::Success, now);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.stats(now).window.calls, 0);
    calls(&breaker, 1000, Outcome::Success, now);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn b02_a_call_from_before_the_opening_takes_no_probe_slot() {
    let now = start();
    let breaker = made(by_two().half_open_permits(1), now);
    let old: Vec<_> = (0..5).map(|_| permit(&breaker, now)).collect();
    calls(&breaker, 2, Outcome::Failure, now);
    let now = now + secs(60);
    let probe = permit(&breaker, now);
    for permit in old {
        assert_eq!(permit.record(Outcome::Failure, now), None);
        assert_eq!(breaker.stats(now).probes_in_flight, 1);
        assert!(breaker.admit(now).0.is_err(), "the one slot is still taken");
    }
    probe.record(Outcome::Success, now);
    calls(&breaker, 1, Outcome::Success, now);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn b03_dropped_probes_give_their_slot_back() {
    let now = start();
    let breaker = made(by_two().half_open_permits(2), now);
    calls(&breaker, 2, Outcome::Failure, now);
    let now = now + secs(60);
    for _ in 0..100 {
        let (one, two) = (permit(&breaker, now), permit(&breaker, now));
        assert!(breaker.admit(now).0.is_err());
        drop((one, two));
    }
    let stats = breaker.stats(now);
    assert_eq!((stats.calls.cancelled, stats.probes_in_flight), (200, 0));
    // A call that panics drops its permit as well.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _permit = permit(&breaker, now);
        panic!("the call panics");
    }));
    assert!(panicked.is_err());
    calls(&breaker, 2, Outcome::Success, now);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn b04_a_late_success_of_an_old_call_does_not_end_the_open_time() {
    let now = start();
    let breaker = made(by_two(), now);
    let old = permit(&breaker, now);
    calls(&breaker, 2, Outcome::Failure, now);
    assert_eq!(old.record(Outcome::Success, now + secs(1)), None);
    assert_eq!(breaker.state(), State::Open);
    assert!(breaker.admit(now + secs(60) - Duration::from_nanos(1)).0.is_err());
    assert!(breaker.admit(now + secs(60)).0.is_ok());
    assert_eq!(breaker.stats(now).calls.success, 1, "it is counted all the same");
}

#[test]
fn b05_the_rate_trips_when_the_failure_is_recorded_not_at_the_next_call() {
    let now = start();
    let breaker = made(by_rate().count_window(10).minimum_calls(10), now);
    calls(&breaker, 9, Outcome::Failure, now);
    assert_eq!(breaker.state(), State::Closed);
    let transition = permit(&breaker, now).record(Outcome::Failure, now).unwrap();
    assert_eq!((transition.to, transition.reason), (State::Open, Reason::FailureRate));
}

#[test]
fn b06_an_opening_by_rate_takes_part_in_the_backoff() {
    let now = start();
    let breaker = made(by_rate().backoff_multiplier(2.0).open_for_max(secs(300)), now);
    calls(&breaker, 3, Outcome::Failure, now);
    let first = permit(&breaker, now).record(Outcome::Failure, now).unwrap();
    assert_eq!((first.open_count, first.open_for), (1, Some(secs(60))));
    for (open_count, open_for) in [(2, 120), (3, 240), (4, 300), (5, 300)] {
        let now = breaker.next_probe_at().unwrap();
        let again = permit(&breaker, now).record(Outcome::Failure, now).unwrap();
        assert!(again.is_reopening());
        assert_eq!((again.open_count, again.open_for), (open_count, Some(secs(open_for))));
    }
    let now = breaker.next_probe_at().unwrap();
    calls(&breaker, 3, Outcome::Success, now);
    calls(&breaker, 3, Outcome::Failure, now);
    let fresh = permit(&breaker, now).record(Outcome::Failure, now).unwrap();
    assert_eq!(fresh.open_for, Some(secs(60)), "a recovery starts the backoff anew");
}

#[test]
fn b07_a_time_window_covers_its_length_whatever_the_length() {
    for (length, buckets) in [(millis(5000), 10), (millis(15_000), 10), (millis(19_000), 10), (millis(7), 7)]
    {
        let origin = start();
        let builder = by_rate()
            .window(Window::Time { length, buckets })
            .failure_threshold(1_000_000)
            .failure_rate(None);
        let breaker = made(builder, origin);
        // 1,000 evenly spread failures in each length, for three lengths.
        let step = length / 1000;
        for i in 0..3000 {
            let now = origin + step * i;
            call(&breaker, Outcome::Failure, now);
            let covered = u64::from(i + 1).min(1000);
            let least = covered.saturating_sub(1000 / u64::from(buckets) + 1);
            let seen = breaker.stats(now).window.failures;
            assert!(seen >= least && seen <= 1000, "{length:?}: {seen} of {covered} at call {i}");
        }
    }
}

#[test]
fn b08_windows_that_would_divide_by_zero_are_refused() {
    let refused = |window| {
        let problem = by_rate().window(window).minimum_calls(1).build().unwrap_err();
        problem.problems().iter().map(ConfigError::field).collect::<Vec<_>>()
    };
    assert_eq!(refused(Window::Count(0)), ["window"]);
    assert_eq!(refused(Window::Count(u32::MAX)), ["window"]);
    assert_eq!(refused(Window::Time { length: secs(1), buckets: 0 }), ["window.buckets"]);
    assert_eq!(refused(Window::Time { length: secs(1), buckets: 100_000 }), ["window.buckets"]);
    assert_eq!(refused(Window::Time { length: Duration::from_nanos(9), buckets: 10 }), ["window"]);
    assert_eq!(refused(Window::Time { length: Duration::ZERO, buckets: 1 }), ["window"]);
    assert_eq!(refused(Window::Time { length: Duration::MAX, buckets: 10 }), ["window"]);
}

#[test]
fn b09_time_that_passes_without_calls_clears_all_buckets_it_passes() {
    let origin = start();
    let breaker =
        made(by_rate().window(Window::Time { length: secs(10), buckets: 10 }).failure_rate(1.0), origin);
    let seen = |after: Duration| breaker.stats(origin + after).window.calls;
    for second in 0..10 {
        calls(&breaker, 1, Outcome::Success, origin + secs(second));
    }
    assert_eq!(seen(millis(9_999)), 10);
    // Seven seconds pass: three buckets stay. The borders are those of the clock, not of the calls.
    calls(&breaker, 1, Outcome::Success, origin + millis(16_500));
    assert_eq!(seen(millis(16_999)), 4);
    assert_eq!(seen(millis(17_000)), 3);
    assert_eq!(seen(millis(19_000)), 1);
    assert_eq!(seen(millis(26_000)), 0);
    calls(&breaker, 1, Outcome::Success, origin + secs(100_000));
    assert_eq!(seen(secs(100_000)), 1);
}

#[test]
fn b10_times_before_the_breaker_was_made_are_no_panic() {
    let origin = start();
    let breaker = made(by_two().time_window(secs(3600)), origin);
    let early = origin - secs(500_000);
    calls(&breaker, 2, Outcome::Failure, early);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.stats(early).opened_ago, Some(Duration::ZERO));
    assert_eq!(breaker.next_probe_at(), Some(early + secs(60)));
    // Restored right after the machine started, with an opening long before it.
    let mut saved = breaker.snapshot(early);
    saved.first_opened_ago = Some(secs(400 * 86_400));
    breaker.restore(&saved, early);
    assert_eq!(breaker.stats(early).first_opened_ago, Some(secs(400 * 86_400)));
    saved.first_opened_ago = Some(Duration::MAX);
    saved.open_left = Duration::MAX;
    breaker.restore(&saved.aged(Duration::MAX), early);
    assert!(breaker.stats(early).first_opened_ago > Some(secs(86_400 * 365 * 290)));
}

#[test]
fn b11_a_listener_blocks_nobody_may_reenter_and_may_panic() {
    let now = start();
    let breaker = made(by_two(), now);
    let (entered, has_entered) = channel();
    let (leave, may_leave) = channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let heard = Arc::new(AtomicU64::new(0));
    breaker.on_transition(|_| panic!("a careless listener"));
    let (own, count) = (breaker.clone(), Arc::clone(&heard));
    breaker.on_transition(move |transition| {
        // Uses the breaker, even moves it, from inside the notification.
        assert_eq!(own.stats(transition.at).state, transition.to);
        if transition.reason == Reason::ConsecutiveFailures {
            own.force(State::HalfOpen, transition.at);
            own.on_transition(|_| {});
            entered.send(()).unwrap();
            may_leave.lock().unwrap().recv().unwrap();
        }
        count.fetch_add(1, Ordering::Relaxed);
    });
    std::thread::scope(|scope| {
        let tripping = scope.spawn(|| calls(&breaker, 2, Outcome::Failure, now));
        has_entered.recv_timeout(secs(60)).expect("the breaker opens and tells its listeners");
        // The listener is in the middle of its work; everybody else goes on.
        assert_eq!(breaker.state(), State::HalfOpen);
        calls(&breaker, 2, Outcome::Success, now);
        assert_eq!(breaker.state(), State::Closed);
        leave.send(()).unwrap();
        tripping.join().unwrap();
    });
    assert_eq!(heard.load(Ordering::Relaxed), 3, "opened, forced half-open, closed");
}

#[test]
fn b12_racing_outcomes_only_make_lawful_moves_one_after_the_other() {
    let origin = start();
    let breaker = made(by_two().half_open_permits(4).open_for(millis(1)).open_for_max(millis(1)), origin);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    breaker.on_transition(move |transition| ear.lock().unwrap().push(transition.clone()));
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (breaker, barrier) = (&breaker, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let mut random = support::Random::new(thread);
                for step in 0..20_000 {
                    let now = origin + Duration::from_micros(step * 100);
                    let outcome = random.pick(&[Outcome::Success, Outcome::Success, Outcome::Failure]);
                    call(breaker, outcome, now);
                }
            });
        }
    });
    let mut heard = heard.lock().unwrap();
    heard.sort_by_key(|transition| transition.sequence);
    assert!(heard.len() > 100, "only {} transitions", heard.len());
    let mut state = State::Closed;
    for transition in heard.iter() {
        assert_eq!(transition.from, state, "{transition:?}");
        assert!(transition.from.may_become(transition.to, transition.reason), "{transition:?}");
        state = transition.to;
    }
    assert_eq!(state, breaker.state());
    assert_eq!(breaker.stats(origin).calls.total(), 80_000);
}

#[test]
fn b13_thresholds_that_can_never_be_reached_are_refused() {
    let refused = |builder: Builder| {
        let problem = builder.build().unwrap_err();
        problem.problems().iter().map(ConfigError::field).collect::<Vec<_>>()
    };
    assert_eq!(refused(by_two().half_open_permits(0)), ["half_open_permits"]);
    assert_eq!(refused(by_two().success_threshold(0)), ["success_threshold"]);
    assert_eq!(refused(by_two().failure_threshold(0)), ["failure_threshold"]);
    assert_eq!(refused(by_two().failure_threshold(None)), ["failure_threshold"], "no rule is left");
    assert_eq!(refused(by_rate().count_window(3)), ["minimum_calls"]);
    assert_eq!(refused(by_rate().minimum_calls(0)), ["minimum_calls"]);
    // More successes than slots are reached one after the other.
    let now = start();
    let breaker = made(by_two().half_open_permits(1).success_threshold(5), now);
    calls(&breaker, 2, Outcome::Failure, now);
    calls(&breaker, 5, Outcome::Success, now + secs(60));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn b14_a_held_breaker_stays_until_it_is_released() {
    let now = start();
    let breaker = made(by_two(), now);
    let transition = breaker.hold(State::Open, now).unwrap();
    assert_eq!((transition.reason, transition.open_for), (Reason::Held, None));
    for later in [secs(60), secs(3600), secs(30 * 86_400)] {
        let refused = breaker.admit(now + later).0.unwrap_err();
        assert_eq!((refused.state, refused.retry_after), (State::Open, None));
    }
    assert_eq!((breaker.is_held(), breaker.next_probe_at()), (true, None));
    assert!(breaker.release(now + secs(10)));
    assert!(!breaker.release(now + secs(10)));
    calls(&breaker, 2, Outcome::Success, now + secs(10));
    assert_eq!(breaker.state(), State::Closed);
    // Held closed, no failure opens it; released, the old failures are forgotten.
    breaker.hold(State::Closed, now);
    calls(&breaker, 50, Outcome::Failure, now);
    breaker.release(now);
    calls(&breaker, 1, Outcome::Failure, now);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.stats(now).calls.failure, 51);
    // Force, unlike hold, lets the ordinary rules go on.
    breaker.force(State::Open, now);
    assert!(breaker.admit(now + secs(60)).0.is_ok());
}

#[test]
fn b15_no_source_of_configuration_goes_around_the_judge() {
    let bad = Config {
        failure_rate: Some(f64::NAN),
        backoff_multiplier: 0.5,
        jitter: -0.1,
        open_for: secs(60),
        open_for_max: secs(10),
        call_timeout: Some(Duration::ZERO),
        ..Config::default()
    };
    let problem = Breaker::new("b", bad, start()).unwrap_err();
    let fields: Vec<_> = problem.problems().iter().map(ConfigError::field).collect();
    assert_eq!(fields, ["failure_rate", "open_for_max", "backoff_multiplier", "jitter", "call_timeout"]);
    for rate in [0.0, -0.5, 1.000_001, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(by_rate().failure_rate(rate).build().is_err(), "{rate}");
        assert!(by_rate().slow_call(secs(1), rate).build().is_err(), "{rate}");
    }
    for multiplier in [f64::NAN, f64::INFINITY, 0.0, 0.999, 1e9] {
        assert!(by_rate().backoff_multiplier(multiplier).build().is_err(), "{multiplier}");
    }
    assert!(by_rate().open_for(Duration::ZERO).build().is_err());
    assert!(by_rate().open_for(secs(86_400 * 365)).build().is_err());
    #[cfg(feature = "serde")]
    assert!(
        serde_json::from_str::<Config>(r#"{"failure_rate": 2}"#)
            .unwrap_err()
            .to_string()
            .contains("failure_rate")
    );
}

#[test]
fn b16_whether_a_timeout_is_a_failure_is_configured() {
    let now = start();
    let strict = made(by_two(), now);
    calls(&strict, 2, Outcome::Timeout, now);
    assert_eq!(strict.state(), State::Open);
    let lenient = made(by_two().count_timeout_as_failure(false), now);
    calls(&lenient, 1, Outcome::Failure, now);
    calls(&lenient, 50, Outcome::Timeout, now);
    let stats = lenient.stats(now);
    assert_eq!((stats.state, stats.consecutive_failures, stats.calls.timeout), (State::Closed, 1, 50));
    calls(&lenient, 1, Outcome::Failure, now);
    // Neither does it help a breaker to recover, nor hold its slot.
    let later = now + secs(60);
    calls(&lenient, 50, Outcome::Timeout, later);
    assert_eq!(lenient.stats(later).probes_in_flight, 0);
    assert_eq!(lenient.state(), State::HalfOpen);
}

#[test]
fn b17_statistics_are_one_picture_and_rejected_calls_are_in_it() {
    let now = start();
    let breaker = made(by_rate().count_window(4).minimum_calls(4), now);
    calls(&breaker, 3, Outcome::Success, now);
    calls(&breaker, 2, Outcome::Failure, now);
    for _ in 0..7 {
        assert!(!call(&breaker, Outcome::Success, now + secs(1)));
    }
    let stats = breaker.stats(now + secs(1));
    assert_eq!((stats.calls.success, stats.calls.failure, stats.calls.rejected), (3, 2, 7));
    assert_eq!((stats.calls.ended(), stats.calls.total()), (5, 12));
    assert_eq!((stats.window.calls, stats.failure_rate()), (4, Some(0.5)), "the window is not the total");
    assert_eq!(stats.next_probe_in, Some(secs(59)));
    assert_eq!(stats.last_failure_ago, Some(secs(1)));
    // While others record, every picture is one that could have been.
    let threads = made(by_two().failure_threshold(None).failure_rate(1.0).count_window(64), now);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for call_number in 0..20_000 {
                    let outcome = if call_number % 3 == 0 { Outcome::Failure } else { Outcome::Success };
                    call(&threads, outcome, now);
                }
            });
        }
        for _ in 0..2000 {
            let stats = threads.stats(now);
            assert!(stats.window.failures <= stats.calls.failure);
            assert!(stats.window.calls <= stats.calls.ended());
            assert!(stats.window.failures <= stats.window.calls && stats.window.calls <= 64);
        }
    });
    assert_eq!(threads.stats(now).calls.total(), 60_000);
}

#[test]
fn b18_the_first_probe_takes_a_slot_and_failures_while_open_do_not_prolong_it() {
    let now = start();
    let breaker = made(by_two().half_open_permits(2), now);
    let old: Vec<_> = (0..3).map(|_| permit(&breaker, now)).collect();
    calls(&breaker, 2, Outcome::Failure, now);
    let due = breaker.next_probe_at();
    for permit in old {
        permit.record(Outcome::Failure, now + secs(30));
    }
    assert_eq!(breaker.next_probe_at(), due);
    let now = now + secs(60);
    let _first = permit(&breaker, now);
    let second = permit(&breaker, now);
    assert!(breaker.admit(now).0.is_err(), "two slots, two probes");
    second.record(Outcome::Success, now);
    assert!(breaker.admit(now).0.is_ok(), "a success gives its slot back");
}

#[test]
fn b20_many_breakers_that_open_together_do_not_probe_in_step() {
    let now = start();
    let mut due: Vec<_> = (0..100)
        .map(|seed| {
            let config = by_two().jitter(0.1).build().unwrap();
            let breaker = Breaker::seeded("b", config, now, seed).unwrap();
            calls(&breaker, 2, Outcome::Failure, now);
            breaker.next_probe_at().unwrap() - now
        })
        .collect();
    due.sort();
    assert!(due.iter().all(|wait| *wait > secs(54) && *wait <= secs(60)), "{due:?}");
    assert!(due[99] - due[0] > secs(5), "spread over the whole range");
    due.dedup();
    assert_eq!(due.len(), 100);
    // The same seed draws the same times.
    let again = Breaker::seeded("b", by_two().jitter(0.1).build().unwrap(), now, 3).unwrap();
    calls(&again, 2, Outcome::Failure, now);
    let twin = Breaker::seeded("c", by_two().jitter(0.1).build().unwrap(), now, 3).unwrap();
    calls(&twin, 2, Outcome::Failure, now);
    assert_eq!(again.next_probe_at(), twin.next_probe_at());
}

#[test]
fn b21_an_early_return_between_admission_and_outcome_loses_no_slot() {
    fn guarded(breaker: &Breaker, now: Instant) -> Result<(), Box<dyn std::error::Error>> {
        let permit = breaker.admit(now).0?;
        let _number: u32 = "not a number".parse()?;
        permit.record(Outcome::Success, now);
        Ok(())
    }
    let now = start();
    let breaker = made(by_two().half_open_permits(1), now);
    calls(&breaker, 2, Outcome::Failure, now);
    let now = now + secs(60);
    for _ in 0..10 {
        assert!(guarded(&breaker, now).is_err());
    }
    let stats = breaker.stats(now);
    assert_eq!((stats.probes_in_flight, stats.calls.rejected, stats.calls.cancelled), (0, 0, 10));
}

#[test]
fn b22_a_permit_belongs_to_one_attempt_and_goes_back_when_a_later_stage_refuses() {
    let now = start();
    let breaker = made(by_two().half_open_permits(1), now);
    calls(&breaker, 2, Outcome::Failure, now);
    let now = now + secs(60);
    // A stage behind the breaker refuses: nothing was learnt about the dependency.
    let permit_of_refused = permit(&breaker, now);
    let bulkhead_is_full = true;
    if bulkhead_is_full {
        drop(permit_of_refused);
    }
    assert_eq!(breaker.state(), State::HalfOpen);
    // Three attempts are three admissions: `record` takes the permit by value. The first failure re-opens
    // the breaker, and the next attempt is told so.
    let mut attempts = 0;
    for _ in 0..3 {
        let Ok(permit) = breaker.admit(now).0 else { break };
        attempts += 1;
        permit.record(Outcome::Failure, now);
    }
    assert_eq!(attempts, 1);
}

#[test]
fn b23_nothing_a_caller_holds_across_an_await_is_a_lock() {
    fn is_send<T: Send + Sync>(_: &T) {}
    let now = start();
    let breaker = made(by_two(), now);
    is_send(&breaker);
    let held: Vec<_> = (0..100).map(|_| permit(&breaker, now)).collect();
    held.iter().for_each(is_send);
    // With permits out, everything else goes on; a panic under way poisons nothing.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _permit = permit(&breaker, now);
        panic!("a call panics");
    }));
    assert_eq!(breaker.stats(now).calls.cancelled, 1);
    drop(held);
    assert_eq!(breaker.stats(now).calls.cancelled, 101);
}

#[test]
fn b25_concurrent_failures_open_the_breaker_once() {
    let now = start();
    for _ in 0..200 {
        let breaker = made(by_two(), now);
        let permits: Vec<_> = (0..4).map(|_| permit(&breaker, now)).collect();
        let barrier = Barrier::new(4);
        let opened = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for permit in permits {
                let (barrier, opened) = (&barrier, &opened);
                scope.spawn(move || {
                    barrier.wait();
                    if permit.record(Outcome::Failure, now).is_some() {
                        opened.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(opened.load(Ordering::Relaxed), 1);
        let stats = breaker.stats(now);
        assert_eq!((stats.open_count, stats.transitions.closed_open, stats.open_for), (1, 1, Some(secs(60))));
    }
}
