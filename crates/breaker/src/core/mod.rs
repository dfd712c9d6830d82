//! The state machine: everything a breaker knows, and every step it can take.
//!
//! All of it runs under the breaker's lock, one event at a time, so a step sees the state it changes.
//! Each step that changes the state goes through [`Core::shift`].

mod command;
mod picture;

use std::time::Duration;

use crate::backoff::{Rng, open_time};
use crate::listener::Listeners;
use crate::tick::Tick;
use crate::window::{CallWindow, Mark, WindowStats};
use crate::{Config, Outcome, Reason, State, TransitionCounts};

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: State,
    /// Grows with every change of state and every command. A permit of an older epoch changes nothing.
    pub(crate) epoch: u64,
    pub(crate) held: bool,
    window: CallWindow,
    consecutive_failures: u32,
    probe_successes: u32,
    probes_in_flight: u32,
    /// Openings since the breaker was last closed.
    open_count: u32,
    open_for: Duration,
    /// While open: when a call may probe.
    pub(crate) open_until: Tick,
    opened_at: Option<Tick>,
    first_opened_at: Option<Tick>,
    last_failure_at: Option<Tick>,
    last_transition_at: Option<Tick>,
    last_recovery: Option<Duration>,
    transitions: TransitionCounts,
    /// How many of the good calls recorded without the lock are in the window.
    settled: u64,
    /// Whether the window was judged by this configuration; not so right after a restore.
    judged: bool,
    rng: Rng,
    pub(crate) listeners: Listeners,
}

/// A change of state, as the core knows it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) sequence: u64,
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) reason: Reason,
    pub(crate) consecutive_failures: u32,
    pub(crate) probe_successes: u32,
    pub(crate) window: WindowStats,
    pub(crate) open_count: u32,
    pub(crate) open_for: Option<Duration>,
    pub(crate) since_first_opened: Option<Duration>,
}

/// The answer to a call that wants to pass.
pub(crate) enum Admission {
    /// It passes; the permit belongs to the core's present epoch.
    Pass(Option<Change>),
    /// It is refused; while open, `retry_after` says when a probe is due.
    Refuse { retry_after: Option<Duration> },
}

impl Core {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        Self {
            state: State::Closed,
            epoch: 0,
            held: false,
            window: CallWindow::new(config.window),
            consecutive_failures: 0,
            probe_successes: 0,
            probes_in_flight: 0,
            open_count: 0,
            open_for: Duration::ZERO,
            open_until: Tick::NEVER,
            opened_at: None,
            first_opened_at: None,
            last_failure_at: None,
            last_transition_at: None,
            last_recovery: None,
            transitions: TransitionCounts::default(),
            settled: 0,
            judged: true,
            rng: Rng::new(seed),
            listeners: Listeners::default(),
        }
    }

    /// Whether a good, quick call cannot move the breaker, so that the core need not learn of it at once.
    ///
    /// Such a call can only trip the breaker by completing the minimum number of calls: from there on it
    /// lowers every share, none of which has reached its limit. The first call of a new bucket, which makes
    /// old calls leave the window, is judged by itself.
    pub(crate) fn is_settled(&self, config: &Config) -> bool {
        if self.state != State::Closed {
            return false;
        }
        let stats = self.window.stats();
        self.held
            || stats.failures == 0 && stats.slow == 0
            || self.judged && stats.calls >= u64::from(config.minimum_calls)
    }

    /// Takes in the good calls that were recorded while the core was settled; `settled` is their number since
    /// the breaker was made.
    #[inline]
    pub(crate) fn catch_up(&mut self, settled: u64) {
        let unknown = settled.wrapping_sub(self.settled);
        if unknown == 0 {
            return;
        }
        self.settled = settled;
        // Recorded just as the breaker moved on, a call is late like any other and changes nothing.
        if self.state == State::Closed && !self.held {
            self.consecutive_failures = 0;
            self.window.push_good(unknown);
        }
    }

    /// The moment the newest bucket of a time window ends.
    #[inline]
    pub(crate) fn bucket_end(&self) -> Tick {
        self.window.newest_end()
    }

    /// A call wants to pass.
    pub(crate) fn admit(&mut self, config: &Config, now: Tick) -> Admission {
        match self.state {
            State::Closed => Admission::Pass(None),
            State::Open if self.held => Admission::Refuse { retry_after: None },
            State::Open if now < self.open_until => {
                Admission::Refuse { retry_after: Some(self.open_until.since(now)) }
            }
            State::Open => {
                let change = self.shift(State::HalfOpen, Reason::OpenElapsed, config, now);
                self.probes_in_flight = 1;
                Admission::Pass(change)
            }
            State::HalfOpen if self.probes_in_flight < config.half_open_permits => {
                self.probes_in_flight += 1;
                Admission::Pass(None)
            }
            State::HalfOpen => Admission::Refuse { retry_after: None },
        }
    }

    /// An admitted call has ended.
    pub(crate) fn record(
        &mut self,
        config: &Config,
        epoch: u64,
        outcome: Outcome,
        slow: bool,
        now: Tick,
    ) -> Option<Change> {
        if self.epoch != epoch {
            return None;
        }
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Timeout if config.count_timeout_as_failure => true,
            Outcome::Timeout | Outcome::Cancelled => {
                self.return_probe();
                return None;
            }
        };
        self.return_probe();
        if failed {
            self.last_failure_at = self.last_failure_at.max(Some(now));
        }
        if self.held {
            return None;
        }
        self.consecutive_failures = if failed { self.consecutive_failures.saturating_add(1) } else { 0 };
        let mark = Mark { failed, slow };
        match self.state {
            State::Closed => {
                self.window.push(now, mark);
                self.judged = true;
                let reason = self.trip_reason(config)?;
                self.shift(State::Open, reason, config, now)
            }
            State::HalfOpen => self.judge_probe(mark, config, now),
            // No permit belongs to an epoch in which the breaker is open.
            State::Open => None,
        }
    }

    /// A permit of this epoch went away without an outcome.
    pub(crate) fn cancel(&mut self, epoch: u64) {
        if self.epoch == epoch {
            self.return_probe();
        }
    }

    /// Gives back the slot of a probe whose outcome says nothing.
    fn return_probe(&mut self) {
        if self.state == State::HalfOpen {
            self.probes_in_flight = self.probes_in_flight.saturating_sub(1);
        }
    }

    fn judge_probe(&mut self, mark: Mark, config: &Config, now: Tick) -> Option<Change> {
        if mark.failed {
            return self.shift(State::Open, Reason::ProbeFailed, config, now);
        }
        if mark.slow {
            return self.shift(State::Open, Reason::ProbeSlow, config, now);
        }
        self.probe_successes += 1;
        if self.probe_successes < config.success_threshold {
            return None;
        }
        self.shift(State::Closed, Reason::ProbesSucceeded, config, now)
    }

    /// The first rule that says the breaker must open.
    fn trip_reason(&self, config: &Config) -> Option<Reason> {
        if config.failure_threshold.is_some_and(|threshold| self.consecutive_failures >= threshold) {
            return Some(Reason::ConsecutiveFailures);
        }
        let stats = self.window.stats();
        if stats.failures == 0 && stats.slow == 0 || stats.calls < u64::from(config.minimum_calls) {
            return None;
        }
        let reached = |share: Option<f64>, limit: f64| share.is_some_and(|share| share >= limit);
        if config.failure_rate.is_some_and(|limit| reached(stats.failure_rate(), limit)) {
            return Some(Reason::FailureRate);
        }
        if config.slow_call.is_some_and(|slow| reached(stats.slow_rate(), slow.rate)) {
            return Some(Reason::SlowCallRate);
        }
        None
    }

    /// The one way from a state to another. Nothing happens if it is the same.
    fn shift(&mut self, to: State, reason: Reason, config: &Config, now: Tick) -> Option<Change> {
        let from = self.state;
        if from == to {
            return None;
        }
        debug_assert!(from.may_become(to, reason), "{from} must not become {to} for {reason}");
        let since_first_opened = self.first_opened_at.map(|first| now.since(first));
        let (consecutive_failures, probe_successes) = (self.consecutive_failures, self.probe_successes);
        let window = self.window.stats_at(now);
        self.epoch += 1;
        self.state = to;
        self.transitions.count(from, to);
        self.last_transition_at = Some(now);
        (self.probe_successes, self.probes_in_flight) = (0, 0);
        match to {
            State::Open => self.open(config, now),
            State::HalfOpen => self.first_opened_at = self.first_opened_at.or(Some(now)),
            State::Closed => {}
        }
        let change = Change {
            sequence: self.epoch,
            from,
            to,
            reason,
            consecutive_failures,
            probe_successes,
            window,
            open_count: self.open_count,
            open_for: (to == State::Open && !self.held).then_some(self.open_for),
            since_first_opened,
        };
        if to == State::Closed {
            self.last_recovery = since_first_opened.or(self.last_recovery);
            self.start_afresh();
        }
        Some(change)
    }

    fn open(&mut self, config: &Config, now: Tick) {
        self.open_count = self.open_count.saturating_add(1);
        if self.held {
            self.open_for = Duration::ZERO;
            self.open_until = Tick::NEVER;
        } else {
            self.open_for = open_time(config, self.open_count, &mut self.rng);
            self.open_until = now.plus(self.open_for);
        }
        self.opened_at = Some(now);
        self.first_opened_at = self.first_opened_at.or(Some(now));
    }

    /// Forgets the episode: a closed breaker judges only what happens from here on.
    fn start_afresh(&mut self) {
        self.window.clear();
        self.consecutive_failures = 0;
        (self.probe_successes, self.probes_in_flight) = (0, 0);
        self.open_count = 0;
        self.open_for = Duration::ZERO;
        self.open_until = Tick::NEVER;
        self.opened_at = None;
        self.first_opened_at = None;
    }
}
