//! Writes what the daemon knows about itself into its own store, as a scrape of `/metrics` would: so that rules and
//! dashboards can speak about breakers, notifications and the daemon's health. Breakers are written at each transition
//! too: one that opens and closes between two scrapes leaves its trace.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, MetricFamily};
use tokio::sync::watch;

use crate::checks::series::{SeriesWriter, Source};
use crate::collect;
use crate::shared::Shared;

/// How often: Prometheus' usual scrape interval, and short enough for `for: 1m` rules.
const INTERVAL: Duration = Duration::from_secs(15);
/// Transitions that come together are written together.
const TOGETHER: Duration = Duration::from_millis(20);

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Everything,
    Breakers,
}

/// The series written last, by part.
#[derive(Default)]
struct Sources {
    breakers: Source,
    rest: Source,
}

/// Runs until `stop` says so.
pub async fn run(shared: Arc<Shared>, writer: SeriesWriter, mut stop: watch::Receiver<bool>) {
    let sources = Arc::new(Sources::default());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let part = tokio::select! {
            _ = ticks.tick() => Part::Everything,
            () = shared.breakers.transitioned() => {
                tokio::time::sleep(TOGETHER).await;
                Part::Breakers
            }
            _ = stop.changed() => return,
        };
        let (shared, writer, sources) = (Arc::clone(&shared), writer.clone(), Arc::clone(&sources));
        let written = tokio::task::spawn_blocking(move || {
            let now = shared.clock.now();
            writer.write(&sources.breakers, &collect::breaker_families(&shared), now)?;
            if part == Part::Breakers {
                return Ok(());
            }
            let mut families = collect::daemon_families(&shared);
            let help = "Whether the daemon could collect its own metrics.";
            families.push(MetricFamily::gauge("up", "", help).with(Labels::empty(), 1.0));
            writer.write(&sources.rest, &families, now)
        });
        if let Ok(Err(error)) = written.await {
            tracing::debug!(%error, "the daemon's own metrics were not stored");
        }
    }
}
