//! The answer to a call that was not let through.

use std::fmt;
use std::time::Duration;

use crate::State;

/// The breaker did not let the call through; the dependency was not bothered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// Open, or half-open with all probes under way.
    pub state: State,
    /// The time until a call is let through as a probe. Nothing if that depends on the end of another
    /// call, or on a person.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.state, self.retry_after) {
            (_, Some(wait)) => {
                write!(f, "rejected: the circuit breaker is open for another {wait:.1?}")
            }
            (State::HalfOpen, None) => {
                f.write_str("rejected: the circuit breaker is half-open and enough probes are under way")
            }
            (_, None) => f.write_str("rejected: the circuit breaker is held open"),
        }
    }
}

impl std::error::Error for Rejected {}
