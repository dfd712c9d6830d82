//! The breaker written down as plainly as can be: one list of calls, everything computed from it each
//! time, no cleverness. It shares no code with the real one beyond the public types.
#![allow(unreachable_pub, reason = "a module of a test program")]

use breakwatch_breaker::{
    Calls, Config, Outcome, Reason, State, Stats, Transition, TransitionCounts, Window, WindowStats,
};
use std::time::Duration;

/// Nanoseconds from the start of the test; may be negative.
pub type Nanos = i128;

/// A call the window may hold.
#[derive(Clone, Copy, Debug)]
struct Call {
    at: Nanos,
    failed: bool,
    slow: bool,
}

/// A permit that is out.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub id: u64,
    generation: u64,
    admitted_at: Nanos,
}

/// What a transition must look like. The open time is drawn at random, so only its bounds are known.
#[derive(Clone, Debug)]
pub struct Expected {
    pub from: State,
    pub to: State,
    pub reason: Reason,
    consecutive_failures: u32,
    probe_successes: u32,
    window: WindowStats,
    open_count: u32,
    open_for_between: Option<(f64, f64)>,
    since_first_opened: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub config: Config,
    /// When the real breaker was made: the borders of its buckets count from there.
    pub origin: Nanos,
    pub state: State,
    pub held: bool,
    generation: u64,
    calls: Vec<Call>,
    /// The number of the newest bucket anything was put into.
    newest_bucket: i128,
    consecutive_failures: u32,
    probe_successes: u32,
    out: Vec<Ticket>,
    next_id: u64,
    open_count: u32,
    open_for: Duration,
    pub open_until: Nanos,
    opened_at: Option<Nanos>,
    first_opened_at: Option<Nanos>,
    last_failure_at: Option<Nanos>,
    last_transition_at: Option<Nanos>,
    last_recovery: Option<Duration>,
    pub totals: Calls,
    transitions: TransitionCounts,
}

pub fn nanos(length: Duration) -> Nanos {
    Nanos::try_from(length.as_nanos()).unwrap()
}

fn between(earlier: Nanos, later: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from((later - earlier).max(0)).unwrap())
}

impl Model {
    pub fn new(config: Config, origin: Nanos) -> Self {
        Self {
            config,
            origin,
            state: State::Closed,
            held: false,
            generation: 0,
            calls: Vec::new(),
            newest_bucket: 0,
            consecutive_failures: 0,
            probe_successes: 0,
            out: Vec::new(),
            next_id: 0,
            open_count: 0,
            open_for: Duration::ZERO,
            open_until: 0,
            opened_at: None,
            first_opened_at: None,
            last_failure_at: None,
            last_transition_at: None,
            last_recovery: None,
            totals: Calls::default(),
            transitions: TransitionCounts::default(),
        }
    }

    pub fn admit(&mut self, now: Nanos) -> (Result<Ticket, Option<Duration>>, Option<Expected>) {
        let mut expected = None;
        match self.state {
            State::Closed => {}
            State::Open => {
                if self.held || now < self.open_until {
                    self.totals.rejected += 1;
                    let wait = (!self.held).then(|| between(now, self.open_until));
                    return (Err(wait), None);
                }
                expected = self.go(State::HalfOpen, Reason::OpenElapsed, now);
            }
            State::HalfOpen => {
                if self.probes() >= self.config.half_open_permits {
                    self.totals.rejected += 1;
                    return (Err(None), None);
                }
            }
        }
        self.next_id += 1;
        let ticket = Ticket { id: self.next_id, generation: self.generation, admitted_at: now };
        self.out.push(ticket);
        (Ok(ticket), expected)
    }

    pub fn record(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        took: Option<Duration>,
        now: Nanos,
    ) -> Option<Expected> {
        match outcome {
            Outcome::Success => self.totals.success += 1,
            Outcome::Failure => self.totals.failure += 1,
            Outcome::Timeout => self.totals.timeout += 1,
            Outcome::Cancelled => self.totals.cancelled += 1,
        }
        self.out.retain(|other| other.id != ticket.id);
        if ticket.generation != self.generation {
            return None;
        }
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Timeout if self.config.count_timeout_as_failure => true,
            _ => return None,
        };
        if failed {
            self.last_failure_at = Some(self.last_failure_at.map_or(now, |last| last.max(now)));
        }
        if self.held {
            return None;
        }
        let took = took.unwrap_or_else(|| between(ticket.admitted_at, now));
        let slow = self.config.slow_call.is_some_and(|slow| took > slow.duration);
        if failed {
            self.consecutive_failures += 1;
        } else {
            self.consecutive_failures = 0;
        }
        if self.state == State::HalfOpen {
            return self.judge_probe(failed, slow, now);
        }
        self.take_in(Call { at: now, failed, slow });
        self.judge_window(now)
    }

    fn judge_probe(&mut self, failed: bool, slow: bool, now: Nanos) -> Option<Expected> {
        if failed {
            return self.go(State::Open, Reason::ProbeFailed, now);
        }
        if slow {
            return self.go(State::Open, Reason::ProbeSlow, now);
        }
        self.probe_successes += 1;
        if self.probe_successes >= self.config.success_threshold {
            return self.go(State::Closed, Reason::ProbesSucceeded, now);
        }
        None
    }

    fn judge_window(&mut self, now: Nanos) -> Option<Expected> {
        if self.config.failure_threshold.is_some_and(|most| self.consecutive_failures >= most) {
            return self.go(State::Open, Reason::ConsecutiveFailures, now);
        }
        let seen = self.window(self.newest_bucket);
        if seen.calls < u64::from(self.config.minimum_calls) {
            return None;
        }
        if self.config.failure_rate.is_some_and(|rate| seen.failures as f64 / seen.calls as f64 >= rate) {
            return self.go(State::Open, Reason::FailureRate, now);
        }
        if self.config.slow_call.is_some_and(|slow| seen.slow as f64 / seen.calls as f64 >= slow.rate) {
            return self.go(State::Open, Reason::SlowCallRate, now);
        }
        None
    }

    fn bucket_length(&self) -> Option<(Nanos, i128)> {
        match self.config.window {
            Window::Count(_) => None,
            Window::Time { length, buckets } => {
                Some((nanos(length) / i128::from(buckets), i128::from(buckets)))
            }
        }
    }

    fn bucket(&self, at: Nanos) -> i128 {
        self.bucket_length().map_or(0, |(length, _)| (at - self.origin).div_euclid(length))
    }

    fn take_in(&mut self, call: Call) {
        match self.config.window {
            Window::Count(most) => {
                self.calls.push(call);
                let surplus = self.calls.len().saturating_sub(most as usize);
                self.calls.drain(..surplus);
            }
            Window::Time { buckets, .. } => {
                self.newest_bucket = self.newest_bucket.max(self.bucket(call.at));
                self.calls.push(call);
                let oldest = self.newest_bucket - i128::from(buckets);
                let keep: Vec<_> =
                    self.calls.iter().copied().filter(|call| self.bucket(call.at) > oldest).collect();
                self.calls = keep;
            }
        }
    }

    /// The calls in the window whose newest bucket is `newest`.
    fn window(&self, newest: i128) -> WindowStats {
        let inside = |call: &&Call| match self.config.window {
            Window::Count(_) => true,
            Window::Time { buckets, .. } => self.bucket(call.at) > newest - i128::from(buckets),
        };
        let mut stats = WindowStats::default();
        for call in self.calls.iter().filter(inside) {
            stats.calls += 1;
            stats.failures += u64::from(call.failed);
            stats.slow += u64::from(call.slow);
        }
        stats
    }

    fn window_at(&self, now: Nanos) -> WindowStats {
        self.window(self.newest_bucket.max(self.bucket(now)))
    }

    fn probes(&self) -> u32 {
        let now_out = self.out.iter().filter(|ticket| ticket.generation == self.generation).count();
        if self.state == State::HalfOpen { u32::try_from(now_out).unwrap() } else { 0 }
    }

    fn go(&mut self, to: State, reason: Reason, now: Nanos) -> Option<Expected> {
        if to == self.state {
            return None;
        }
        let from = self.state;
        let mut expected = Expected {
            from,
            to,
            reason,
            consecutive_failures: self.consecutive_failures,
            probe_successes: self.probe_successes,
            window: self.window_at(now),
            open_count: self.open_count,
            open_for_between: None,
            since_first_opened: self.first_opened_at.map(|first| between(first, now)),
        };
        self.generation += 1;
        self.state = to;
        self.probe_successes = 0;
        self.last_transition_at = Some(now);
        match (from, to) {
            (State::Closed, State::Open) => self.transitions.closed_open += 1,
            (State::Closed, _) => self.transitions.closed_half_open += 1,
            (State::Open, State::HalfOpen) => self.transitions.open_half_open += 1,
            (State::Open, _) => self.transitions.open_closed += 1,
            (State::HalfOpen, State::Closed) => self.transitions.half_open_closed += 1,
            (State::HalfOpen, _) => self.transitions.half_open_open += 1,
        }
        if to != State::Closed {
            self.first_opened_at = self.first_opened_at.or(Some(now));
        }
        if to == State::Open {
            self.open_count += 1;
            expected.open_count = self.open_count;
            self.opened_at = Some(now);
            self.open_for = Duration::ZERO;
            self.open_until = now;
            expected.open_for_between = (!self.held).then(|| self.open_time_bounds());
        }
        if to == State::Closed {
            self.last_recovery = expected.since_first_opened;
            self.forget();
        }
        Some(expected)
    }

    fn open_time_bounds(&self) -> (f64, f64) {
        let mut longest = self.config.open_for.as_secs_f64();
        for _ in 1..self.open_count {
            longest = (longest * self.config.backoff_multiplier).min(1e9);
        }
        let longest = longest.min(self.config.open_for_max.as_secs_f64());
        ((longest * (1.0 - self.config.jitter)).max(0.001), longest.max(0.001))
    }

    fn forget(&mut self) {
        self.calls.clear();
        self.consecutive_failures = 0;
        self.probe_successes = 0;
        self.open_count = 0;
        self.open_for = Duration::ZERO;
        self.opened_at = None;
        self.first_opened_at = None;
    }

    /// Holds the real transition against the expected one, and learns the open time that was drawn.
    pub fn agree(&mut self, expected: Option<Expected>, real: Option<&Transition>, now: Nanos) {
        let (Some(expected), Some(real)) = (&expected, real) else {
            assert_eq!(expected.is_some(), real.is_some(), "expected {expected:?}, got {real:?}");
            return;
        };
        assert_eq!((real.from, real.to, real.reason), (expected.from, expected.to, expected.reason));
        assert!(real.from.may_become(real.to, real.reason), "{real:?}");
        assert_eq!(real.consecutive_failures, expected.consecutive_failures);
        assert_eq!(real.probe_successes, expected.probe_successes);
        assert_eq!(real.window, expected.window);
        assert_eq!(real.open_count, expected.open_count);
        assert_eq!(real.since_first_opened, expected.since_first_opened);
        assert_eq!(real.open_for.is_some(), expected.open_for_between.is_some(), "{real:?}");
        if let (Some(real), Some((shortest, longest))) = (real.open_for, expected.open_for_between) {
            let drawn = real.as_secs_f64();
            // The bounds were computed in another order of multiplications.
            let slack = 1e-8 + longest * 1e-9;
            assert!(
                drawn >= shortest - slack && drawn <= longest + slack,
                "open for {drawn}, not between {shortest} and {longest}"
            );
            self.open_for = real;
            self.open_until = now + nanos(real);
        }
    }

    pub fn force(&mut self, to: State, now: Nanos) -> Option<Expected> {
        self.go(to, Reason::Forced, now)
    }

    pub fn hold(&mut self, to: State, now: Nanos) -> Option<Expected> {
        self.held = true;
        self.generation += 1;
        self.probe_successes = 0;
        self.go(to, Reason::Held, now)
    }

    pub fn release(&mut self, now: Nanos) -> bool {
        if !self.held {
            return false;
        }
        self.held = false;
        self.generation += 1;
        self.probe_successes = 0;
        if self.state == State::Closed {
            self.forget();
        }
        if self.state == State::Open {
            self.open_until = now;
            self.open_for = between(self.opened_at.unwrap(), now);
        }
        true
    }

    pub fn reset(&mut self, now: Nanos) -> Option<Expected> {
        self.held = false;
        self.generation += 1;
        let expected = self.go(State::Closed, Reason::Reset, now);
        self.forget();
        expected
    }

    /// The model of a breaker of `config`, made at `now`, that goes on from this one, whose snapshot was
    /// taken at `taken` and aged by `aged`.
    pub fn continued(&self, config: Config, origin: Nanos, taken: Nanos, aged: Nanos, now: Nanos) -> Self {
        let moved = |at: Nanos| now - (taken - at).max(0) - aged;
        let mut next = Self::new(config, origin);
        next.generation = self.generation + 1;
        next.next_id = self.next_id;
        next.state = self.state;
        next.held = self.held;
        next.consecutive_failures = self.consecutive_failures;
        next.last_failure_at = self.last_failure_at.map(moved);
        next.last_transition_at = self.last_transition_at.map(moved);
        next.last_recovery = self.last_recovery;
        next.totals = self.totals;
        next.transitions = self.transitions;
        self.continue_window(&mut next, taken, now, moved);
        if self.state == State::Closed {
            return next;
        }
        if self.state == State::HalfOpen {
            next.probe_successes = self.probe_successes.min(next.config.success_threshold - 1);
        }
        next.open_count = self.open_count;
        next.open_for = self.open_for.min(next.config.open_for_max);
        let left = if self.held || self.state != State::Open { 0 } else { self.open_until - taken - aged };
        next.open_until = now + left.clamp(0, nanos(next.config.open_for_max));
        next.opened_at = self.opened_at.map(moved);
        next.first_opened_at = self.first_opened_at.map(moved).or(Some(now));
        next
    }

    fn continue_window(&self, next: &mut Self, taken: Nanos, now: Nanos, moved: impl Fn(Nanos) -> Nanos) {
        match (self.bucket_length(), next.bucket_length()) {
            (None, None) => {
                for call in &self.calls {
                    next.take_in(*call);
                }
            }
            (Some((length, buckets)), Some(_)) => {
                let oldest = self.newest_bucket.max(self.bucket(taken)) - buckets;
                let newest = next.bucket(now).max(0);
                next.newest_bucket = newest;
                for call in self.calls.iter().filter(|call| self.bucket(call.at) > oldest) {
                    let at = moved(self.bucket(call.at) * length + self.origin);
                    next.take_in(Call { at, ..*call });
                    assert_eq!(next.newest_bucket, newest, "nothing restored is of the future");
                }
            }
            _ => {}
        }
    }

    /// The same breaker after it has been told to go on from its own snapshot.
    pub fn restored(&self, taken: Nanos, aged: Nanos, now: Nanos) -> Self {
        let mut next = self.continued(self.config.clone(), self.origin, taken, aged, now);
        next.newest_bucket = next.newest_bucket.max(self.newest_bucket);
        if let Some((_, buckets)) = next.bucket_length() {
            let oldest = next.newest_bucket - buckets;
            let keep: Vec<_> = next.calls.iter().copied().filter(|c| next.bucket(c.at) > oldest).collect();
            next.calls = keep;
        }
        next.out.clone_from(&self.out);
        next
    }

    pub fn stats(&self, now: Nanos) -> Expectation {
        let ago = |at: Option<Nanos>| at.map(|at| between(at, now));
        let is_open = self.state == State::Open && !self.held;
        Expectation {
            state: self.state,
            held: self.held,
            calls: self.totals,
            window: self.window_at(now),
            consecutive_failures: self.consecutive_failures,
            probe_successes: self.probe_successes,
            probes_in_flight: self.probes(),
            open_count: self.open_count,
            open_for: is_open.then_some(self.open_for),
            opened_ago: ago(self.opened_at),
            next_probe_in: is_open.then(|| between(now, self.open_until)),
            first_opened_ago: ago(self.first_opened_at),
            last_failure_ago: ago(self.last_failure_at),
            last_transition_ago: ago(self.last_transition_at),
            last_recovery: self.last_recovery,
            transitions: self.transitions,
        }
    }
}

/// [`Stats`], which only the library can make.
#[derive(Debug, PartialEq)]
pub struct Expectation {
    state: State,
    held: bool,
    calls: Calls,
    window: WindowStats,
    consecutive_failures: u32,
    probe_successes: u32,
    probes_in_flight: u32,
    open_count: u32,
    open_for: Option<Duration>,
    opened_ago: Option<Duration>,
    next_probe_in: Option<Duration>,
    first_opened_ago: Option<Duration>,
    last_failure_ago: Option<Duration>,
    last_transition_ago: Option<Duration>,
    last_recovery: Option<Duration>,
    transitions: TransitionCounts,
}

impl From<Stats> for Expectation {
    fn from(stats: Stats) -> Self {
        Self {
            state: stats.state,
            held: stats.held,
            calls: stats.calls,
            window: stats.window,
            consecutive_failures: stats.consecutive_failures,
            probe_successes: stats.probe_successes,
            probes_in_flight: stats.probes_in_flight,
            open_count: stats.open_count,
            open_for: stats.open_for,
            opened_ago: stats.opened_ago,
            next_probe_in: stats.next_probe_in,
            first_opened_ago: stats.first_opened_ago,
            last_failure_ago: stats.last_failure_ago,
            last_transition_ago: stats.last_transition_ago,
            last_recovery: stats.last_recovery,
            transitions: stats.transitions,
        }
    }
}
