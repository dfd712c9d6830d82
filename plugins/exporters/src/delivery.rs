//! `retry_on_failure` and `sending_queue`, with the OpenTelemetry Collector's names and defaults.
//!
//! Read here, used by whoever calls the exporter: an exporter makes one attempt. There is no queue in memory
//! as the Collector has it; the store itself is the queue, so of `sending_queue` only what a batch looks like
//! has an effect, and the rest is accepted so that a Collector's settings can be taken over.

use std::time::Duration;

use breakwatch_plugin_api::{Diagnostics, Field, Node, Section};

/// How an exporter is to be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What happens after a failed attempt.
    pub retry: RetrySettings,
    /// What is handed over at once.
    pub batch: BatchSettings,
}

/// Settings under `retry_on_failure`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySettings {
    /// `false`: a batch that fails is dropped and counted.
    pub enabled: bool,
    /// The wait after the first failure.
    pub initial_interval: Duration,
    /// The longest wait.
    pub max_interval: Duration,
    /// A batch older than this is dropped; zero keeps it as long as the store does.
    pub max_elapsed_time: Duration,
    /// What each further wait is multiplied by.
    pub multiplier: f64,
    /// The share of a wait that is random, to both sides.
    pub randomization_factor: f64,
}

/// Settings under `sending_queue.batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// How long to wait for more before sending less than `min_size`.
    pub flush_timeout: Duration,
    /// As many points are worth a request.
    pub min_size: u32,
    /// More points than this go into another request.
    pub max_size: u32,
}

impl Default for RetrySettings {
    /// The Collector's, but for `max_elapsed_time`: nothing is given up while the store still has it.
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::ZERO,
            multiplier: 1.5,
            randomization_factor: 0.5,
        }
    }
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { flush_timeout: Duration::from_millis(200), min_size: MAX_POINTS, max_size: MAX_POINTS }
    }
}

/// The most points in one request: 1.3 MB with five labels each, measured, which every receiver's default
/// limit (4 MiB for gRPC) lets through.
const MAX_POINTS: u32 = 8192;

/// The settings, for documentation.
pub(crate) const FIELDS: [Field; 2] = [
    Field {
        name: "retry_on_failure",
        kind: "mapping",
        default: "initial_interval 5s, max_interval 30s, multiplier 1.5, randomization_factor 0.5",
        help: "The waits after failed attempts. max_elapsed_time 0 (the default) never gives up.",
    },
    Field {
        name: "sending_queue",
        kind: "mapping",
        default: "batch: {flush_timeout 200ms, min_size 8192, max_size 8192}",
        help: "Only `batch` has an effect: the store itself is the queue, and survives restarts.",
    },
];

impl Delivery {
    /// Reads the settings out of an exporter's node; its other keys are left alone. Mistakes are reported.
    #[must_use]
    pub fn read(settings: &Node, diagnostics: &Diagnostics) -> Self {
        let section = |key| settings.get(key).filter(|node| !node.is_null());
        let retry = section("retry_on_failure").and_then(|node| Section::open(node, diagnostics));
        let queue = section("sending_queue").and_then(|node| Section::open(node, diagnostics));
        Self {
            retry: retry.map(read_retry).unwrap_or_default(),
            batch: queue.map(read_queue).unwrap_or_default(),
        }
    }
}

fn read_retry(mut section: Section<'_>) -> RetrySettings {
    let mut read = RetrySettings::default();
    read.enabled = section.bool("enabled").unwrap_or(read.enabled);
    read.initial_interval = section.duration("initial_interval").unwrap_or(read.initial_interval);
    read.max_interval =
        section.duration("max_interval").unwrap_or(read.max_interval.max(read.initial_interval));
    read.max_elapsed_time = section.duration_or_zero("max_elapsed_time").unwrap_or(read.max_elapsed_time);
    read.multiplier = section.number("multiplier").unwrap_or(read.multiplier);
    read.randomization_factor = section.ratio("randomization_factor").unwrap_or(read.randomization_factor);
    if !(1.0..=100.0).contains(&read.multiplier) {
        section.error_at("multiplier", "`multiplier` must be from 1 to 100");
    }
    if read.max_interval < read.initial_interval {
        section.error_at("max_interval", "`max_interval` is shorter than `initial_interval`");
    }
    section.finish();
    read
}

fn read_queue(mut section: Section<'_>) -> BatchSettings {
    section.bool("enabled");
    section.bool("block_on_overflow");
    section.bool("wait_for_result");
    section.integer("num_consumers", 1..=1000);
    section.integer("queue_size", 1..=u64::from(u32::MAX));
    section.choice("sizer", &[("requests", ()), ("items", ()), ("bytes", ())]);
    section.string("storage");
    let batch = section.section("batch").map(read_batch).unwrap_or_default();
    section.finish();
    batch
}

fn read_batch(mut section: Section<'_>) -> BatchSettings {
    let mut read = BatchSettings::default();
    let mut size = |key| {
        let size = section.integer(key, 1..=u64::from(MAX_POINTS) * 8)?;
        u32::try_from(size).ok()
    };
    let (min, max) = (size("min_size"), size("max_size"));
    read.max_size = max.unwrap_or(read.max_size);
    read.min_size = min.unwrap_or(read.min_size.min(read.max_size));
    read.flush_timeout = section.duration_or_zero("flush_timeout").unwrap_or(read.flush_timeout);
    section.choice("sizer", &[("items", ())]);
    if read.min_size > read.max_size {
        section.error_at("min_size", "`min_size` is more than `max_size`");
    }
    section.finish();
    read
}
