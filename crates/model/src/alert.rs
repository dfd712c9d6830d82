//! An alert as it travels from whoever raises it (a rule, a breaker, the API) to the dispatcher.

use serde::{Deserialize, Serialize};

use crate::{Fingerprint, Labels, Timestamp};

/// Whether an alert still holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It holds.
    Firing,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// `firing` or `resolved`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert instance. Its labels are its identity; annotations may change while it fires.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// Identity: `alertname` and whatever tells it from others. Routed, grouped and silenced by these.
    pub labels: Labels,
    /// Text for people: summary, description, reason, evidence, runbook_url, dashboard_url …
    pub annotations: Labels,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended; `None` while nobody has said so.
    pub ends_at: Option<Timestamp>,
    /// When it was last confirmed or changed.
    pub updated_at: Timestamp,
    /// Where the expression behind it can be looked at; may be empty.
    pub generator_url: String,
}

impl Alert {
    /// The digest of the alert's labels.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.labels.fingerprint()
    }

    /// The alert's name, or `""`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.value("alertname")
    }

    /// Whether the alert holds at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> AlertStatus {
        match self.ends_at {
            Some(end) if end <= now => AlertStatus::Resolved,
            _ => AlertStatus::Firing,
        }
    }
}
