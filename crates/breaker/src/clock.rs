//! Where the convenience around the core asks for the time. The core itself never does.

use std::time::Instant;

#[inline]
#[expect(clippy::disallowed_methods, reason = "`call` is for programs that have no clock of their own")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
