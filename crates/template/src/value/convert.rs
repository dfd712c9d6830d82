//! Rust values as template values.

use std::sync::Arc;

use breakwatch_model::{Labels, Timestamp};

use super::Value;
use crate::time::Moment;

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(value.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::Str(value)
    }
}

impl From<&Labels> for Value {
    /// A `map[string]string`; no text is copied.
    fn from(labels: &Labels) -> Self {
        Self::string_map(labels.pairs().iter().map(|(n, v)| (Arc::clone(n), Arc::clone(v))))
    }
}

impl From<Timestamp> for Value {
    /// A time in UTC.
    fn from(time: Timestamp) -> Self {
        Self::Time(Arc::new(Moment::from_timestamp(time)))
    }
}
