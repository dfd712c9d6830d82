//! Opens state and history in the data directory.

use std::path::Path;
use std::sync::Arc;

use breakwatch_config::Config;
use breakwatch_model::{Clock, Labels, MetricFamily, StateStore, StorageError};
use breakwatch_store::{
    DataDir, History, HistoryOptions, HistoryStats, Retention, StateLog, StateOptions, StateStats,
};

use crate::store::StoreHandle;

/// Both stores of a data directory.
pub struct Stores {
    /// The state log.
    pub state: Arc<StateLog>,
    /// The history, by its traits.
    pub history: StoreHandle,
    store: Arc<History>,
    directory: DataDir,
}

impl Stores {
    /// Opens the data directory, making it if it is new.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be used at all. Damage inside is set aside and reported.
    pub fn open(path: &Path, config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StorageError> {
        let directory = DataDir::open(path, clock)?;
        let state = StateLog::open(&directory, StateOptions::default())?;
        let options = HistoryOptions {
            retention: retention(config),
            tick: config.store.tick,
            ..HistoryOptions::default()
        };
        let store = History::open(&directory, options)?;
        let (figures, log, damage) = (Arc::clone(&store), Arc::clone(&state), directory.incidents().clone());
        let history = StoreHandle::new(Arc::clone(&store), move || {
            let mut families = history_families(&figures.stats());
            families.extend(state_families(&log.stats()));
            let help = "Damage found and set aside, by what was damaged.";
            let mut incidents = MetricFamily::counter("breakwatch_store_incidents_total", "", help);
            for (unit, count) in damage.by_unit() {
                incidents.push(Labels::from_pairs([("unit", unit.as_str())]), count as f64);
            }
            families.push(incidents);
            families
        });
        let (source, log) = (Arc::clone(&store), Arc::clone(&state));
        let history =
            history.with_backup(move |target| breakwatch_store::admin::backup(&source, &log, target));
        Ok(Self { state, history, store, directory })
    }

    /// The state log by its trait.
    #[must_use]
    pub fn state_store(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.state) as Arc<dyn StateStore>
    }

    /// The history itself, for retention.
    #[must_use]
    pub fn history(&self) -> Arc<History> {
        Arc::clone(&self.store)
    }

    /// Closes both; everything durable stays, what is in memory is written.
    pub fn close(&self) {
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "the last samples could not be made durable");
        }
        if let Err(error) = self.state.close() {
            tracing::warn!(%error, "the state log could not be tidied; everything committed is durable");
        }
        self.directory.unlock();
    }
}

/// What is kept, as configured. A size cap is shared: nine tenths raw, one tenth rollups.
#[must_use]
pub fn retention(config: &Config) -> Retention {
    let size = config.store.retention_size;
    Retention {
        raw: config.store.retention_time,
        rollups: config.store.retention_rollups,
        raw_bytes: size.map(|bytes| bytes / 10 * 9),
        rollup_bytes: size.map(|bytes| bytes / 10),
    }
}

fn one(family: MetricFamily, value: f64) -> MetricFamily {
    family.with(Labels::empty(), value)
}

fn gauge(name: &'static str, unit: &str, help: &str, value: f64) -> MetricFamily {
    one(MetricFamily::gauge(name, unit, help), value)
}

fn counter(name: &'static str, help: &str, value: f64) -> MetricFamily {
    one(MetricFamily::counter(name, "", help), value)
}

fn history_families(stats: &HistoryStats) -> Vec<MetricFamily> {
    let parts = [
        ("wal", stats.wal_bytes),
        ("hot", stats.hot_bytes),
        ("raw", stats.raw_bytes),
        ("rollups", stats.rollup_bytes),
    ];
    let mut bytes =
        MetricFamily::gauge("breakwatch_store_bytes", "bytes", "Bytes on disk, by part of the store.");
    for (part, size) in parts {
        bytes.push(Labels::from_pairs([("part", part)]), size as f64);
    }
    let outcomes = [
        ("accepted", stats.accepted),
        ("out_of_order", stats.out_of_order),
        ("duplicate", stats.duplicate),
        ("too_far_ahead", stats.too_far_ahead),
        ("dropped", stats.dropped),
    ];
    let help = "Samples given to the store, by what became of them.";
    let mut samples = MetricFamily::counter("breakwatch_store_samples_total", "", help);
    for (outcome, count) in outcomes {
        samples.push(Labels::from_pairs([("outcome", outcome)]), count as f64);
    }
    let degraded = f64::from(u8::from(stats.degraded));
    vec![
        bytes,
        samples,
        counter(
            "breakwatch_store_series_refused_total",
            "Series that were not made because there are too many.",
            stats.series_refused as f64,
        ),
        counter(
            "breakwatch_store_clock_jumps_total",
            "Times a series went on before its newest sample, because the clock had stood wrong.",
            stats.clock_jumps as f64,
        ),
        counter(
            "breakwatch_store_damaged_chunks_total",
            "Damaged chunks met while reading.",
            stats.damaged_chunks as f64,
        ),
        gauge("breakwatch_store_series", "", "Series in the index.", stats.series as f64),
        gauge("breakwatch_store_head_samples", "", "Samples in memory.", stats.head_samples as f64),
        gauge("breakwatch_store_blocks", "", "Blocks of finished days.", stats.blocks as f64),
        gauge("breakwatch_store_degraded", "", "Whether samples are not being made durable.", degraded),
        gauge(
            "breakwatch_store_last_sync_duration_seconds",
            "seconds",
            "How long the last sync of the log took.",
            stats.last_sync.as_secs_f64(),
        ),
    ]
}

fn state_families(stats: &StateStats) -> Vec<MetricFamily> {
    let commits = MetricFamily::counter("breakwatch_state_commits_total", "", "Commits of the state log.");
    let help = "Commits of the state log that failed.";
    let failed = MetricFamily::counter("breakwatch_state_commits_failed_total", "", help);
    vec![
        one(commits, stats.commits as f64),
        one(failed, stats.failed as f64),
        gauge("breakwatch_state_records", "", "Records in the state log.", stats.records as f64),
        gauge("breakwatch_state_log_bytes", "bytes", "Bytes of the state log.", stats.log_bytes as f64),
    ]
}
