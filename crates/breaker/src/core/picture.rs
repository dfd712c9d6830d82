//! The core as data: statistics for people, a snapshot for the next process, and back.

use std::time::Duration;

use super::Core;
use crate::snapshot::Snapshot;
use crate::tick::Tick;
use crate::{Calls, Config, State, Stats};

impl Core {
    pub(crate) fn stats(&self, calls: Calls, now: Tick) -> Stats {
        let ago = |at: Option<Tick>| at.map(|at| now.since(at));
        let is_open = self.state == State::Open && !self.held;
        Stats {
            state: self.state,
            held: self.held,
            calls,
            window: self.window.stats_at(now),
            consecutive_failures: self.consecutive_failures,
            probe_successes: self.probe_successes,
            probes_in_flight: self.probes_in_flight,
            open_count: self.open_count,
            open_for: is_open.then_some(self.open_for),
            opened_ago: ago(self.opened_at),
            next_probe_in: is_open.then(|| self.open_until.since(now)),
            first_opened_ago: ago(self.first_opened_at),
            last_failure_ago: ago(self.last_failure_at),
            last_transition_ago: ago(self.last_transition_at),
            last_recovery: self.last_recovery,
            transitions: self.transitions,
        }
    }

    pub(crate) fn snapshot(&self, calls: Calls, now: Tick) -> Snapshot {
        let ago = |at: Option<Tick>| at.map(|at| now.since(at));
        let is_open = self.state == State::Open && !self.held;
        Snapshot {
            state: self.state,
            held: self.held,
            consecutive_failures: self.consecutive_failures,
            probe_successes: self.probe_successes,
            open_count: self.open_count,
            open_for: self.open_for,
            open_left: if is_open { self.open_until.since(now) } else { Duration::ZERO },
            opened_ago: ago(self.opened_at),
            first_opened_ago: ago(self.first_opened_at),
            last_failure_ago: ago(self.last_failure_at),
            last_transition_ago: ago(self.last_transition_at),
            last_recovery: self.last_recovery,
            window: self.window.snapshot(now),
            calls,
            transitions: self.transitions,
        }
    }

    /// Goes on from `saved`, which may come from a breaker with another configuration or from a damaged
    /// file: whatever cannot be is brought within bounds.
    pub(crate) fn restore(&mut self, saved: &Snapshot, config: &Config, now: Tick) {
        let at = |ago: Option<Duration>| ago.map(|ago| now.minus(ago));
        self.start_afresh();
        self.epoch += 1;
        self.state = saved.state;
        self.held = saved.held;
        self.window.restore(&saved.window, now);
        self.judged = false;
        self.consecutive_failures = saved.consecutive_failures;
        self.last_failure_at = at(saved.last_failure_ago);
        self.last_transition_at = at(saved.last_transition_ago);
        self.last_recovery = saved.last_recovery;
        self.transitions = saved.transitions;
        if saved.state == State::Closed {
            return;
        }
        if saved.state == State::HalfOpen {
            // The probe that would reach the threshold has yet to run.
            self.probe_successes = saved.probe_successes.min(config.success_threshold - 1);
        }
        self.open_count = saved.open_count;
        self.open_for = saved.open_for.min(config.open_for_max);
        self.open_until = now.plus(saved.open_left.min(config.open_for_max));
        self.opened_at = at(saved.opened_ago);
        self.first_opened_at = at(saved.first_opened_ago).or(Some(now));
    }
}
