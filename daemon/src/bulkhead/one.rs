//! One bulkhead: slots, a queue, and what it has seen.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use breakwatch_config::BulkheadLimits;
use breakwatch_model::Clock;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::breakers::Histogram;

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
    size: Mutex<Size>,
    permits: Arc<Semaphore>,
    active: AtomicUsize,
    queued: AtomicUsize,
    entered: AtomicU64,
    full: AtomicU64,
    timed_out: AtomicU64,
    pub(super) waits: Mutex<Histogram>,
}

/// How large a bulkhead is.
struct Size {
    limits: BulkheadLimits,
    /// Slots that are in use and will not come back, because the bulkhead has shrunk.
    excess: usize,
}

/// A slot; dropping it gives it back.
pub struct Slot {
    bulkhead: Arc<Bulkhead>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.bulkhead.active.fetch_sub(1, Ordering::Relaxed);
        let Some(permit) = self.permit.take() else { return };
        let mut size = self.bulkhead.size.lock();
        if size.excess > 0 {
            size.excess -= 1;
            permit.forget();
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a slot of {}", self.bulkhead.name)
    }
}

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
    pub fn new(name: Arc<str>, limits: BulkheadLimits) -> Self {
        Self {
            name,
            size: Mutex::new(Size { limits, excess: 0 }),
            permits: Arc::new(Semaphore::new(limits.max_concurrent)),
            active: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            entered: AtomicU64::new(0),
            full: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            waits: Mutex::default(),
        }
    }

    /// A slot, after waiting for `patience` at most, or less where the bulkhead says so.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn enter(self: &Arc<Self>, patience: Duration, clock: &dyn Clock) -> Result<Slot, Refused> {
        self.entered.fetch_add(1, Ordering::Relaxed);
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            self.waits.lock().observe(Duration::ZERO);
            return Ok(self.slot(permit));
        }
        let limits = self.limits();
        let patience = limits.queue_timeout.map_or(patience, |limit| limit.min(patience));
        if self.queued.fetch_add(1, Ordering::Relaxed) >= limits.max_queued {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.full.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Full(Arc::clone(&self.name)));
        }
        let (_waiting, since) = (Waiting(&self.queued), clock.monotonic());
        let permit = tokio::time::timeout(patience, Arc::clone(&self.permits).acquire_owned()).await;
        self.waits.lock().observe(clock.monotonic().saturating_duration_since(since));
        match permit {
            Ok(Ok(permit)) => Ok(self.slot(permit)),
            _ => {
                self.timed_out.fetch_add(1, Ordering::Relaxed);
                Err(Refused::TimedOut(Arc::clone(&self.name)))
            }
        }
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Slot {
        self.active.fetch_add(1, Ordering::Relaxed);
        Slot { bulkhead: Arc::clone(self), permit: Some(permit) }
    }

    /// What it lets through.
    #[must_use]
    pub fn limits(&self) -> BulkheadLimits {
        self.size.lock().limits
    }

    /// Changes what it lets through. Runs under way and waiting stay: one that has shrunk lets nobody in until enough
    /// have left.
    pub fn resize(&self, limits: BulkheadLimits) {
        let mut size = self.size.lock();
        let before = std::mem::replace(&mut size.limits, limits).max_concurrent;
        if let Some(more) = limits.max_concurrent.checked_sub(before) {
            let kept = more.min(size.excess);
            size.excess -= kept;
            self.permits.add_permits(more - kept);
        } else {
            let fewer = before - limits.max_concurrent;
            size.excess += fewer - self.permits.forget_permits(fewer);
        }
    }

    /// What it has seen.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            active: self.active.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            calls: self.entered.load(Ordering::Relaxed),
            rejected: self.full.load(Ordering::Relaxed),
            timeouts: self.timed_out.load(Ordering::Relaxed),
        }
    }

    /// The share of its slots that are in use; above 1 for a while after it has shrunk.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.stats().active as f64 / self.limits().max_concurrent as f64
    }

    /// Forgets what it has counted; what is under way stays so.
    pub fn reset(&self) {
        for counter in [&self.entered, &self.full, &self.timed_out] {
            counter.store(0, Ordering::Relaxed);
        }
        *self.waits.lock() = Histogram::default();
    }
}
