//! Writes what the daemon knows about itself into its own store, as a scrape of `/metrics` would: so that rules and
//! dashboards can speak about breakers, notifications and the daemon's health. A breaker's state is written at each of its
//! transitions too: one that opens and closes between two scrapes leaves its trace.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, MetricFamily, MetricKind, StorageError};
use tokio::sync::watch;

use crate::checks::series::{SeriesWriter, Source};
use crate::collect;
use crate::shared::Shared;

/// How often: Prometheus' usual scrape interval, and short enough for `for: 1m` rules.
const INTERVAL: Duration = Duration::from_secs(15);
/// Transitions that come together are written together.
const TOGETHER: Duration = Duration::from_millis(20);

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
        let everything = tokio::select! {
            _ = ticks.tick() => true,
            () = shared.breakers.transitioned() => {
                tokio::time::sleep(TOGETHER).await;
                false
            }
            _ = stop.changed() => return,
        };
        let (shared, writer, sources) = (Arc::clone(&shared), writer.clone(), Arc::clone(&sources));
        let written = tokio::task::spawn_blocking(move || match everything {
            true => write_everything(&shared, &writer, &sources),
            false => write_transitioned(&shared, &writer),
        });
        if let Ok(Err(error)) = written.await {
            tracing::debug!(%error, "the daemon's own metrics were not stored");
        }
    }
}

fn write_everything(shared: &Shared, writer: &SeriesWriter, sources: &Sources) -> Result<(), StorageError> {
    let now = shared.clock.now();
    writer.write(&sources.breakers, &collect::breaker_families(shared, &shared.breakers.list()), now)?;
    let mut families = collect::daemon_families(shared);
    let help = "Whether the daemon could collect its own metrics.";
    families.push(MetricFamily::gauge("up", "", help).with(Labels::empty(), 1.0));
    writer.write(&sources.rest, &families, now)
}

/// Only those that have changed, and of them only what a transition changes: in a storm there are thousands. Their series
/// go on in the next scrape, so nothing ends here.
fn write_transitioned(shared: &Shared, writer: &SeriesWriter) -> Result<(), StorageError> {
    let mut families = collect::breaker_families(shared, &shared.breakers.take_transitioned());
    families.retain(|family| family.meta.kind != MetricKind::Histogram);
    writer.write(&Source::default(), &families, shared.clock.now())
}
