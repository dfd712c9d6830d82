//! Acknowledgements: somebody has taken an alert on. It is not repeated and does not escalate, until it ends.

use std::collections::BTreeMap;

use breakwatch_model::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};

/// Who took an alert on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ack {
    /// Who.
    pub by: String,
    /// What they said.
    pub comment: String,
    /// When.
    pub at: Timestamp,
}

/// Acknowledgements by alert.
pub(crate) type Acks = BTreeMap<Fingerprint, Ack>;
