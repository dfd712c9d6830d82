//! Writes what the daemon knows about itself into its own store, as a scrape of `/metrics` would: so that rules and
//! dashboards can speak about breakers, notifications and the daemon's health. A breaker's state is written at each of its
//! transitions too: one that opens and closes between two scrapes leaves its trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_model::{Labels, MetricFamily, Sample, SeriesRef, StorageError, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::breakers::{self, Guard, GuardKind};
use crate::checks::series::{SeriesWriter, Source};
use crate::collect;
use crate::shared::Shared;

/// How often: Prometheus' usual scrape interval, and short enough for `for: 1m` rules.
const INTERVAL: Duration = Duration::from_secs(15);
/// Transitions that come together are written together.
const TOGETHER: Duration = Duration::from_millis(20);
/// Samples handed to the store at once: ten thousand breakers have half a million, which nobody needs to hold together.
const PIECE: usize = 4096;

/// The series written last, by part.
#[derive(Default)]
struct Sources {
    breakers: BreakerSeries,
    rest: Source,
}

/// The series of each breaker, in the order of [`breakers::values`]. A breaker's series never change, so their numbers
/// are all that is kept: the labels of half a million series would take more memory than everything said about them.
#[derive(Default)]
struct BreakerSeries(Mutex<BTreeMap<Name, Box<[SeriesRef]>>>);

/// A breaker's `name` and `kind` labels.
type Name = (Arc<str>, GuardKind);

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
            false => write_transitioned(&shared, &writer, &sources.breakers),
        });
        if let Ok(Err(error)) = written.await {
            tracing::debug!(%error, "the daemon's own metrics were not stored");
        }
    }
}

fn write_everything(shared: &Shared, writer: &SeriesWriter, sources: &Sources) -> Result<(), StorageError> {
    let moment = Moment { now: shared.clock.monotonic(), wall: shared.clock.now() };
    let guards = shared.breakers.list();
    let breakers = sources.breakers.write(writer, &guards, usize::MAX, moment);
    let ended = sources.breakers.end_others(writer, &guards, moment.wall);
    let mut families = collect::daemon_families(shared);
    let help = "Whether the daemon could collect its own metrics.";
    families.push(MetricFamily::gauge("up", "", help).with(Labels::empty(), 1.0));
    let rest = writer.write(&sources.rest, &families, moment.wall);
    breakers.and(ended).and(rest)
}

/// Only those that have changed, and of them only what a transition changes: in a storm there are thousands.
fn write_transitioned(
    shared: &Shared,
    writer: &SeriesWriter,
    series: &BreakerSeries,
) -> Result<(), StorageError> {
    let moment = Moment { now: shared.clock.monotonic(), wall: shared.clock.now() };
    series.write(writer, &shared.breakers.take_transitioned(), breakers::WITHOUT_HISTOGRAMS, moment)
}

/// The same moment by both clocks.
#[derive(Clone, Copy)]
struct Moment {
    now: Instant,
    wall: Timestamp,
}

impl BreakerSeries {
    /// Writes the first `most` values of each of these breakers.
    fn write(
        &self,
        writer: &SeriesWriter,
        guards: &[Arc<Guard>],
        most: usize,
        at: Moment,
    ) -> Result<(), StorageError> {
        let mut known = self.0.lock();
        let mut batch = Vec::with_capacity(PIECE);
        let mut written = Ok(());
        for guard in guards {
            let series = known.entry((Arc::clone(&guard.name), guard.kind)).or_insert_with(|| {
                let families = breakers::families(std::slice::from_ref(guard), at.now, at.wall);
                writer.resolve_all(&families)
            });
            let values = breakers::values(guard, at.now, at.wall);
            let samples = series.iter().zip(values).take(most);
            batch.extend(samples.map(|(reference, value)| (*reference, Sample::new(at.wall, value))));
            if batch.len() >= PIECE {
                written = written.and(writer.append(&batch));
                batch.clear();
            }
        }
        written.and(writer.append(&batch))
    }

    /// Ends the series of the breakers that are not among these any more.
    fn end_others(
        &self,
        writer: &SeriesWriter,
        guards: &[Arc<Guard>],
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let there: BTreeSet<(&str, GuardKind)> =
            guards.iter().map(|guard| (&*guard.name, guard.kind)).collect();
        let mut batch = Vec::new();
        self.0.lock().retain(|(name, kind), series| {
            let stays = there.contains(&(&**name, *kind));
            if !stays {
                batch.extend(series.iter().map(|reference| (*reference, Sample::stale(at))));
            }
            stays
        });
        writer.append(&batch)
    }
}
