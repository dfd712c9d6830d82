//! Breaker transitions as alerts: open is firing, closed is resolved, half-open and re-open update the same alert.

use std::time::Duration;

use breakwatch_model::{Alert, Evidence, FailureReason, Impact, Labels, Timestamp};
use breakwatch_plugin_api::{TransitionKind, format_duration};

/// The name of every breaker's alert.
pub const BREAKER_ALERT: &str = "CircuitBreakerOpen";

/// What the alerting side needs to know of a transition.
#[derive(Clone, Debug)]
pub struct TransitionEvent {
    /// The breaker's name: a check's id (`http/website`) or whatever else it guards.
    pub name: String,
    /// What it guards: `check`, `notifier`, `exporter`, `store`.
    pub kind: String,
    /// A check's kind (`http`); empty for anything else.
    pub check_type: String,
    /// What is called, without credentials.
    pub target: String,
    /// What happened.
    pub transition: TransitionKind,
    /// When.
    pub at: Timestamp,
    /// How bad its failure is; gives the severity.
    pub impact: Impact,
    /// The user's own labels. They never override the labels above.
    pub labels: Labels,
    /// Why the last call failed.
    pub reason: Option<FailureReason>,
    /// The last failure in a line for people.
    pub message: String,
    /// Facts of the last run.
    pub evidence: Evidence,
    /// Consecutive failures.
    pub failures: u64,
    /// The share of failures in the breaker's window.
    pub failure_rate: Option<f64>,
    /// From the first opening to the closing, for a closed breaker.
    pub recovery_time: Option<Duration>,
    /// For how long it stays open, for an opened or re-opened breaker.
    pub open_for: Option<Duration>,
    /// What to do, empty if unknown.
    pub runbook_url: String,
    /// Where to look, empty if unknown.
    pub dashboard_url: String,
    /// For a notifier's breaker, the integration's key (`ops/slack[0]`): it is never told of its own breaker.
    pub integration: Option<String>,
}

impl TransitionEvent {
    /// The labels of the breaker's alert.
    #[must_use]
    pub fn alert_labels(&self) -> Labels {
        let mut labels = self.labels.to_builder();
        labels.set("alertname", BREAKER_ALERT).set("severity", self.impact.severity());
        if self.kind == "check" {
            labels.set("check", self.name.as_str()).set("type", self.check_type.as_str());
        } else {
            labels.set("kind", self.kind.as_str()).set("name", self.name.as_str());
        }
        labels.set("target", self.target.as_str());
        labels.build()
    }

    /// The alert after this transition. `before` is the breaker's alert if it is firing: its labels and start stay.
    #[must_use]
    pub(crate) fn alert(&self, before: Option<&Alert>) -> Alert {
        let closed = self.transition == TransitionKind::Closed;
        Alert {
            labels: before.map_or_else(|| self.alert_labels(), |alert| alert.labels.clone()),
            annotations: self.annotations(before),
            starts_at: before.map_or(self.at, |alert| alert.starts_at),
            ends_at: closed.then_some(self.at),
            updated_at: self.at,
            generator_url: self.dashboard_url.clone(),
        }
    }

    fn annotations(&self, before: Option<&Alert>) -> Labels {
        // What was said of the outage stays readable in the message about its end.
        let mut out = before.map_or_else(Labels::empty, |alert| alert.annotations.clone()).to_builder();
        out.set("summary", self.summary()).set("state", self.state());
        if !self.message.is_empty() {
            out.set("description", self.message.as_str());
        }
        if let Some(reason) = self.reason {
            out.set("reason", reason.as_str());
        }
        if !self.evidence.is_empty() {
            out.set("evidence", self.evidence.to_string());
        }
        if self.failures > 0 {
            out.set("failures", self.failures.to_string());
        }
        if let Some(rate) = self.failure_rate.filter(|rate| rate.is_finite()) {
            out.set("failure_rate", format!("{:.1}%", rate * 100.0));
        }
        if let Some(time) = self.open_for {
            out.set("open_for", format_duration(time));
        }
        if let Some(time) = self.recovery_time {
            out.set("recovery_time", format_duration(whole_seconds(time)));
        }
        for (name, url) in [("runbook_url", &self.runbook_url), ("dashboard_url", &self.dashboard_url)] {
            if !url.is_empty() {
                out.set(name, url.as_str());
            }
        }
        out.build()
    }

    fn summary(&self) -> String {
        let subject =
            if self.kind == "check" { self.name.clone() } else { format!("{} {}", self.kind, self.name) };
        match self.transition {
            TransitionKind::Opened => format!("{subject} is failing: its circuit breaker opened"),
            TransitionKind::HalfOpen => format!("{subject} is being tried again"),
            TransitionKind::Reopened => {
                format!("{subject} is still failing: its circuit breaker opened again")
            }
            TransitionKind::Closed => match self.recovery_time {
                Some(time) => format!("{subject} works again after {}", format_duration(whole_seconds(time))),
                None => format!("{subject} works again"),
            },
        }
    }

    fn state(&self) -> &'static str {
        match self.transition {
            TransitionKind::Opened | TransitionKind::Reopened => "open",
            TransitionKind::HalfOpen => "half_open",
            TransitionKind::Closed => "closed",
        }
    }
}

/// Milliseconds say nothing about an outage of more than ten seconds.
fn whole_seconds(time: Duration) -> Duration {
    if time >= Duration::from_secs(10) { Duration::from_secs(time.as_secs()) } else { time }
}
