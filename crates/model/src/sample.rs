//! One measured value at one time, and the marker that says a series has ended.

use crate::Timestamp;

/// The bits of the NaN Prometheus uses as its staleness marker (`value.StaleNaN`). Any other NaN is a value.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was measured.
    pub t: Timestamp,
    /// What was measured.
    pub v: f64,
}

impl Sample {
    /// A sample of `v` at `t`.
    #[must_use]
    pub const fn new(t: Timestamp, v: f64) -> Self {
        Self { t, v }
    }

    /// A staleness marker at `t`.
    #[must_use]
    pub const fn stale(t: Timestamp) -> Self {
        Self { t, v: stale_nan() }
    }

    /// Whether this is a staleness marker.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        is_stale(self.v)
    }
}

/// The staleness marker as a value.
#[must_use]
pub const fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether `v` is the staleness marker (and not just any NaN).
#[must_use]
pub const fn is_stale(v: f64) -> bool {
    v.to_bits() == STALE_NAN_BITS
}
