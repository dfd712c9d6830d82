//! What the daemon itself keeps in the state log: breakers, with the wall-clock time they were seen at.

use breakwatch_breaker::Snapshot;
use breakwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

/// A breaker as it was at a time. Its durations go on counting while the daemon is down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedBreaker {
    /// When it was seen.
    pub at: Timestamp,
    /// How it was.
    pub snapshot: Snapshot,
}

impl SavedBreaker {
    /// How it is at `now`.
    #[must_use]
    pub fn aged(self, now: Timestamp) -> Snapshot {
        self.snapshot.aged(now.since(self.at))
    }
}
