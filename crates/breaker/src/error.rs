//! How a guarded call can go wrong. Generic over the caller's own error, which is kept as it is.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::Rejected;

/// A guarded call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The breaker did not let the call through. Nothing was asked of the dependency.
    Rejected(Rejected),
    /// The call was made and failed.
    Failed(E),
    /// The call was made and cut off after this long.
    Timeout(Duration),
}

impl<E> CallError<E> {
    /// Whether the breaker did not let the call through.
    #[must_use]
    pub const fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }

    /// The error of the call itself, if it was made and ended.
    #[must_use]
    pub fn into_failed(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Rejected(_) | Self::Timeout(_) => None,
        }
    }

    /// How long the breaker wants to be left alone, if it knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejected) => rejected.retry_after,
            Self::Failed(_) | Self::Timeout(_) => None,
        }
    }

    /// The same with the caller's error turned into another.
    pub fn map<F>(self, turn: impl FnOnce(E) -> F) -> CallError<F> {
        match self {
            Self::Rejected(rejected) => CallError::Rejected(rejected),
            Self::Failed(error) => CallError::Failed(turn(error)),
            Self::Timeout(after) => CallError::Timeout(after),
        }
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::Timeout(after) => write!(f, "timed out after {after:?}"),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            // Shown as if it were this error, so its cause is this one's cause.
            Self::Failed(error) => error.source(),
            Self::Timeout(_) => None,
        }
    }
}
