//! What a check found: its status, the reason of a failure as a small closed set, and the evidence.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{MetricFamily, Timestamp};

/// What is known of a check's target. Degraded is not down time; unknown is the daemon's own trouble and is
/// counted neither way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Works as expected.
    Healthy,
    /// Works, but worse than it should (slow, filling up, certificate near its end).
    Degraded,
    /// Does not work.
    Unhealthy,
    /// Not measured: held, a full bulkhead, a local error, self-outage.
    Unknown,
}

impl Status {
    /// Every status, best first.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Degraded, Self::Unhealthy, Self::Unknown];

    /// The lower-case word used in labels, the API and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad the failure of a check is for the whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// The whole is down with it.
    Critical,
    /// The whole is degraded with it.
    #[default]
    High,
    /// Listed; never makes the whole worse than degraded.
    Medium,
    /// Listed only.
    Low,
}

impl Impact {
    /// The lower-case word used in labels, the API and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// The severity label of an alert about a check of this impact (requirements C7).
    #[must_use]
    pub const fn severity(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "warning",
            Self::Medium | Self::Low => "info",
        }
    }
}

/// Why a check failed. A small closed set, because it becomes a metric label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// No answer within the time-out.
    Timeout,
    /// The name could not be resolved.
    Dns,
    /// The connection was refused, reset or never stood.
    Connect,
    /// The TLS handshake failed or the certificate is not acceptable.
    Tls,
    /// The peer broke the protocol or closed early.
    Protocol,
    /// The peer refused the credentials.
    Auth,
    /// The status code (HTTP) or exit code (command) is not an accepted one.
    Status,
    /// The body, header, value or output is not what was expected.
    Assertion,
    /// A measured number is over (or under) its limit.
    Threshold,
    /// Slower than the latency limit.
    Latency,
    /// The certificate ends too soon.
    Certificate,
    /// Not enough members of a group are healthy.
    Members,
    /// The command could not be started.
    Spawn,
    /// The command was ended by a signal.
    Signal,
    /// The check itself panicked: a fault of ours.
    Panic,
    /// A local error of the daemon (file descriptors, permissions): not the target's fault.
    Internal,
}

impl FailureReason {
    /// The snake-case word used as a label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Auth => "auth",
            Self::Status => "status",
            Self::Assertion => "assertion",
            Self::Threshold => "threshold",
            Self::Latency => "latency",
            Self::Certificate => "certificate",
            Self::Members => "members",
            Self::Spawn => "spawn",
            Self::Signal => "signal",
            Self::Panic => "panic",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure (or a degradation) as a check reports it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckFailure {
    /// The closed-set reason.
    pub reason: FailureReason,
    /// One line for people: what was expected and what came instead. Never holds a secret.
    pub message: String,
}

impl CheckFailure {
    /// A failure with its reason and a line for people.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}

/// Facts kept with a result and put into messages: phase timings, a piece of the body, exit code,
/// certificate facts. Bounded, cleaned of control characters, free of secrets.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(pub Vec<(String, String)>);

impl Evidence {
    /// The longest value kept, in bytes.
    pub const MAX_VALUE: usize = 1024;
    /// The most facts kept.
    pub const MAX_FACTS: usize = 32;

    /// Adds a fact, cut to [`Self::MAX_VALUE`] at a character's edge; control characters become spaces.
    pub fn add(&mut self, name: impl Into<String>, value: impl AsRef<str>) {
        if self.0.len() >= Self::MAX_FACTS {
            return;
        }
        let value = value.as_ref();
        let mut end = value.len().min(Self::MAX_VALUE);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let clean: String = value[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.push((name.into(), clean.trim().to_owned()));
    }

    /// Whether there are no facts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Evidence {
    /// `name=value, name=value`, for one line of a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The outcome of one run of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    /// When the run started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What was found.
    pub status: Status,
    /// Why it is not healthy.
    pub failure: Option<CheckFailure>,
    /// Facts for people.
    pub evidence: Evidence,
    /// What was measured, including what was recorded before a failure.
    pub families: Vec<MetricFamily>,
}
