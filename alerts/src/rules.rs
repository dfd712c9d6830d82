//! Rule files as Prometheus has them: alerting and recording rules over the stored series.
//!
//! A [`RuleFile`] is what somebody wrote, checked to the letter. A [`Group`] is what runs: its rules are evaluated in
//! order, all at the same time of a fixed grid, each seeing what those before it have written. Alert instances are state:
//! every transition leaves as a record for the state log, and a restart goes on where it stopped, whatever the `for`.
//! That the daemon was down is no evidence: until fresh samples come, nothing ends and nothing begins.

mod active;
mod alerting;
mod evidence;
mod file;
mod grid;
mod group;
mod lint;
mod order;
mod output;
mod recording;
mod running;
mod set;
mod side_by_side;
mod state;
#[cfg(test)]
mod tests;

pub use active::{ActiveAlert, ActiveState};
pub use file::{AlertConfig, GroupConfig, RecordConfig, RuleConfig, RuleFile};
pub use group::{Defaults, Group, Outcome, RuleFailure};
pub use lint::{Duplicate, duplicates};
pub use output::{Appending, Environment, SampleSink};
pub use set::{Groups, Reloaded};

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, Timestamp};

/// How a rule's last evaluation went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Health {
    /// It was not evaluated yet.
    #[default]
    Unknown,
    /// It worked.
    Ok,
    /// It failed, and why.
    Failed(String),
}

impl Health {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Failed(_) => "err",
        }
    }

    /// Why it failed; empty if it did not.
    #[must_use]
    pub fn error(&self) -> &str {
        match self {
            Self::Failed(error) => error,
            _ => "",
        }
    }
}

/// A rule with its state, as the API shows it.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// The alert's or the recorded series' name.
    pub name: Arc<str>,
    /// The expression as written.
    pub query: Arc<str>,
    /// The rule's labels, the group's included; texts unexpanded.
    pub labels: Labels,
    /// How the last evaluation went.
    pub health: Health,
    /// When it was evaluated last; the epoch if never.
    pub last_evaluation: Timestamp,
    /// How long that took.
    pub evaluation_time: Duration,
    /// What only alerting rules have.
    pub alerting: Option<AlertingView>,
}

/// What only alerting rules have.
#[derive(Clone, Debug)]
pub struct AlertingView {
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// Annotations, unexpanded.
    pub annotations: Labels,
    /// Pending and firing instances, by labels.
    pub alerts: Vec<ActiveAlert>,
}

impl AlertingView {
    /// The highest state of its instances.
    #[must_use]
    pub fn state(&self) -> ActiveState {
        self.alerts.iter().map(|alert| alert.state).max().unwrap_or(ActiveState::Inactive)
    }
}
