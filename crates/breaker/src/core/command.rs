//! What a person can tell a breaker: force, hold, release, reset.

use std::time::Duration;

use super::{Change, Core};
use crate::tick::Tick;
use crate::{Config, Reason, State};

impl Core {
    /// Moves to `to`; from there the ordinary rules apply. A hold stays, on the new state.
    pub(crate) fn force(&mut self, to: State, config: &Config, now: Tick) -> Option<Change> {
        self.shift(to, Reason::Forced, config, now)
    }

    /// Moves to `to` and stays there until released or reset.
    pub(crate) fn hold(&mut self, to: State, config: &Config, now: Tick) -> Option<Change> {
        // Set first, so that the change tells of no end of the open time.
        self.held = true;
        // Permits handed out before the hold are of another time, also if the state stays.
        self.epoch += 1;
        (self.probe_successes, self.probes_in_flight) = (0, 0);
        self.shift(to, Reason::Held, config, now)
    }

    /// Ends a hold. The state stays and the ordinary rules apply again: an open breaker lets the next
    /// call through as a probe, a closed one judges from here on. False if nothing was held.
    pub(crate) fn release(&mut self, now: Tick) -> bool {
        if !self.held {
            return false;
        }
        self.held = false;
        self.epoch += 1;
        (self.probe_successes, self.probes_in_flight) = (0, 0);
        match self.state {
            State::Closed => self.start_afresh(),
            State::Open => {
                self.open_until = now;
                self.open_for = self.opened_at.map_or(Duration::ZERO, |opened| now.since(opened));
            }
            State::HalfOpen => {}
        }
        true
    }

    /// Closes the breaker, ends a hold and forgets every call in the window.
    pub(crate) fn reset(&mut self, config: &Config, now: Tick) -> Option<Change> {
        self.held = false;
        self.epoch += 1;
        let change = self.shift(State::Closed, Reason::Reset, config, now);
        self.start_afresh();
        change
    }
}
