//! The notifier: one attempt at telling somebody.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use breakwatch_model::{Alert, AlertStatus, Labels, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Diagnostics, Field, Node};

/// A breaker transition that a message is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// Closed to open: the outage begins.
    Opened,
    /// Open to half-open: a probe is on its way.
    HalfOpen,
    /// Half-open to open: the probe failed.
    Reopened,
    /// To closed: the outage is over.
    Closed,
}

impl TransitionKind {
    /// The word used in configuration and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "open",
            Self::HalfOpen => "half_open",
            Self::Reopened => "reopen",
            Self::Closed => "closed",
        }
    }
}

/// One message to one integration of one receiver about one group of alerts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// Stable over retries and restarts: goes out as Message-ID, Idempotency-Key and the like.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// The integration inside the receiver, `slack[0]`.
    pub integration: String,
    /// Identifies the group of alerts, in Alertmanager's form: `{}/{severity="page"}:{check="http/web"}`.
    pub group_key: String,
    /// The labels the group was formed by.
    pub group_labels: Labels,
    /// Firing if any alert still fires at `created_at`.
    pub status: AlertStatus,
    /// The alerts, in Alertmanager's order: by `job`, by `instance`, by labels. An alert is resolved if it ended at or
    /// before `created_at`.
    pub alerts: Vec<Alert>,
    /// How many alerts were left out because of a limit.
    pub truncated_alerts: usize,
    /// The breaker transition behind the message, if it is about just one.
    pub transition: Option<TransitionKind>,
    /// When the message was decided on.
    pub created_at: Timestamp,
    /// Remarks for the reader: delivered late, replaces an undelivered message, a digest.
    pub notes: Vec<String>,
    /// Where the daemon's pages are, without a trailing slash; empty if unknown.
    pub external_url: String,
    /// What the first message about this group gave back: the root of a thread.
    pub first: Option<Receipt>,
    /// What the last message about this group gave back.
    pub previous: Option<Receipt>,
}

impl Notification {
    /// Alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|a| a.status(self.created_at) == AlertStatus::Firing)
    }

    /// Alerts that are over.
    pub fn resolved(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|a| a.status(self.created_at) == AlertStatus::Resolved)
    }

    /// Labels that every alert has with the same value.
    #[must_use]
    pub fn common_labels(&self) -> Labels {
        common(self.alerts.iter().map(|a| &a.labels))
    }

    /// Annotations that every alert has with the same value.
    #[must_use]
    pub fn common_annotations(&self) -> Labels {
        common(self.alerts.iter().map(|a| &a.annotations))
    }
}

fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = sets.next() else { return Labels::empty() };
    let mut same = first.clone();
    for set in sets {
        same = same.filtered(|name| set.get(name).is_some() && set.get(name) == same.get(name));
    }
    same
}

/// What the other side gave us for a delivered message.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// The other side's name for the message (Slack's channel and ts, an e-mail's Message-ID), for updates and
    /// threads.
    pub reference: String,
    /// What it answered, for the ledger; bounded, without secrets.
    pub answer: String,
}

/// Why a message was not delivered, and so what is to be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotifyError {
    /// Try again: 429, 5xx, connection trouble, time-outs.
    #[error("{message}")]
    Retryable {
        /// What happened; no secrets.
        message: String,
        /// How long the other side asked us to wait.
        retry_after: Option<Duration>,
    },
    /// This message will never be accepted; others may.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The settings are wrong (401, 403, unknown channel): keep the message, tell the operator.
    #[error("misconfigured: {0}")]
    Misconfigured(String),
}

/// A configured integration of a receiver. One attempt: retry, breaker, time-out and order belong to the sender.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// The integration's kind as Alertmanager names it: `slack`, `email`, `pagerduty`, `webhook`.
    fn integration(&self) -> &'static str;

    /// Whether messages about the end are wanted.
    fn send_resolved(&self) -> bool;

    /// How many messages, each of another group, may be under way at once. More than one suits machines that take many
    /// requests side by side; people, scripts and services with tight limits get one after the other.
    fn at_once(&self) -> usize {
        1
    }

    /// Tries once. A delivered message gives a receipt.
    ///
    /// # Errors
    /// What the sender is to do: try again, give this one up, or wait for the operator.
    async fn notify(&self, notification: &Notification) -> Result<Receipt, NotifyError>;
}

/// What an integration may need while it is built from its settings.
#[derive(Clone)]
pub struct NotifierContext {
    /// The receiver's name.
    pub receiver: String,
    /// The directory relative paths in the settings are relative to.
    pub base_dir: PathBuf,
    /// The `global:` section of the alerting configuration, for defaults such as `smtp_smarthost`.
    pub global: Option<Node>,
    /// Texts of the files that `templates:` names, as (file name, text).
    pub templates: Vec<(String, String)>,
    /// Where the daemon's pages are.
    pub external_url: String,
}

/// The row of an integration kind in its table.
#[derive(Clone, Copy)]
pub struct NotifierEntry {
    /// The kind: `slack`; its settings stand under `slack_configs`.
    pub key: &'static str,
    /// The key of the list in a receiver: `slack_configs`.
    pub section: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The settings.
    pub fields: &'static [Field],
    /// Reads the settings; reports every mistake and returns `None` if there was one. Keys every integration has
    /// and that the router reads (`transitions`) are to be allowed.
    pub parse: fn(&Node, &NotifierContext, &Diagnostics) -> Option<Box<dyn Notifier>>,
}
