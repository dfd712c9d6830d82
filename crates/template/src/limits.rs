//! What one run of a template may cost.
//!
//! Templates come from rule files and configuration, and their data from the network. An endless range, a
//! template that calls itself or a string that doubles itself must end as an error of that one template,
//! long before the daemon feels it. All work is paid from one budget of steps, so that the bound does not
//! depend on how fast the machine is; a caller with a deadline can add a closure that says when it has passed.

use crate::value::Value;

/// Bounds of one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Steps: one for each piece of the template that is run, and one for each 64 bytes a function reads or makes.
    pub steps: u64,
    /// The longest output, and the longest string any function may make, in bytes.
    pub output: usize,
    /// How deep actions, parentheses and template calls may stand inside each other.
    pub depth: u32,
}

impl Limits {
    /// A message of a megabyte is a mistake, whatever the receiver.
    pub const OUTPUT: usize = 1 << 20;
    /// About 0.1 s of work in a release build; the largest shipped template takes under 5000 for 100 alerts.
    pub const STEPS: u64 = 1_000_000;
    /// Keeps a run inside half of a 2 MiB worker stack even in an unoptimised build.
    pub const DEPTH: u32 = 128;
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: Self::STEPS, output: Self::OUTPUT, depth: Self::DEPTH }
    }
}

/// A limit was reached; says which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exceeded(pub(crate) String);

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

fn too_long(limit: usize) -> Exceeded {
    Exceeded(format!("result is longer than the limit of {limit} bytes"))
}

/// A string that refuses to grow beyond a limit.
#[derive(Debug)]
pub(crate) struct Text {
    buffer: String,
    limit: usize,
}

impl Text {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: String::new(), limit }
    }

    pub(crate) fn push_str(&mut self, text: &str) -> Result<(), Exceeded> {
        if text.len() > self.room() {
            return Err(too_long(self.limit));
        }
        self.buffer.push_str(text);
        Ok(())
    }

    pub(crate) fn push(&mut self, c: char) -> Result<(), Exceeded> {
        self.push_str(c.encode_utf8(&mut [0; 4]))
    }

    /// `count` times `c`.
    pub(crate) fn fill(&mut self, c: char, count: usize) -> Result<(), Exceeded> {
        for _ in 0..count {
            self.push(c)?;
        }
        Ok(())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.buffer
    }

    /// How many more bytes fit.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.buffer.len()
    }

    pub(crate) fn into_string(self) -> String {
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn text_stops_at_its_limit() {
        let mut text = Text::new(3);
        assert!(text.push_str("ab").is_ok() && text.push_str("cd").is_err() && text.push('c').is_ok());
        assert!(text.push('d').is_err());
        assert_eq!(text.into_string(), "abc");
    }

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
