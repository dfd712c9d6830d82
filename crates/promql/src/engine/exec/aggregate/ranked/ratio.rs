//! `limit_ratio`: which series stay is decided by a hash of their labels, so that it is the same at all times
//! and `limit_ratio(r, x)` and `limit_ratio(-(1 - r), x)` split the series between them.

use breakwatch_model::Labels;

/// Whether a series is among the part `ratio` (negative: the part from the other end).
pub(super) fn keeps(ratio: f64, labels: &Labels) -> bool {
    let place = labels.fingerprint().0 as f64 / u64::MAX as f64;
    if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio }
}
