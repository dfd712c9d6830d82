//! What happened: breaker transitions, status changes, times when the daemon could not look.
//!
//! Events are kept in the state log, committed together with what they speak of. Recovery analytics, availability
//! and the event API read nothing else, so their figures are the same before and after a restart.

mod chronicle;
pub mod query;

use breakwatch_breaker::{State, Transition};
use breakwatch_model::{Status, Timestamp};
use serde::{Deserialize, Serialize};

pub use chronicle::{Chronicle, Past, Step, heartbeat};

/// What kind of event. The names are those of the log events about breakers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A breaker opened from closed: an episode begins.
    CircuitOpened,
    /// A breaker lets probes through: recovery is attempted.
    CircuitHalfOpen,
    /// A probe failed: the attempt at recovery failed.
    CircuitReopened,
    /// A breaker closed: recovery succeeded, the episode ends.
    CircuitClosed,
    /// A check's status changed.
    StatusChanged,
    /// A breaker changes its state too often.
    FlappingStarted,
    /// It has calmed down.
    FlappingEnded,
    /// Most canaries fail: the daemon itself is cut off. `since`: from when on nothing is counted.
    MonitorIsolated,
    /// The canaries answer again.
    MonitorConnected,
    /// The daemon started. `since`: when it was last alive.
    DaemonStarted,
    /// The daemon did not run for a while though it was not stopped (a suspended machine). `since`: from when on.
    DaemonPaused,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::CircuitOpened,
        Self::CircuitHalfOpen,
        Self::CircuitReopened,
        Self::CircuitClosed,
        Self::StatusChanged,
        Self::FlappingStarted,
        Self::FlappingEnded,
        Self::MonitorIsolated,
        Self::MonitorConnected,
        Self::DaemonStarted,
        Self::DaemonPaused,
    ];

    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpened => "circuit_opened",
            Self::CircuitHalfOpen => "circuit_half_open",
            Self::CircuitReopened => "circuit_reopened",
            Self::CircuitClosed => "circuit_closed",
            Self::StatusChanged => "status_changed",
            Self::FlappingStarted => "flapping_started",
            Self::FlappingEnded => "flapping_ended",
            Self::MonitorIsolated => "monitor_isolated",
            Self::MonitorConnected => "monitor_connected",
            Self::DaemonStarted => "daemon_started",
            Self::DaemonPaused => "daemon_paused",
        }
    }

    /// The kind of a transition.
    #[must_use]
    pub const fn of(transition: &Transition) -> Self {
        match (transition.from, transition.to) {
            (State::HalfOpen, State::Open) => Self::CircuitReopened,
            (_, State::Open) => Self::CircuitOpened,
            (_, State::HalfOpen) => Self::CircuitHalfOpen,
            (_, State::Closed) => Self::CircuitClosed,
        }
    }

    /// The breaker's state after an event about one.
    #[must_use]
    pub const fn state(self) -> Option<State> {
        match self {
            Self::CircuitOpened | Self::CircuitReopened => Some(State::Open),
            Self::CircuitHalfOpen => Some(State::HalfOpen),
            Self::CircuitClosed => Some(State::Closed),
            _ => None,
        }
    }
}

/// One event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When it happened. A status change is dated to the beginning of the run that found it.
    pub at: Timestamp,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The check or breaker; empty for the daemon's own events.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What the breaker guards: `check`, `notifier`, `exporter`, `store`; `daemon` for its own events.
    pub component: String,
    /// The state or status before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The state or status now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Why, as a word of a small closed set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// For events about a span of time: its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// On closing: the time from the first opening of the episode, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<f64>,
}

impl Event {
    /// An event about the daemon itself.
    #[must_use]
    pub fn daemon(kind: EventKind, at: Timestamp, since: Option<Timestamp>, message: &str) -> Self {
        Self { since, message: message.to_owned(), ..Self::new(kind, at, "daemon", "") }
    }

    /// An event about a check or breaker.
    #[must_use]
    pub fn new(kind: EventKind, at: Timestamp, component: &str, name: &str) -> Self {
        Self {
            at,
            kind,
            name: name.to_owned(),
            component: component.to_owned(),
            from: String::new(),
            to: String::new(),
            reason: String::new(),
            message: String::new(),
            since: None,
            recovery_seconds: None,
        }
    }

    /// The status a status change leads to.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        if self.kind != EventKind::StatusChanged {
            return None;
        }
        Status::ALL.into_iter().find(|status| status.as_str() == self.to)
    }
}
