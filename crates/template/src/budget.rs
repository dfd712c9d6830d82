//! What is left of the limits while a template runs. All work is paid from one budget of steps, so that the bound
//! does not depend on how fast the machine is.

use crate::limits::{Exceeded, Limits, Text, too_long};
use crate::value::Value;

/// How often the deadline is asked: once per this many steps, because asking may read a clock.
const STEPS_PER_DEADLINE_CHECK: u64 = 256;
/// Bytes of made text that cost one step.
const BYTES_PER_STEP: usize = 64;

/// What is left of the limits during a run.
pub(crate) struct Budget<'c> {
    limits: Limits,
    left: u64,
    until_check: u64,
    depth: u32,
    expired: Option<&'c dyn Fn() -> bool>,
}

impl<'c> Budget<'c> {
    pub(crate) fn new(limits: Limits, expired: Option<&'c dyn Fn() -> bool>) -> Self {
        Self { limits, left: limits.steps, until_check: 1, depth: 0, expired }
    }

    /// Pays `steps`.
    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), Exceeded> {
        let Some(left) = self.left.checked_sub(steps) else {
            self.left = 0;
            return Err(Exceeded(format!("exceeded the limit of {} steps", self.limits.steps)));
        };
        self.left = left;
        self.until_check = self.until_check.saturating_sub(steps);
        if self.until_check == 0 {
            self.until_check = STEPS_PER_DEADLINE_CHECK;
            if self.expired.is_some_and(|expired| expired()) {
                return Err(Exceeded("exceeded its time limit".to_owned()));
            }
        }
        Ok(())
    }

    /// Pays for `bytes` of text that were read or made.
    pub(crate) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.spend((bytes / BYTES_PER_STEP) as u64)
    }

    /// Pays for a value a function made, and refuses a string beyond the output limit.
    pub(crate) fn keep(&mut self, value: &Value) -> Result<(), Exceeded> {
        let Some(text) = value.as_str() else { return Ok(()) };
        if text.len() > self.limits.output {
            return Err(too_long(self.limits.output));
        }
        self.spend_bytes(text.len())
    }

    /// Goes one level deeper; every success is paired with a [`Budget::leave`].
    pub(crate) fn enter(&mut self) -> Result<(), Exceeded> {
        if self.depth >= self.limits.depth {
            return Err(Exceeded(format!("exceeded maximum template depth ({})", self.limits.depth)));
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// An empty buffer that refuses to grow beyond the output limit.
    pub(crate) fn text(&self) -> Text {
        Text::new(self.limits.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn steps_run_out_and_the_deadline_is_asked() {
        let mut budget = Budget::new(Limits { steps: 2, ..Limits::default() }, None);
        assert!(budget.spend(2).is_ok() && budget.spend(1).is_err());
        let late = Cell::new(false);
        let expired = || late.get();
        let mut budget = Budget::new(Limits::default(), Some(&expired));
        assert!(budget.spend(1).is_ok());
        late.set(true);
        assert!((0..STEPS_PER_DEADLINE_CHECK).any(|_| budget.spend(1).is_err()));
    }

    #[test]
    fn depth_is_given_back() {
        let mut budget = Budget::new(Limits { depth: 1, ..Limits::default() }, None);
        assert!(budget.enter().is_ok() && budget.enter().is_err());
        budget.leave();
        assert!(budget.enter().is_ok());
    }
}
