//! Where history and state are kept, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use breakwatch_plugin_api::Section;

use crate::files::resolve;
use crate::values::duration_within;

/// Where data goes when nothing is said: beside where the daemon was started, as Prometheus does.
pub(crate) const DEFAULT_PATH: &str = "breakwatch-data";

/// Raw samples are kept this long by default.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Rollups are kept this long by default: a year and a month, to compare with the year before.
const ROLLUPS: Duration = Duration::from_secs(395 * 24 * 3600);

/// Shorter than two blocks of sealed history there is nothing left to query.
const MIN_RETENTION: Duration = Duration::from_secs(3600);

/// Longer than a human life is a mistake in the unit.
const MAX_RETENTION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The log's first segments alone take this much; below it the size limit would delete everything.
const MIN_SIZE: u64 = 64 * 1024 * 1024;

/// How often what was measured becomes durable.
const TICK: Duration = Duration::from_secs(1);

/// Settings under `store`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// The data directory.
    pub path: PathBuf,
    /// How long raw samples are kept.
    pub retention_time: Duration,
    /// How many bytes history may take; `None` for no limit.
    pub retention_size: Option<u64>,
    /// How long rollups are kept; zero for none.
    pub retention_rollups: Duration,
    /// How often appended samples become durable: what a power cut may cost.
    pub tick: Duration,
    /// The label `job` of stored series.
    pub job: String,
    /// The label `instance` of stored series; `None` is the host's name.
    pub instance: Option<String>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from(DEFAULT_PATH),
            retention_time: RETENTION,
            retention_size: None,
            retention_rollups: ROLLUPS,
            tick: TICK,
            job: "breakwatch".to_owned(),
            instance: None,
        }
    }
}

impl StoreConfig {
    pub(crate) fn read(section: Option<Section<'_>>) -> Self {
        let mut read = Self::default();
        let Some(mut section) = section else { return read };
        if let Some(node) = section.get("path")
            && let Some(path) = section.string("path")
        {
            read.path = resolve(&path, &node.place);
        }
        read.tick =
            duration_within(&mut section, "tick", Duration::from_millis(100), Duration::from_secs(60))
                .unwrap_or(read.tick);
        read.job = section.string("job").unwrap_or(read.job);
        read.instance = section.string("instance");
        if let Some(retention) = section.section("retention") {
            read.read_retention(retention);
        }
        section.finish();
        read
    }

    fn read_retention(&mut self, mut section: Section<'_>) {
        self.retention_time = duration_within(&mut section, "time", MIN_RETENTION, MAX_RETENTION)
            .unwrap_or(self.retention_time);
        self.retention_rollups = duration_within(&mut section, "rollups", Duration::ZERO, MAX_RETENTION)
            .unwrap_or(self.retention_rollups);
        self.retention_size = section.bytes("size");
        if self.retention_size.is_some_and(|size| size < MIN_SIZE) {
            section.error_at("size", "`size` is less than 64MiB: history would be deleted as it is written");
        }
        section.finish();
    }
}
