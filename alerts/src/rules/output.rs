//! What rules read and where they write.

use breakwatch_model::{
    Appender, CancelToken, Clock, Labels, Metadata, Queryable, Sample, SeriesRef, StorageError,
};
use breakwatch_promql::Engine;

/// Takes the samples that rules write. They must be visible to queries when this returns.
pub trait SampleSink: Sync {
    /// Writes samples.
    ///
    /// # Errors
    /// When nothing could be written.
    fn write(&self, samples: &[(Labels, Sample)]) -> Result<(), StorageError>;
}

/// A sink over a store's [`Appender`].
pub struct Appending<'a>(pub &'a dyn Appender);

impl SampleSink for Appending<'_> {
    fn write(&self, samples: &[(Labels, Sample)]) -> Result<(), StorageError> {
        let meta = Metadata::default();
        let batch: Vec<(SeriesRef, Sample)> =
            samples.iter().map(|(labels, sample)| (self.0.resolve(labels, &meta), *sample)).collect();
        if batch.is_empty() { Ok(()) } else { self.0.append(&batch).map(|_| ()) }
    }
}

/// The world a group is evaluated in.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// PromQL.
    pub engine: &'a Engine,
    /// Where expressions read.
    pub store: &'a dyn Queryable,
    /// Where results are written.
    pub sink: &'a dyn SampleSink,
    /// Stops an evaluation.
    pub cancel: &'a CancelToken,
    /// How many rules of a group may be asked at once, when it is late and they do not read each other's series.
    pub workers: usize,
    /// Measures how long rules take.
    pub clock: &'a dyn Clock,
    /// `$externalURL`, and the stem of generator URLs.
    pub external_url: &'a str,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
}
