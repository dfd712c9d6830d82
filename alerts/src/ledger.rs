//! The ledger: every alert raised, every decision, attempt and answer, as records of a journal.
//!
//! It answers afterwards who was told of what and when, and why somebody was *not* told. Records name alerts by
//! fingerprint; [`Event::Raised`] ties a fingerprint to its labels. Nothing secret gets in: answers come from
//! receipts and errors, which are cleaned where they are made.

use breakwatch_model::{Fingerprint, Labels, Timestamp};
use serde::{Deserialize, Serialize};

use crate::dedup::{Fp, SendReason};

/// The most alerts a record names; the rest is a number.
const MAX_ALERTS: usize = 100;

/// One record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
    /// The group's key; empty if it is about no group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The integration, `ops/slack[0]`; empty if it is about none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub integration: String,
    /// The message's id; empty if it is about none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The alerts it is about, as 16 hex digits each; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<Fp>,
    /// How many more alerts it is about.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_alerts: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Record {
    pub(crate) fn new(at: Timestamp, event: Event) -> Self {
        Self {
            at,
            event,
            group: String::new(),
            integration: String::new(),
            message: String::new(),
            alerts: Vec::new(),
            more_alerts: 0,
        }
    }

    pub(crate) fn group(mut self, key: &str) -> Self {
        key.clone_into(&mut self.group);
        self
    }

    pub(crate) fn integration(mut self, key: &str) -> Self {
        key.clone_into(&mut self.integration);
        self
    }

    pub(crate) fn message(mut self, id: &str) -> Self {
        id.clone_into(&mut self.message);
        self
    }

    pub(crate) fn alerts(mut self, alerts: impl IntoIterator<Item = Fp>) -> Self {
        let mut alerts = alerts.into_iter();
        self.alerts = alerts.by_ref().take(MAX_ALERTS).collect();
        self.more_alerts = alerts.count();
        self
    }

    /// The alerts it is about.
    pub fn alert_fingerprints(&self) -> impl Iterator<Item = Fingerprint> + '_ {
        self.alerts.iter().map(|fp| fp.0)
    }
}

/// What happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An alert was raised.
    Raised {
        /// Its labels.
        labels: Labels,
        /// When it began.
        starts_at: Timestamp,
    },
    /// An alert ended.
    Ended {
        /// When.
        ends_at: Timestamp,
    },
    /// An alert is kept quiet.
    Quiet {
        /// By what, in words: the silence's id, the inhibiting alert, the time interval.
        why: String,
    },
    /// Nothing keeps it quiet any more.
    Audible,
    /// A message was decided on.
    Decided {
        /// Why.
        reason: SendReason,
        /// How many alerts fire in it.
        firing: usize,
        /// How many are over.
        resolved: usize,
    },
    /// An undelivered message was replaced by a newer one.
    Replaced {
        /// The newer one's id.
        by: String,
    },
    /// An attempt was begun.
    Attempt {
        /// Which one, from 1.
        number: u32,
    },
    /// The receiver took it.
    Delivered {
        /// What it answered.
        answer: String,
        /// Milliseconds from the decision to the delivery.
        after_ms: u64,
    },
    /// An attempt failed and is repeated.
    Failed {
        /// Why.
        error: String,
        /// When it is repeated.
        retry_at: Timestamp,
    },
    /// An attempt was not made after all.
    Postponed {
        /// Why.
        why: String,
        /// When it is made.
        until: Timestamp,
    },
    /// The receiver refused it, or the settings are wrong.
    Refused {
        /// What it said.
        error: String,
    },
    /// Another receiver is told instead.
    Fallback {
        /// Which.
        to: String,
        /// Why.
        why: String,
    },
    /// A further receiver is told because nobody acknowledged.
    Escalated {
        /// Which.
        to: String,
    },
    /// An unsent message is not sent any more.
    Withdrawn {
        /// Why.
        why: String,
    },
    /// A message grew too old.
    Expired {
        /// Why it could not be delivered.
        error: String,
    },
    /// Somebody acknowledged an alert.
    Acknowledged {
        /// Who.
        by: String,
        /// What they said.
        comment: String,
    },
    /// The acknowledgement was taken back.
    Unacknowledged {
        /// By whom.
        by: String,
    },
    /// The machine's clock was set, or the machine has slept.
    ClockSet {
        /// By how many milliseconds.
        by_ms: i64,
    },
    /// A silence was set, changed or expired.
    Silence {
        /// Its id.
        id: String,
        /// `set`, `changed` or `expired`.
        change: String,
        /// By whom.
        by: String,
    },
}

impl std::fmt::Display for Record {
    /// `2024-01-01T00:00:00.000Z ops/slack[0]: delivered after 120 ms`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.at)?;
        if !self.integration.is_empty() {
            write!(f, "{}: ", self.integration)?;
        }
        write!(f, "{}", self.event)
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Raised { starts_at, .. } => write!(f, "raised, began at {starts_at}"),
            Self::Ended { ends_at } => write!(f, "over since {ends_at}"),
            Self::Quiet { why } => write!(f, "kept quiet: {why}"),
            Self::Audible => f.write_str("no longer kept quiet"),
            Self::Decided { reason, firing, resolved } => {
                write!(f, "to be told ({}): {firing} firing, {resolved} over", reason.as_str())
            }
            Self::Replaced { by } => write!(f, "replaced by the newer message {by}"),
            Self::Attempt { number } => write!(f, "attempt {number}"),
            Self::Delivered { answer, after_ms } if answer.is_empty() => {
                write!(f, "delivered after {after_ms} ms")
            }
            Self::Delivered { answer, after_ms } => write!(f, "delivered after {after_ms} ms: {answer}"),
            Self::Failed { error, retry_at } => write!(f, "failed: {error}; tried again at {retry_at}"),
            Self::Postponed { why, until } => write!(f, "not sent yet: {why}; tried at {until}"),
            Self::Refused { error } => write!(f, "refused: {error}"),
            Self::Fallback { to, why } => write!(f, "{to} is told instead: {why}"),
            Self::Escalated { to } => write!(f, "nobody acknowledged: {to} is told too"),
            Self::Withdrawn { why } => write!(f, "not sent after all: {why}"),
            Self::Expired { error } => write!(f, "given up: {error}"),
            Self::Acknowledged { by, comment } if comment.is_empty() => write!(f, "acknowledged by {by}"),
            Self::Acknowledged { by, comment } => write!(f, "acknowledged by {by}: {comment}"),
            Self::Unacknowledged { by } => write!(f, "acknowledgement taken back by {by}"),
            Self::ClockSet { by_ms } => write!(f, "the clock was moved by {:.1} s", *by_ms as f64 / 1000.0),
            Self::Silence { id, change, by } => write!(f, "silence {id} {change} by {by}"),
        }
    }
}
