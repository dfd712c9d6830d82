//! The clock of guarded services.

use std::time::Instant;

/// tokio's clock, so that programs tested on paused time find their breakers on it too.
#[inline]
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
