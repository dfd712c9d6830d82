//! All bulkheads of the daemon, by name, with the limits of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_config::BulkheadsConfig;
use breakwatch_model::{Clock, Labels, MetricFamily, MetricKind};
use parking_lot::RwLock;

use super::one::{Bulkhead, Refused, Slot};
use crate::telemetry::instruments::DURATION_BOUNDS;

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
    inner: RwLock<Inner>,
}

struct Inner {
    config: BulkheadsConfig,
    all: BTreeMap<Arc<str>, Arc<Bulkhead>>,
}

impl Bulkheads {
    /// None yet.
    #[must_use]
    pub fn new(config: BulkheadsConfig, clock: Arc<dyn Clock>) -> Self {
        Self { clock, inner: RwLock::new(Inner { config, all: BTreeMap::new() }) }
    }

    /// Puts other limits in force, for those that are there as well.
    pub fn configure(&self, config: BulkheadsConfig) {
        let mut inner = self.inner.write();
        for bulkhead in inner.all.values() {
            bulkhead.resize(config.limits(&bulkhead.name));
        }
        inner.config = config;
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
                let bulkhead = self.ensure(&format!("host/{host}"));
                Some(bulkhead.enter(patience, &*self.clock).await?)
            }
            None => None,
        };
        let bulkhead = self.ensure(&format!("kind/{kind}"));
        let kind = bulkhead.enter(left(self.clock.monotonic()), &*self.clock).await?;
        Ok(Slots { host, kind })
    }

    fn ensure(&self, name: &str) -> Arc<Bulkhead> {
        if let Some(bulkhead) = self.get(name) {
            return bulkhead;
        }
        let mut inner = self.inner.write();
        let limits = inner.config.limits(name);
        let name: Arc<str> = name.into();
        let make = || Arc::new(Bulkhead::new(Arc::clone(&name), limits));
        Arc::clone(inner.all.entry(Arc::clone(&name)).or_insert_with(make))
    }

    /// One by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Bulkhead>> {
        self.inner.read().all.get(name).cloned()
    }

    /// All of them, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Bulkhead>> {
        self.inner.read().all.values().cloned().collect()
    }

    /// Makes the bulkheads these checks (kind and target) use, so that their series exist from the beginning, and
    /// forgets those that none of them uses and that are empty.
    pub fn fit<'a>(&self, checks: impl Iterator<Item = (&'a str, &'a str)>) {
        let used: BTreeSet<String> = checks
            .flat_map(|(kind, target)| {
                [Some(format!("kind/{kind}")), host(target).map(|host| format!("host/{host}"))]
            })
            .flatten()
            .collect();
        for name in &used {
            self.ensure(name);
        }
        let in_use = |bulkhead: &Bulkhead| bulkhead.stats().active + bulkhead.stats().queued > 0;
        self.inner.write().all.retain(|name, bulkhead| used.contains(&**name) || in_use(bulkhead));
    }

    /// Every bulkhead as metric families.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let mut active = MetricFamily::gauge("breakwatch_bulkhead_active", "", "Runs under way.");
        let mut queued = MetricFamily::gauge("breakwatch_bulkhead_queued", "", "Runs that wait for a slot.");
        let mut max = MetricFamily::gauge("breakwatch_bulkhead_max_concurrent", "", "Slots of the bulkhead.");
        let help = "Runs that may wait for a slot.";
        let mut max_queued = MetricFamily::gauge("breakwatch_bulkhead_max_queued", "", help);
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
            let limits = bulkhead.limits();
            active.push(labels.clone(), stats.active as f64);
            queued.push(labels.clone(), stats.queued as f64);
            max.push(labels.clone(), limits.max_concurrent as f64);
            max_queued.push(labels.clone(), limits.max_queued as f64);
            calls.push(labels.clone(), stats.calls as f64);
            rejected.push(labels.clone(), stats.rejected as f64);
            timeouts.push(labels.clone(), stats.timeouts as f64);
            let histogram = bulkhead.waits.lock();
            waits.push_histogram(&labels, &DURATION_BOUNDS, histogram.counts(), histogram.sum());
        }
        vec![active, queued, max, max_queued, calls, rejected, timeouts, waits]
    }
}

/// The host of a target, in lower case: of a URL, or of `host:port`. Anything else (a path, a command) has none.
pub(super) fn host(target: &str) -> Option<String> {
    if target.contains("://") {
        return url::Url::parse(target).ok()?.host_str().map(str::to_ascii_lowercase);
    }
    let (host, port) = target.rsplit_once(':')?;
    let plain = !host.is_empty() && !host.contains(['/', ' ', ',']) && port.parse::<u16>().is_ok();
    plain.then(|| host.to_ascii_lowercase())
}
