//! A histogram of durations for one breaker.

use std::time::Duration;

use crate::telemetry::instruments::DURATION_BOUNDS;

/// Observations per bucket, and their sum.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: [u64; DURATION_BOUNDS.len() + 1],
    sum: f64,
}

impl Histogram {
    pub(crate) fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
    }

    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }
}
