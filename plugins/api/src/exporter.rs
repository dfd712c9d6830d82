//! The exporter: sends stored samples elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use breakwatch_model::{Labels, Metadata, Sample, Timestamp};

use crate::{ComponentId, Diagnostics, Field, Node};

/// A series inside a batch.
#[derive(Clone, Debug)]
pub struct ExportSeries {
    /// The store's number of the series: the same series has the same number in every batch of a process.
    pub id: u64,
    /// Labels with the metric name.
    pub labels: Labels,
    /// Kind, unit, help of the metric.
    pub meta: Metadata,
    /// When the series began: the start time of a counter.
    pub created_at: Timestamp,
    /// Samples in time order; a staleness marker means "no recorded value".
    pub samples: Vec<Sample>,
}

/// What is to be sent in one go.
#[derive(Clone, Debug, Default)]
pub struct SampleBatch {
    /// The series.
    pub series: Vec<ExportSeries>,
}

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exported {
    /// Points accepted.
    pub accepted: u64,
    /// Points the other side refused for good (partial success): counted, never sent again.
    pub refused: u64,
    /// Its words about that.
    pub message: String,
}

/// Why a batch was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExportError {
    /// Try the same batch again.
    #[error("{message}")]
    Retryable {
        /// What happened; no secrets.
        message: String,
        /// How long the other side asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The batch will never be taken: counted as refused, go on behind it.
    #[error("rejected: {0}")]
    Rejected(String),
}

/// A configured exporter. One attempt per call; cursor, retry and breaker belong to the daemon.
#[async_trait]
pub trait Exporter: Send + Sync {
    /// Sends a batch, split into requests as the other side needs. Returns only when all of it is answered.
    ///
    /// # Errors
    /// Whether to try the whole batch again or to drop it.
    async fn export(&self, batch: &SampleBatch) -> Result<Exported, ExportError>;

    /// Where it goes, without credentials.
    fn endpoint(&self) -> String;

    /// How many samples a batch should hold at most.
    fn batch_size(&self) -> usize;
}

/// What an exporter may need while it is built from its settings.
#[derive(Clone)]
pub struct ExporterContext {
    /// The id of the component being built.
    pub id: ComponentId,
    /// The directory relative paths in the settings are relative to.
    pub base_dir: PathBuf,
    /// Attributes of the OpenTelemetry resource: `service.name`, `service.instance.id`, `host.name`, …
    pub resource: Vec<(String, String)>,
}

/// The row of an exporter kind in its table.
#[derive(Clone, Copy)]
pub struct ExporterEntry {
    /// The kind: the part of the component id before the slash.
    pub key: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The settings.
    pub fields: &'static [Field],
    /// Reads the settings; reports every mistake and returns `None` if there was one, or if the kind sends
    /// nothing by itself because it is pulled from (`prometheus`).
    pub parse: fn(&Node, &ExporterContext, &Diagnostics) -> Option<Box<dyn Exporter>>,
}
