//! Generated samples: a third each of a success flag, a noisy duration in whole nanoseconds, and memory in
//! pages that changes in 30 % of the samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use breakwatch_model::{Clock, Labels, Metadata, MetricKind, SystemClock, Timestamp};

/// 2023-11-15T00:00:00Z: the start of a day.
pub(crate) const START: i64 = 1_700_006_400_000;
pub(crate) const DAY: i64 = 86_400_000;
/// Milliseconds between samples.
pub(crate) const STEP: i64 = 15_000;

/// A clock that stands where it is put, with the machine's own monotonic time.
#[derive(Debug)]
pub(crate) struct SetClock(pub(crate) AtomicI64);

impl SetClock {
    pub(crate) fn at(millis: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(millis)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

/// One target: its three series and where they stand.
pub(crate) struct Target {
    pub(crate) rng: fastrand::Rng,
    base: f64,
    pages: i64,
    jitter: bool,
}

pub(crate) const NAMES: [&str; 3] =
    ["probe_success", "probe_duration_seconds", "process_resident_memory_bytes"];

impl Target {
    pub(crate) fn new(number: usize, jitter: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(number as u64 + 1);
        Self { base: 0.010 + rng.f64() * 0.050, pages: 20_000 + rng.i64(0..50_000), rng, jitter }
    }

    /// The time of a sample that is due at `due`.
    pub(crate) fn time(&mut self, due: i64) -> i64 {
        if self.jitter { due + self.rng.i64(0..4) } else { due }
    }

    /// The next values.
    pub(crate) fn next(&mut self) -> [f64; 3] {
        let success = if self.rng.u32(0..2000) == 0 { 0.0 } else { 1.0 };
        let noise = -self.rng.f64().max(1e-9).ln() * 0.004;
        let nanos = ((self.base + noise) * 1e9).round();
        if self.rng.u8(0..10) < 3 {
            self.pages += self.rng.i64(-60..61);
        }
        [success, nanos / 1e9, (self.pages * 4096) as f64]
    }
}

/// The labels of a series of a target.
pub(crate) fn labels(name: &str, target: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", name.to_owned()),
        ("job", "bench".to_owned()),
        ("instance", format!("host-{target:05}.example.org:443")),
        ("check", format!("http/target-{target:05}")),
        ("type", "http".to_owned()),
    ])
}

pub(crate) fn metadata() -> Metadata {
    Metadata { kind: MetricKind::Gauge, ..Metadata::default() }
}
