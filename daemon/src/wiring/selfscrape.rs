//! Writes what the daemon knows about itself into its own store, as a scrape of `/metrics` would: so that rules and
//! dashboards can speak about breakers, notifications and the daemon's health.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, MetricFamily};
use tokio::sync::watch;

use crate::checks::series::{SeriesWriter, Source};
use crate::collect;
use crate::shared::Shared;

/// How often: Prometheus' usual scrape interval, and short enough for `for: 1m` rules.
const INTERVAL: Duration = Duration::from_secs(15);

/// Runs until `stop` says so.
pub async fn run(shared: Arc<Shared>, writer: SeriesWriter, mut stop: watch::Receiver<bool>) {
    let source = Arc::new(Source::default());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => return,
        }
        let (shared, writer, source) = (Arc::clone(&shared), writer.clone(), Arc::clone(&source));
        let written = tokio::task::spawn_blocking(move || {
            let mut families = collect::own_families(&shared);
            let help = "Whether the daemon could collect its own metrics.";
            families.push(MetricFamily::gauge("up", "", help).with(Labels::empty(), 1.0));
            writer.write(&source, &families, shared.clock.now())
        });
        if let Ok(Err(error)) = written.await {
            tracing::debug!(%error, "the daemon's own metrics were not stored");
        }
    }
}
