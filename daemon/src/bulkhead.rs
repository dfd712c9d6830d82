//! Bulkheads: how many runs of one kind, and against one host, may be under way at once.
//!
//! Without them a host that hangs collects runs until nothing else gets a turn. A run takes a slot of its host first
//! and of its kind second, so that runs that wait for a hung host do not hold slots others of their kind could use.
//! Waiting is bounded twice: so many wait at most, and none longer than its own time-out. A run that gets no slot
//! has found nothing out: its status is unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use breakwatch_model::{Clock, Labels, MetricFamily, MetricKind};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::breakers::Histogram;
use crate::telemetry::instruments::DURATION_BOUNDS;

/// How much a bulkhead lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Runs under way at once.
    pub max_concurrent: usize,
    /// Runs that wait for a slot.
    pub max_queued: usize,
}

/// A kind's runs: bounds file descriptors and memory when everything hangs.
const KIND: Limits = Limits { max_concurrent: 256, max_queued: 10_000 };
/// A host's runs: more at once than a browser opens would be felt by the host.
const HOST: Limits = Limits { max_concurrent: 32, max_queued: 1000 };

/// Why a run got no slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// As many wait already as may.
    Full(Arc<str>),
    /// No slot became free in time.
    TimedOut(Arc<str>),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(name) => {
                write!(f, "the bulkhead {name} is full and so is its queue: nothing was measured")
            }
            Self::TimedOut(name) => {
                write!(f, "no slot of the bulkhead {name} became free in time: nothing was measured")
            }
        }
    }
}

/// One bulkhead.
pub struct Bulkhead {
    /// `kind/http`, `host/db.example.org`.
    pub name: Arc<str>,
    /// What it lets through.
    pub limits: Limits,
    permits: Arc<Semaphore>,
    queued: AtomicUsize,
    entered: AtomicU64,
    full: AtomicU64,
    timed_out: AtomicU64,
    waits: Mutex<Histogram>,
}

/// A slot; dropping it gives it back.
#[derive(Debug)]
pub struct Slot(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// What a bulkhead has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Runs under way.
    pub active: usize,
    /// Runs that wait.
    pub queued: usize,
    /// Runs that asked for a slot.
    pub calls: u64,
    /// Runs turned away because too many waited.
    pub rejected: u64,
    /// Runs that waited too long.
    pub timeouts: u64,
}

/// One that waits; leaves the queue however its waiting ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bulkhead {
    /// An empty bulkhead.
    #[must_use]
    pub fn new(name: Arc<str>, limits: Limits) -> Self {
        Self {
            name,
            limits,
            permits: Arc::new(Semaphore::new(limits.max_concurrent)),
            queued: AtomicUsize::new(0),
            entered: AtomicU64::new(0),
            full: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            waits: Mutex::default(),
        }
    }

    /// A slot, after waiting for `patience` at most.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn enter(&self, patience: Duration, clock: &dyn Clock) -> Result<Slot, Refused> {
        self.entered.fetch_add(1, Ordering::Relaxed);
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            self.waits.lock().observe(Duration::ZERO);
            return Ok(Slot(permit));
        }
        if self.queued.fetch_add(1, Ordering::Relaxed) >= self.limits.max_queued {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.full.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Full(Arc::clone(&self.name)));
        }
        let (_waiting, since) = (Waiting(&self.queued), clock.monotonic());
        let permit = tokio::time::timeout(patience, Arc::clone(&self.permits).acquire_owned()).await;
        self.waits.lock().observe(clock.monotonic().saturating_duration_since(since));
        match permit {
            Ok(Ok(permit)) => Ok(Slot(permit)),
            _ => {
                self.timed_out.fetch_add(1, Ordering::Relaxed);
                Err(Refused::TimedOut(Arc::clone(&self.name)))
            }
        }
    }

    /// What it has seen.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            active: self.limits.max_concurrent.saturating_sub(self.permits.available_permits()),
            queued: self.queued.load(Ordering::Relaxed),
            calls: self.entered.load(Ordering::Relaxed),
            rejected: self.full.load(Ordering::Relaxed),
            timeouts: self.timed_out.load(Ordering::Relaxed),
        }
    }

    /// Forgets what it has counted; what is under way stays so.
    pub fn reset(&self) {
        for counter in [&self.entered, &self.full, &self.timed_out] {
            counter.store(0, Ordering::Relaxed);
        }
        *self.waits.lock() = Histogram::default();
    }
}

/// The slots of one run: of its host, if it has one, and of its kind.
#[derive(Debug)]
pub struct Slots {
    #[expect(dead_code, reason = "held for its drop")]
    host: Option<Slot>,
    #[expect(dead_code, reason = "held for its drop")]
    kind: Slot,
}

/// Every bulkhead, by name; made on first use, gone when no check needs it.
pub struct Bulkheads {
    clock: Arc<dyn Clock>,
    all: RwLock<BTreeMap<Arc<str>, Arc<Bulkhead>>>,
}

impl Bulkheads {
    /// None yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, all: RwLock::default() }
    }

    /// Slots for a run of a kind against a target, after waiting for `patience` at most in all.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn enter(&self, kind: &str, target: &str, patience: Duration) -> Result<Slots, Refused> {
        let deadline = self.clock.monotonic() + patience;
        let left = |now: Instant| deadline.saturating_duration_since(now);
        let host = match host(target) {
            Some(host) => {
                let bulkhead = self.ensure(&format!("host/{host}"), HOST);
                Some(bulkhead.enter(patience, &*self.clock).await?)
            }
            None => None,
        };
        let bulkhead = self.ensure(&format!("kind/{kind}"), KIND);
        let kind = bulkhead.enter(left(self.clock.monotonic()), &*self.clock).await?;
        Ok(Slots { host, kind })
    }

    fn ensure(&self, name: &str, limits: Limits) -> Arc<Bulkhead> {
        if let Some(bulkhead) = self.get(name) {
            return bulkhead;
        }
        let name: Arc<str> = name.into();
        let make = || Arc::new(Bulkhead::new(Arc::clone(&name), limits));
        Arc::clone(self.all.write().entry(Arc::clone(&name)).or_insert_with(make))
    }

    /// One by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Bulkhead>> {
        self.all.read().get(name).cloned()
    }

    /// All of them, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Bulkhead>> {
        self.all.read().values().cloned().collect()
    }

    /// Forgets the bulkheads that none of these checks (kind and target) uses and that are empty.
    pub fn retain<'a>(&self, checks: impl Iterator<Item = (&'a str, &'a str)>) {
        let used: std::collections::BTreeSet<String> = checks
            .flat_map(|(kind, target)| {
                [Some(format!("kind/{kind}")), host(target).map(|host| format!("host/{host}"))]
            })
            .flatten()
            .collect();
        self.all.write().retain(|name, bulkhead| used.contains(&**name) || bulkhead.stats().active > 0);
    }

    /// Every bulkhead as metric families.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let mut active = MetricFamily::gauge("breakwatch_bulkhead_active", "", "Runs under way.");
        let mut queued = MetricFamily::gauge("breakwatch_bulkhead_queued", "", "Runs that wait for a slot.");
        let mut max = MetricFamily::gauge("breakwatch_bulkhead_max_concurrent", "", "Slots of the bulkhead.");
        let counter = MetricFamily::counter;
        let mut calls = counter("breakwatch_bulkhead_calls_total", "", "Runs that asked for a slot.");
        let mut rejected =
            counter("breakwatch_bulkhead_rejected_total", "", "Runs turned away because the queue was full.");
        let mut timeouts =
            counter("breakwatch_bulkhead_timeouts_total", "", "Runs that waited too long for a slot.");
        let help = "How long runs waited for a slot.";
        let name = "breakwatch_bulkhead_queue_duration_seconds";
        let mut waits = MetricFamily::new(name, MetricKind::Histogram, "seconds", help);
        for bulkhead in self.list() {
            let (labels, stats) = (Labels::from_pairs([("name", &*bulkhead.name)]), bulkhead.stats());
            active.push(labels.clone(), stats.active as f64);
            queued.push(labels.clone(), stats.queued as f64);
            max.push(labels.clone(), bulkhead.limits.max_concurrent as f64);
            calls.push(labels.clone(), stats.calls as f64);
            rejected.push(labels.clone(), stats.rejected as f64);
            timeouts.push(labels.clone(), stats.timeouts as f64);
            let histogram = bulkhead.waits.lock();
            waits.push_histogram(&labels, &DURATION_BOUNDS, histogram.counts(), histogram.sum());
        }
        vec![active, queued, max, calls, rejected, timeouts, waits]
    }
}

/// The host of a target: of a URL, or of `host:port`. Anything else (a path, a command) has none.
fn host(target: &str) -> Option<String> {
    if target.contains("://") {
        return url::Url::parse(target).ok()?.host_str().map(str::to_owned);
    }
    let (host, port) = target.rsplit_once(':')?;
    let plain = !host.is_empty() && !host.contains(['/', ' ', ',']) && port.parse::<u16>().is_ok();
    plain.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use breakwatch_model::SystemClock;

    use super::*;

    #[test]
    fn hosts_of_targets() {
        for (target, expected) in [
            ("https://example.org:8443/health", Some("example.org")),
            ("postgres://db.internal/main", Some("db.internal")),
            ("mail.example.org:25", Some("mail.example.org")),
            ("[::1]:25", Some("[::1]")),
            ("/var/lib", None),
            ("/usr/bin/check -p x:25", None),
            ("memory", None),
        ] {
            assert_eq!(host(target).as_deref(), expected, "{target}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slots_come_back_and_waiting_is_bounded_twice() {
        let limits = Limits { max_concurrent: 2, max_queued: 1 };
        let bulkhead = Arc::new(Bulkhead::new("host/a".into(), limits));
        let patience = Duration::from_secs(5);
        let first = bulkhead.enter(patience, &SystemClock).await.unwrap();
        let second = bulkhead.enter(patience, &SystemClock).await.unwrap();
        let third = tokio::spawn({
            let bulkhead = Arc::clone(&bulkhead);
            async move { bulkhead.enter(patience, &SystemClock).await }
        });
        tokio::task::yield_now().await;
        assert_eq!((bulkhead.stats().active, bulkhead.stats().queued), (2, 1));
        let full = bulkhead.enter(patience, &SystemClock).await;
        assert_eq!(full.unwrap_err(), Refused::Full("host/a".into()));
        drop(first);
        let third = third.await.unwrap().unwrap();
        assert_eq!((bulkhead.stats().active, bulkhead.stats().queued), (2, 0));
        let late = bulkhead.enter(patience, &SystemClock).await;
        assert_eq!(late.unwrap_err(), Refused::TimedOut("host/a".into()));
        drop((second, third));
        let stats = bulkhead.stats();
        assert_eq!(
            (stats.active, stats.queued, stats.calls, stats.rejected, stats.timeouts),
            (0, 0, 5, 1, 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_gives_up_waiting_leaves_the_queue() {
        let bulkhead = Bulkhead::new("kind/x".into(), Limits { max_concurrent: 1, max_queued: 1 });
        let _slot = bulkhead.enter(Duration::ZERO, &SystemClock).await.unwrap();
        let waiting = bulkhead.enter(Duration::from_secs(60), &SystemClock);
        assert!(tokio::time::timeout(Duration::from_secs(1), waiting).await.is_err());
        assert_eq!(bulkhead.stats().queued, 0);
    }
}
