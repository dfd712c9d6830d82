//! One instance of an alert of a rule, from pending to its end.

use std::time::Duration;

use breakwatch_model::{Labels, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How long an ended alert is remembered and announced again (Prometheus' `resolvedRetention`).
const RESOLVED_RETENTION: Duration = Duration::from_secs(15 * 60);

/// Where an instance stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveState {
    /// Over.
    Inactive,
    /// Holds, but not for long enough.
    Pending,
    /// Holds.
    Firing,
}

impl ActiveState {
    /// The word of the API and of the label `alertstate`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An instance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActiveAlert {
    /// Its identity.
    pub labels: Labels,
    /// Its texts, expanded.
    pub annotations: Labels,
    /// The value of the expression at the last evaluation that found it.
    #[serde(serialize_with = "write_value", deserialize_with = "read_value")]
    pub value: f64,
    /// Where it stands.
    pub state: ActiveState,
    /// When the condition began to hold.
    pub active_at: Timestamp,
    /// When it began to fire.
    pub fired_at: Option<Timestamp>,
    /// When it ended.
    pub resolved_at: Option<Timestamp>,
    /// Since when it fires only because of `keep_firing_for`.
    pub keep_firing_since: Option<Timestamp>,
    /// When it was last sent.
    pub last_sent: Option<Timestamp>,
    /// Taken over from before a start and not confirmed since.
    #[serde(skip)]
    pub(crate) restored: bool,
}

/// JSON has no infinities: the value is stored as text.
fn write_value<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn read_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

impl ActiveAlert {
    /// A condition that begins to hold at `at`.
    pub(crate) fn begin(labels: Labels, annotations: Labels, value: f64, at: Timestamp) -> Self {
        Self {
            labels,
            annotations,
            value,
            state: ActiveState::Pending,
            active_at: at,
            fired_at: None,
            resolved_at: None,
            keep_firing_since: None,
            last_sent: None,
            restored: false,
        }
    }

    /// Whether `keep_firing_for` holds an instance whose condition is gone.
    pub(crate) fn kept(&mut self, keep: Duration, at: Timestamp) -> bool {
        if self.state != ActiveState::Firing || keep.is_zero() {
            return false;
        }
        let since = *self.keep_firing_since.get_or_insert(at);
        at < since + keep
    }

    /// Ends an instance that fired.
    pub(crate) fn end(&mut self, at: Timestamp) {
        self.state = ActiveState::Inactive;
        self.resolved_at = Some(at);
    }

    /// Whether an ended instance has been remembered for long enough.
    pub(crate) fn forgotten(&self, at: Timestamp) -> bool {
        self.resolved_at.is_some_and(|end| end + RESOLVED_RETENTION < at)
    }

    /// Whether it has to be sent after the evaluation at `at`. The comparison is strict, as Prometheus' is.
    pub(crate) fn needs_sending(&self, resend_delay: Duration, at: Timestamp) -> bool {
        let Some(last_sent) = self.last_sent else { return self.state != ActiveState::Pending };
        match self.state {
            ActiveState::Pending => false,
            _ if self.resolved_at.is_some_and(|end| end > last_sent) => true,
            _ => last_sent + resend_delay < at,
        }
    }
}
