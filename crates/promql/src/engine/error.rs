//! What a query can fail with, in the classes the HTTP API knows.

use breakwatch_model::StorageError;

use crate::parser::ParseError;

/// The `errorType` of the HTTP API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorType {
    /// The request is wrong: 400.
    BadData,
    /// The query cannot be evaluated over this data: 422.
    Execution,
    /// The query took too long: 503.
    Timeout,
    /// The asker went away: 499.
    Canceled,
    /// The store failed: 500.
    Internal,
}

impl ErrorType {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
        }
    }
}

/// Why a query has no value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The text is not a query.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// The request is wrong.
    #[error("{0}")]
    BadData(String),
    /// The data do not allow it, or a limit was reached.
    #[error("{0}")]
    Execution(String),
    /// The language has it, this engine does not; answered by a refusal, never by a wrong value.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// Time is up.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// The asker went away.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The store failed.
    #[error("expanding series: {0}")]
    Storage(StorageError),
}

impl QueryError {
    /// The class of the error.
    #[must_use]
    pub const fn error_type(&self) -> ErrorType {
        match self {
            Self::Parse(_) | Self::BadData(_) => ErrorType::BadData,
            Self::Execution(_) | Self::Unsupported(_) => ErrorType::Execution,
            Self::Timeout => ErrorType::Timeout,
            Self::Canceled => ErrorType::Canceled,
            Self::Storage(_) => ErrorType::Internal,
        }
    }

    pub(super) fn execution(message: impl Into<String>) -> Self {
        Self::Execution(message.into())
    }

    /// The limit on samples in memory was reached.
    pub(super) fn too_many_samples() -> Self {
        Self::execution("query processing would load too many samples into memory in query execution")
    }

    /// Two elements of a vector would have the same labels.
    pub(super) fn same_labels() -> Self {
        Self::execution("vector cannot contain metrics with the same labelset")
    }
}

impl From<StorageError> for QueryError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Cancelled => Self::Canceled,
            StorageError::TimedOut => Self::Timeout,
            StorageError::Limit(message) => Self::Execution(message),
            other => Self::Storage(other),
        }
    }
}
