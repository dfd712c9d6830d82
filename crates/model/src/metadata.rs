//! What is known of a metric besides its values.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The kind of a metric family, in OpenMetrics' words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// A value that goes up and down.
    Gauge,
    /// A value that only grows and starts again at zero; its name ends in `_total`.
    Counter,
    /// Cumulative buckets (`_bucket{le}`), `_sum` and `_count`.
    Histogram,
    /// Quantiles, `_sum` and `_count`.
    Summary,
    /// Facts as labels, value 1.
    Info,
    /// One series per possible state, 1 for the present one, 0 for the others.
    StateSet,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl MetricKind {
    /// The word of the text format 0.0.4, which has no info and state-set types.
    #[must_use]
    pub const fn text_type(self) -> &'static str {
        match self {
            Self::Gauge | Self::Info | Self::StateSet => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Unknown => "untyped",
        }
    }
}

/// Kind, unit and help text of a metric family.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// The family's kind.
    pub kind: MetricKind,
    /// The base unit (`seconds`, `bytes`, `ratio`), empty if it has none.
    pub unit: Arc<str>,
    /// One sentence for people.
    pub help: Arc<str>,
}
