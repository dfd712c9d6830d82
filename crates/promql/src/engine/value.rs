//! What a query evaluates to.

use breakwatch_model::{Labels, Sample, Timestamp};

use super::Annotations;

/// The value of a query and what to know about it.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The value.
    pub value: Value,
    /// Warnings and infos.
    pub annotations: Annotations,
    /// How much was looked at.
    pub samples: SampleCounts,
}

/// How many samples a query has needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SampleCounts {
    /// Samples that selectors gave: one per series and evaluation time, for ranges all those of each window.
    pub queryable: u64,
    /// The most samples of results held in memory at once.
    pub peak: usize,
}

/// A value of the query language.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(Sample),
    /// Series with one sample each. Unordered, except after the functions that sort.
    Vector(Vec<VectorSample>),
    /// Series with samples, sorted by labels.
    Matrix(Vec<Series>),
    /// A text, and when it was evaluated.
    String(Timestamp, String),
}

impl Value {
    /// The word of the HTTP API's `resultType`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            Self::Vector(_) => "vector",
            Self::Matrix(_) => "matrix",
            Self::String(..) => "string",
        }
    }
}

/// An element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// The series' labels.
    pub labels: Labels,
    /// Evaluation time and value.
    pub sample: Sample,
}

/// An element of a range vector, or a series of a range query.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The series' labels.
    pub labels: Labels,
    /// Its samples, in time order.
    pub samples: Vec<Sample>,
}
