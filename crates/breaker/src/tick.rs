//! Moments as signed nanoseconds from the breaker's creation.
//!
//! `Instant` cannot name a moment before the machine started, yet a breaker restored right after a
//! reboot opened before that. A signed number can; it also fits an atomic.

use std::time::{Duration, Instant};

/// A moment, in nanoseconds from the origin of its breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(crate) i64);

impl Tick {
    /// Later than every moment that can be reached: the end of an open time without end.
    pub(crate) const NEVER: Self = Self(i64::MAX);

    /// `now`, seen from `origin`.
    #[inline]
    pub(crate) fn from_origin(origin: Instant, now: Instant) -> Self {
        match now.checked_duration_since(origin) {
            Some(after) => Self(nanos(after)),
            None => Self(-nanos(origin.saturating_duration_since(now))),
        }
    }

    /// The moment `by` later; [`Tick::NEVER`] is only reached by saturation.
    #[inline]
    pub(crate) fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// The moment `by` earlier.
    pub(crate) fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// The time from `earlier` to here; nothing if `earlier` is in truth later.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment as an `Instant`, if one can name it.
    pub(crate) fn to_instant(self, origin: Instant) -> Option<Instant> {
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        if self.0 >= 0 { origin.checked_add(distance) } else { origin.checked_sub(distance) }
    }
}

/// The length in nanoseconds; 292 years and more are one number.
#[inline]
pub(crate) fn nanos(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}

/// The length of one of `buckets` equal parts of a window, at least a nanosecond.
pub(crate) fn bucket_length(window: Duration, buckets: u32) -> i64 {
    (nanos(window) / i64::from(buckets.max(1))).max(1)
}
