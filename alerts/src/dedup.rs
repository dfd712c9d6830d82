//! Whether a receiver needs to be told again: Alertmanager's decision, from what it was last told.

use std::collections::BTreeSet;
use std::time::Duration;

use breakwatch_model::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};

/// What a receiver was last told (or is about to be told) of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LastTold {
    pub(crate) firing: BTreeSet<Fp>,
    pub(crate) resolved: BTreeSet<Fp>,
    pub(crate) at: Timestamp,
}

/// A fingerprint as it is stored: 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Fp(pub(crate) Fingerprint);

impl Serialize for Fp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        let number = u64::from_str_radix(&text, 16).map_err(serde::de::Error::custom)?;
        Ok(Self(Fingerprint(number)))
    }
}

/// Why a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendReason {
    /// Nothing was told of this group yet.
    First,
    /// An alert fires that the last message did not tell of as firing.
    NewAlert,
    /// Nothing fires any more.
    AllResolved,
    /// An alert ended that the last message did not tell of as ended.
    SomeResolved,
    /// Nothing changed, but it is time to say it again.
    Repeat,
    /// A receiver that asked for it is told that a breaker is tried again or failed again.
    Update,
    /// The receiver in front of this one could not be reached.
    Fallback,
    /// Nobody acknowledged in time.
    Escalation,
}

impl SendReason {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first of this group",
            Self::NewAlert => "a new alert",
            Self::AllResolved => "nothing fires any more",
            Self::SomeResolved => "something is over",
            Self::Repeat => "said again after the repeat interval",
            Self::Update => "the breaker is tried again",
            Self::Fallback => "in the place of another receiver",
            Self::Escalation => "nobody acknowledged",
        }
    }
}

/// Whether the alerts a receiver would see now need to be told, given what it was told last.
pub(crate) fn needs_update(
    last: Option<&LastTold>,
    firing: &BTreeSet<Fp>,
    resolved: &BTreeSet<Fp>,
    send_resolved: bool,
    repeat_interval: Duration,
    now: Timestamp,
) -> Option<SendReason> {
    let Some(last) = last else { return (!firing.is_empty()).then_some(SendReason::First) };
    if !firing.is_subset(&last.firing) {
        return Some(SendReason::NewAlert);
    }
    if firing.is_empty() {
        // What fired and ended between two flushes was never told of: nothing to take back.
        return (!last.firing.is_empty()).then_some(SendReason::AllResolved);
    }
    if send_resolved && !resolved.is_subset(&last.resolved) {
        return Some(SendReason::SomeResolved);
    }
    (last.at <= now - repeat_interval).then_some(SendReason::Repeat)
}
