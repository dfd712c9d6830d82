//! Every interleaving of a few threads over the breaker's shared state, explored by loom.
//!
//! The same sources are compiled here a second time, with loom's atomics and mutex behind the door of
//! `sync`. Held against the table of lawful moves: each thread's transitions, put in order by their sequence,
//! must form one unbroken lawful chain that ends in the state the breaker is in.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the sources of a library, in a test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may be blunt")]

#[path = "../src/backoff.rs"]
mod backoff;
#[path = "../src/breaker.rs"]
mod breaker;
#[path = "../src/builder.rs"]
mod builder;
#[path = "../src/config.rs"]
mod config;
#[path = "../src/core/mod.rs"]
mod core;
#[path = "../src/counters.rs"]
mod counters;
#[path = "../src/listener.rs"]
mod listener;
#[path = "../src/permit.rs"]
mod permit;
#[path = "../src/preset.rs"]
mod preset;
#[path = "../src/rejected.rs"]
mod rejected;
#[path = "../src/shared.rs"]
mod shared;
#[path = "../src/snapshot.rs"]
mod snapshot;
#[path = "../src/state.rs"]
mod state;
#[path = "../src/stats.rs"]
mod stats;
mod support;
#[cfg(feature = "serde")]
#[path = "../src/text/mod.rs"]
mod text;
#[path = "../src/tick.rs"]
mod tick;
#[path = "../src/transition.rs"]
mod transition;
#[path = "../src/validate.rs"]
mod validate;
#[path = "../src/window/mod.rs"]
mod window;
#[path = "../src/word.rs"]
mod word;

pub use breaker::Breaker;
pub use builder::Builder;
pub use config::{Config, SlowCall, Window};
pub use counters::Calls;
pub use permit::{OwnedPermit, Permit};
pub use preset::Preset;
pub use rejected::Rejected;
pub use snapshot::Snapshot;
pub use state::{Outcome, Reason, State};
pub use stats::Stats;
pub use transition::{Transition, TransitionCounts};
pub use validate::{ConfigError, InvalidConfig};
pub use window::WindowStats;

/// The other door.
mod sync {
    pub(crate) use loom::sync::atomic::AtomicU64;
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::AtomicU64 as Counter;

    /// More stripes are more of the same, and more interleavings than can be explored.
    pub(crate) const STRIPES: usize = 1;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    pub(crate) fn stripe() -> usize {
        0
    }
}

use loom::thread::{self, JoinHandle};
use std::time::Instant;
use support::{secs, start};

type Told = Vec<Transition>;

/// Trips at two failures in a row or at half of two calls; one good probe closes; open a second.
fn by_two() -> Builder {
    Config::builder()
        .failure_threshold(2)
        .failure_rate(0.5)
        .minimum_calls(2)
        .count_window(2)
        .success_threshold(1)
        .half_open_permits(1)
        .jitter(0.0)
        .open_for(secs(1))
}

fn explore(model: impl Fn(Instant) + Send + Sync + 'static) {
    let now = start();
    let mut explorer = loom::model::Builder::new();
    // Nearly every bug shows with two forced switches (Musuvathi and Qadeer, 2007); a third is affordable.
    explorer.preemption_bound = Some(3);
    explorer.check(move || model(now));
}

fn made(builder: Builder, now: Instant) -> Breaker {
    Breaker::seeded("b", builder.build().unwrap(), now, 1).unwrap()
}

/// Makes one call and keeps what it is told.
fn call(breaker: &Breaker, outcome: Outcome, now: Instant, told: &mut Told) -> bool {
    let (permit, transition) = breaker.admit(now);
    told.extend(transition);
    let Ok(permit) = permit else { return false };
    told.extend(permit.record(outcome, now));
    true
}

fn spawn(breaker: &Breaker, work: impl FnOnce(&Breaker, &mut Told) + 'static) -> JoinHandle<Told> {
    let breaker = breaker.clone();
    thread::spawn(move || {
        let mut told = Told::new();
        work(&breaker, &mut told);
        told
    })
}

/// Judges what all threads were told.
fn judge(breaker: &Breaker, first: Told, threads: Vec<JoinHandle<Told>>) -> Told {
    let mut told = first;
    for thread in threads {
        told.extend(thread.join().unwrap());
    }
    told.sort_by_key(|transition| transition.sequence);
    let mut state = State::Closed;
    for transition in &told {
        assert_eq!(transition.from, state, "{told:?}");
        assert!(transition.from.may_become(transition.to, transition.reason), "{transition:?}");
        state = transition.to;
    }
    assert_eq!(state, breaker.state(), "{told:?}");
    told
}

#[test]
fn failures_of_two_threads_open_the_breaker_once() {
    explore(|now| {
        let breaker = made(by_two(), now);
        let fail = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Failure, now, told);
        };
        let threads = vec![spawn(&breaker, fail), spawn(&breaker, fail)];
        let told = judge(&breaker, Told::new(), threads);
        assert_eq!((told.len(), breaker.state()), (1, State::Open));
        let stats = breaker.stats(now);
        assert_eq!((stats.open_count, stats.calls.failure), (1, 2));
    });
}

#[test]
fn one_slot_lets_one_probe_through_and_late_outcomes_move_nothing() {
    explore(|now| {
        let breaker = made(by_two(), now);
        let mut told = Told::new();
        // A call from before the opening, to be recorded while others probe.
        let old = breaker.admit(now).0.unwrap().into_owned();
        call(&breaker, Outcome::Failure, now, &mut told);
        call(&breaker, Outcome::Failure, now, &mut told);
        let later = now + secs(1);
        let probe = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Success, later, told);
        };
        let late = move |_: &Breaker, told: &mut Told| told.extend(old.record(Outcome::Failure, later));
        let threads = vec![spawn(&breaker, probe), spawn(&breaker, probe), spawn(&breaker, late)];
        let told = judge(&breaker, told, threads);
        // Opened, half-open, closed: whoever probes second finds it closed or the slot taken.
        assert_eq!((told.len(), breaker.state()), (3, State::Closed));
        assert_eq!(breaker.stats(later).probes_in_flight, 0);
    });
}

#[test]
fn racing_probes_close_or_open_but_never_both_from_one_half_open() {
    explore(|now| {
        let breaker = made(by_two().half_open_permits(2), now);
        let mut told = Told::new();
        told.extend(breaker.force(State::HalfOpen, now));
        let probe = |outcome| {
            move |breaker: &Breaker, told: &mut Told| {
                call(breaker, outcome, now, told);
            }
        };
        let cancel = move |breaker: &Breaker, _: &mut Told| drop(breaker.admit(now).0);
        let threads = vec![
            spawn(&breaker, probe(Outcome::Success)),
            spawn(&breaker, probe(Outcome::Failure)),
            spawn(&breaker, cancel),
        ];
        let told = judge(&breaker, told, threads);
        let from_half_open = told.iter().filter(|transition| transition.from == State::HalfOpen).count();
        assert!(from_half_open <= 1, "{told:?}");
        let stats = breaker.stats(now);
        assert_eq!(stats.probes_in_flight, 0, "{stats:?}");
        assert_eq!(stats.calls.total(), 3);
    });
}

#[test]
fn good_calls_counted_without_the_lock_are_neither_lost_nor_doubled() {
    explore(|now| {
        let breaker = made(by_two().failure_rate(None).count_window(10), now);
        let good = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Success, now, told);
            call(breaker, Outcome::Success, now, told);
        };
        let bad = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Failure, now, told);
        };
        let threads = vec![spawn(&breaker, good), spawn(&breaker, bad)];
        let told = judge(&breaker, Told::new(), threads);
        assert_eq!(told.len(), 0, "one failure is not two in a row");
        let stats = breaker.stats(now);
        assert_eq!((stats.calls.success, stats.calls.failure), (2, 1));
        assert_eq!((stats.window.calls, stats.window.failures), (3, 1));
        assert!(stats.consecutive_failures <= 1);
    });
}

#[test]
fn a_good_call_that_ends_just_after_the_opening_changes_nothing() {
    explore(|now| {
        let breaker = made(by_two().failure_threshold(1).failure_rate(None).count_window(10), now);
        let good = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Success, now, told);
        };
        let bad = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Failure, now, told);
        };
        let threads = vec![spawn(&breaker, good), spawn(&breaker, bad)];
        let told = judge(&breaker, Told::new(), threads);
        let stats = breaker.stats(now);
        assert_eq!((told.len(), stats.state, stats.consecutive_failures), (1, State::Open, 1));
        assert_eq!(stats.window, told[0].window, "what opened it stays on view");
    });
}

#[test]
fn a_hold_wins_over_every_outcome_and_a_reset_ends_in_closed() {
    explore(|now| {
        let breaker = made(by_two(), now);
        let fail = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Failure, now, told);
            call(breaker, Outcome::Failure, now, told);
        };
        let hold = move |breaker: &Breaker, told: &mut Told| told.extend(breaker.hold(State::Open, now));
        let threads = vec![spawn(&breaker, fail), spawn(&breaker, hold)];
        let mut told = judge(&breaker, Told::new(), threads);
        assert!(breaker.is_held() && breaker.state() == State::Open);
        assert_eq!(breaker.next_probe_at(), None);

        let reset = move |breaker: &Breaker, told: &mut Told| told.extend(breaker.reset(now));
        let probe = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Success, now + secs(9), told);
        };
        let threads = vec![spawn(&breaker, reset), spawn(&breaker, probe)];
        told = judge(&breaker, told, threads);
        assert_eq!(breaker.state(), State::Closed, "{told:?}");
    });
}

#[test]
fn who_is_refused_without_the_lock_is_refused_rightly() {
    explore(|now| {
        let breaker = made(by_two(), now);
        let mut told = Told::new();
        told.extend(breaker.force(State::Open, now));
        // One thread probes and fails, which opens the breaker again for two seconds; another calls then.
        let fail = move |breaker: &Breaker, told: &mut Told| {
            call(breaker, Outcome::Failure, now + secs(1), told);
        };
        let ask = move |breaker: &Breaker, told: &mut Told| {
            let (answer, transition) = breaker.admit(now + secs(1));
            told.extend(transition);
            if let Err(rejected) = answer {
                // Either the slot is taken, or the second opening has begun.
                let left = rejected.retry_after;
                assert!(left.is_none() || left == Some(secs(2)), "{rejected:?}");
            }
        };
        let threads = vec![spawn(&breaker, fail), spawn(&breaker, ask)];
        judge(&breaker, told, threads);
    });
}
