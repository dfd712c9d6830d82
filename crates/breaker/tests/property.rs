//! A million random steps, every feature switched on at random, against the naive model: no difference in
//! any answer, any transition or any figure.
//!
//! The seed is printed; `BREAKER_SEED` repeats a run, `BREAKER_STEPS` lengthens it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod model;
mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use breakwatch_breaker::{
    Breaker, Config, Outcome, OwnedPermit, Reason, SlowCall, State, Transition, Window,
};
use model::{Expectation, Expected, Model, Nanos, Ticket, nanos};
use support::{Random, millis, start};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn a_million_steps_show_no_difference_from_the_naive_model() {
    let seed = number("BREAKER_SEED", std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1));
    let steps = number("BREAKER_STEPS", 1_000_000);
    println!("BREAKER_SEED={seed} BREAKER_STEPS={steps}");
    let mut pair = Pair::new(seed);
    for step in 0..steps {
        let before = pair.action;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pair.step()));
        if let Err(panic) = result {
            println!("step {step}, action {} (before: {before}), {:?}", pair.action, pair.model);
            std::panic::resume_unwind(panic);
        }
    }
    println!("{} transitions, {} commands, {} restores", pair.transitions, pair.commands, pair.restores);
    assert_eq!(pair.reasons.len(), 10, "every reason must have come up: {:?}", pair.reasons);
    assert!(pair.transitions * 200 > steps, "the walk must not get stuck in one state");
}

struct Pair {
    random: Random,
    start: Instant,
    now: Nanos,
    breaker: Breaker,
    model: Model,
    out: Vec<(OwnedPermit, Ticket)>,
    heard: Arc<Mutex<Vec<Transition>>>,
    sequence: u64,
    action: &'static str,
    reasons: HashSet<Reason>,
    transitions: u64,
    commands: u64,
    restores: u64,
}

fn listening(breaker: &Breaker) -> Arc<Mutex<Vec<Transition>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    breaker.on_transition(move |transition| ear.lock().unwrap().push(transition.clone()));
    heard
}

fn random_config(random: &mut Random) -> Config {
    loop {
        let window = if random.one_in(2) {
            Window::Count(random.pick(&[1, 2, 5, 10, 31, 32, 33, 64, 100]))
        } else {
            Window::Time {
                length: random.pick(&[millis(7), millis(1000), millis(5000), millis(15_001)]),
                buckets: random.pick(&[1, 2, 3, 7]),
            }
        };
        let open_for = random.pick(&[millis(1), millis(20), millis(1000), millis(30_000)]);
        let config = Config {
            failure_threshold: random.pick(&[None, Some(1), Some(2), Some(5), Some(50)]),
            failure_rate: random.pick(&[None, Some(0.1), Some(0.3), Some(0.5), Some(1.0)]),
            slow_call: random
                .pick(&[None, None, Some(millis(50)), Some(millis(500))])
                .map(|duration| SlowCall { duration, rate: random.pick(&[0.2, 0.5, 1.0]) }),
            minimum_calls: random.pick(&[1, 2, 5, 10]),
            window,
            success_threshold: random.pick(&[1, 2, 3]),
            half_open_permits: random.pick(&[1, 2, 4]),
            open_for,
            open_for_max: open_for * random.pick(&[1, 3, 10]),
            backoff_multiplier: random.pick(&[1.0, 1.5, 2.0, 7.0]),
            jitter: random.pick(&[0.0, 0.1, 0.5, 1.0]),
            call_timeout: None,
            count_timeout_as_failure: random.one_in(2),
        };
        if config.validate().is_ok() {
            return config;
        }
    }
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let start = start();
        let config = random_config(&mut random);
        let breaker = Breaker::seeded("b", config.clone(), start, random.next()).unwrap();
        Self {
            heard: listening(&breaker),
            model: Model::new(config, 0),
            random,
            start,
            now: 0,
            breaker,
            out: Vec::new(),
            sequence: 0,
            action: "start",
            reasons: HashSet::new(),
            transitions: 0,
            commands: 0,
            restores: 0,
        }
    }

    fn at(&self, at: Nanos) -> Instant {
        let distance = Duration::from_nanos(u64::try_from(at.abs()).unwrap());
        if at >= 0 { self.start + distance } else { self.start - distance }
    }

    fn step(&mut self) {
        self.pass_time();
        match self.random.below(1000) {
            0..350 => self.admit(),
            350..700 => self.record(),
            700..740 => self.drop_permit(),
            740..752 => self.command(),
            752..760 => self.restore(),
            760..763 => self.reconfigure(),
            // A busy stretch, so that windows fill and thresholds are reached.
            _ => self.call_at_once(),
        }
        self.compare();
    }

    /// Mostly a little, sometimes long, sometimes to a border and a nanosecond to its sides, at times back.
    fn pass_time(&mut self) {
        let to_border = self.model.open_until - self.now;
        self.now += match self.random.below(20) {
            0..10 => 0,
            10..15 => Nanos::from(self.random.below(3_000_000)),
            15..17 => Nanos::from(self.random.below(700_000_000)),
            17 => Nanos::from(self.random.below(40_000_000_000)),
            18 if self.model.state == State::Open => {
                to_border.max(-1_000_000_000) + Nanos::from(self.random.below(3)) - 1
            }
            _ => -Nanos::from(self.random.below(30_000_000)),
        };
    }

    fn admit(&mut self) {
        self.action = "admit";
        let now = self.at(self.now);
        let (expected, transition) = self.model.admit(self.now);
        // Without slow calls the start of a call need not be known.
        let lazy = self.random.one_in(2);
        let (real, real_transition) =
            if lazy { self.breaker.admit_with(|| now) } else { self.breaker.admit(now) };
        match (real.map(breakwatch_breaker::Permit::into_owned), expected) {
            (Ok(permit), Ok(ticket)) => self.out.push((permit, ticket)),
            (Err(rejected), Err(retry_after)) => {
                assert_eq!(rejected.retry_after, retry_after);
                assert_eq!(rejected.state, self.model.state);
            }
            (real, expected) => panic!("admitted {}, expected {}", real.is_ok(), expected.is_ok()),
        }
        self.agree(transition, real_transition);
    }

    fn any_permit(&mut self) -> Option<(OwnedPermit, Ticket)> {
        let index = usize::try_from(self.random.below(self.out.len().max(1) as u64)).unwrap();
        (index < self.out.len()).then(|| self.out.swap_remove(index))
    }

    fn record(&mut self) {
        let Some((permit, ticket)) = self.any_permit() else { return };
        self.finish(permit, ticket);
    }

    fn finish(&mut self, permit: OwnedPermit, ticket: Ticket) {
        self.action = "record";
        let outcome = match self.random.below(20) {
            // Healthy and failing stretches, so that windows also stay clean for long.
            0..12 => Outcome::Success,
            12..17 if self.now.div_euclid(2_000_000_000) % 3 != 0 => Outcome::Failure,
            17 => Outcome::Timeout,
            18 => Outcome::Cancelled,
            _ => Outcome::Success,
        };
        let now = self.at(self.now);
        let took = self.random.one_in(3).then(|| Duration::from_millis(self.random.below(120)));
        let expected = self.model.record(ticket, outcome, took, self.now);
        let real = match took {
            Some(took) => permit.record_timed(outcome, took, now),
            None if self.random.one_in(2) => permit.record_with(outcome, || now),
            None => permit.record(outcome, now),
        };
        self.agree(expected, real);
    }

    fn call_at_once(&mut self) {
        let before = self.out.len();
        self.admit();
        if self.out.len() > before
            && let Some((permit, ticket)) = self.out.pop()
        {
            self.finish(permit, ticket);
        }
    }

    fn drop_permit(&mut self) {
        self.action = "drop";
        let Some((permit, ticket)) = self.any_permit() else { return };
        drop(permit);
        let expected = self.model.record(ticket, Outcome::Cancelled, None, self.now);
        self.agree(expected, None);
    }

    fn command(&mut self) {
        self.commands += 1;
        let now = self.at(self.now);
        let to = self.random.pick(&State::ALL);
        match self.random.below(8) {
            0..2 => {
                self.action = "force";
                let expected = self.model.force(to, self.now);
                let real = self.breaker.force(to, now);
                self.agree(expected, real);
            }
            2 => {
                self.action = "hold";
                let expected = self.model.hold(to, self.now);
                let real = self.breaker.hold(to, now);
                self.agree(expected, real);
            }
            3..7 => {
                self.action = "release";
                assert_eq!(self.breaker.release(now), self.model.release(self.now));
            }
            _ => {
                self.action = "reset";
                let expected = self.model.reset(self.now);
                let real = self.breaker.reset(now);
                self.agree(expected, real);
            }
        }
    }

    /// Takes a snapshot, lets time pass in which nobody is there, and goes on from it, on the same breaker.
    fn restore(&mut self) {
        self.action = "restore";
        self.restores += 1;
        let taken = self.now;
        let saved = self.breaker.snapshot(self.at(taken));
        let away = self.random.pick(&[0, 1, 999, 400_000_000, 20_000_000_000]);
        self.now += away;
        let saved = saved.aged(Duration::from_nanos(u64::try_from(away).unwrap()));
        self.breaker.restore(&saved, self.at(self.now));
        self.model = self.model.restored(taken, away, self.now);
    }

    /// Another breaker, with another configuration, goes on from this one.
    fn reconfigure(&mut self) {
        self.action = "reconfigure";
        let saved = self.breaker.snapshot(self.at(self.now));
        let config = random_config(&mut self.random);
        let seed = self.random.next();
        let now = self.at(self.now);
        let origin = self.now - Nanos::from(self.random.below(2_000_000_000));
        self.out.clear();
        self.breaker = Breaker::seeded("b", config.clone(), self.at(origin), seed).unwrap();
        self.heard = listening(&self.breaker);
        self.sequence = 0;
        if self.random.one_in(2) {
            self.breaker.restore(&saved, now);
            self.model = self.model.continued(config, origin, self.now, 0, self.now);
        } else {
            self.model = Model::new(config, origin);
        }
    }

    fn agree(&mut self, expected: Option<Expected>, real: Option<Transition>) {
        self.model.agree(expected, real.as_ref(), self.now);
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        assert_eq!(heard.first(), real.as_ref(), "listeners hear what the caller is told");
        assert!(heard.len() <= 1, "one step, one transition");
        if let Some(real) = real {
            assert_eq!(real.at, self.at(self.now));
            assert!(real.sequence > self.sequence, "transitions are in order");
            self.sequence = real.sequence;
            self.reasons.insert(real.reason);
            self.transitions += 1;
        }
    }

    fn compare(&mut self) {
        let now = self.at(self.now);
        assert_eq!(self.breaker.state(), self.model.state);
        // Not at each step: the breaker catches up on good calls when it is looked at.
        if self.random.one_in(16) {
            assert_eq!(Expectation::from(self.breaker.stats(now)), self.model.stats(self.now));
        }
        let is_open = self.model.state == State::Open && !self.model.held;
        let probe_at = is_open.then(|| self.at(self.model.open_until));
        assert_eq!(self.breaker.next_probe_at(), probe_at);
        assert_eq!(
            self.breaker.retry_after(now).map(nanos),
            is_open.then(|| (self.model.open_until - self.now).max(0))
        );
    }
}
