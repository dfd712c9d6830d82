//! The three states of a breaker and the moves between them.
//!
//! The table of lawful moves lives here, apart from the code that moves, so that tests and the
//! concurrency model can hold every transition against it.

use std::fmt;

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum State {
    /// Calls pass; their outcomes are watched.
    #[default]
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// A few calls at a time pass, to find out whether the dependency has recovered.
    HalfOpen,
}

impl State {
    /// Every state, in the order of [`State::code`].
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The name used in metric labels, logs and APIs: `closed`, `open`, `half_open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// The number three of four dashboards in the wild expect: 0 closed, 1 open, 2 half-open.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
        }
    }

    /// Whether a breaker may move from `self` to `to` for `reason`.
    ///
    /// On its own a breaker only ever moves closed → open → half-open → closed or back to open. A
    /// person may move it anywhere.
    #[must_use]
    pub const fn may_become(self, to: Self, reason: Reason) -> bool {
        match reason {
            Reason::ConsecutiveFailures | Reason::FailureRate | Reason::SlowCallRate => {
                matches!((self, to), (Self::Closed, Self::Open))
            }
            Reason::OpenElapsed => matches!((self, to), (Self::Open, Self::HalfOpen)),
            Reason::ProbesSucceeded => matches!((self, to), (Self::HalfOpen, Self::Closed)),
            Reason::ProbeFailed | Reason::ProbeSlow => matches!((self, to), (Self::HalfOpen, Self::Open)),
            Reason::Forced | Reason::Held => self.code() != to.code(),
            Reason::Reset => matches!((self, to), (Self::Open | Self::HalfOpen, Self::Closed)),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// As many failures in a row as [`Config::failure_threshold`](crate::Config::failure_threshold).
    ConsecutiveFailures,
    /// The share of failures in the window reached [`Config::failure_rate`](crate::Config::failure_rate).
    FailureRate,
    /// The share of slow calls in the window reached [`SlowCall::rate`](crate::SlowCall::rate).
    SlowCallRate,
    /// The open time is over and a call came to probe.
    OpenElapsed,
    /// Enough probes in a row succeeded.
    ProbesSucceeded,
    /// A probe failed.
    ProbeFailed,
    /// A probe succeeded but was slow, which is no recovery where slow calls trip the breaker.
    ProbeSlow,
    /// [`Breaker::force`](crate::Breaker::force).
    Forced,
    /// [`Breaker::hold`](crate::Breaker::hold).
    Held,
    /// [`Breaker::reset`](crate::Breaker::reset).
    Reset,
}

impl Reason {
    /// The name used in logs and messages, for example `consecutive_failures`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRate => "failure_rate",
            Self::SlowCallRate => "slow_call_rate",
            Self::OpenElapsed => "open_elapsed",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::ProbeFailed => "probe_failed",
            Self::ProbeSlow => "probe_slow",
            Self::Forced => "forced",
            Self::Held => "held",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an admitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Outcome {
    /// The dependency did its work.
    Success,
    /// The dependency failed.
    Failure,
    /// The dependency did not answer in time. A failure, unless
    /// [`Config::count_timeout_as_failure`](crate::Config::count_timeout_as_failure) is off; then it is
    /// counted and moves nothing.
    Timeout,
    /// The call says nothing about the dependency. The same as dropping the permit.
    Cancelled,
}

impl Outcome {
    /// The value of the `outcome` label of a call counter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}
