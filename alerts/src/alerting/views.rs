//! What the API, the pages and the command line show.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Alert, Fingerprint, Labels, Timestamp};

use super::{Alerting, integrations};
use crate::ack::Ack;
use crate::alert::{Origin, StoredAlert};
use crate::config::Route;
use crate::outbox::Entry;
use crate::silence::Holding;

/// Where an alert stands with its receivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AlertState {
    /// Its group has not been looked at since it came.
    Unprocessed,
    /// Nothing keeps it quiet.
    Active,
    /// Something does.
    Suppressed,
}

impl AlertState {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unprocessed => "unprocessed",
            Self::Active => "active",
            Self::Suppressed => "suppressed",
        }
    }
}

/// A firing alert with everything about it.
#[derive(Clone, Debug)]
pub struct AlertView {
    /// The alert; `ends_at` is until when it is believed, if it has a time-out.
    pub alert: Alert,
    /// Its digest.
    pub fingerprint: Fingerprint,
    /// Who raised it.
    pub origin: Origin,
    /// Receivers of its routes, in order.
    pub receivers: Vec<Arc<str>>,
    /// Where it stands.
    pub state: AlertState,
    /// Silences and maintenance windows that hold for it.
    pub silenced_by: Vec<String>,
    /// Alerts that inhibit it.
    pub inhibited_by: Vec<Fingerprint>,
    /// Time intervals that mute it.
    pub muted_by: Vec<String>,
    /// The check that is the root cause, if it is kept quiet for that.
    pub root_cause: Option<String>,
    /// Who took it on.
    pub ack: Option<Ack>,
}

/// A group of alerts.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// Alertmanager's group key.
    pub key: String,
    /// The labels it was formed by.
    pub labels: Labels,
    /// The receiver of its route.
    pub receiver: Arc<str>,
    /// Its firing alerts.
    pub alerts: Vec<AlertView>,
    /// When it is looked at next.
    pub next: Timestamp,
}

/// A message that is not yet delivered.
#[derive(Clone, Debug)]
pub struct OutboxView {
    /// Its id.
    pub id: String,
    /// The integration, `ops/slack[0]`.
    pub integration: String,
    /// The group's key.
    pub group_key: String,
    /// How many alerts fire in it.
    pub firing: usize,
    /// How many are over.
    pub resolved: usize,
    /// When the oldest state in it was decided on.
    pub since: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// Whether an attempt is under way.
    pub in_flight: bool,
    /// The last failure.
    pub last_error: Option<String>,
    /// Whether the fallback receiver has it too.
    pub handed_over: bool,
}

/// Figures for metrics and the status line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Alerts that fire.
    pub firing: usize,
    /// Groups.
    pub groups: usize,
    /// Messages not yet delivered.
    pub outbox: usize,
    /// The age of the oldest of them.
    pub oldest: Duration,
    /// Silences that are not over.
    pub silences: usize,
}

impl Alerting {
    /// Every firing alert, by labels.
    #[must_use]
    pub fn alerts(&self, now: Timestamp) -> Vec<AlertView> {
        let holding = self.silences.holding(now);
        let firing = self.alerts.values().filter(|stored| !stored.done && stored.firing(now));
        let mut views: Vec<AlertView> = firing.map(|stored| self.view_alert(stored, &holding, now)).collect();
        views.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        views
    }

    /// One firing alert.
    #[must_use]
    pub fn alert(&self, fingerprint: Fingerprint, now: Timestamp) -> Option<AlertView> {
        self.firing_view(fingerprint, &self.silences.holding(now), now)
    }

    fn firing_view(
        &self,
        fingerprint: Fingerprint,
        holding: &Holding<'_>,
        now: Timestamp,
    ) -> Option<AlertView> {
        let stored = self.alerts.get(&fingerprint).filter(|stored| !stored.done && stored.firing(now))?;
        Some(self.view_alert(stored, holding, now))
    }

    /// The firing alerts themselves, in no order: what a snapshot needs, without asking silences and routes.
    pub fn firing(&self, now: Timestamp) -> impl Iterator<Item = &Alert> {
        self.alerts
            .values()
            .filter(move |stored| !stored.done && stored.firing(now))
            .map(|stored| &stored.alert)
    }

    fn view_alert(&self, stored: &StoredAlert, holding: &Holding<'_>, now: Timestamp) -> AlertView {
        let labels = &stored.alert.labels;
        let fingerprint = stored.alert.fingerprint();
        let routes = self.config.route.matching(labels);
        let mut receivers: Vec<Arc<str>> = Vec::new();
        for route in &routes {
            if !receivers.contains(&route.receiver) {
                receivers.push(Arc::clone(&route.receiver));
            }
        }
        let silenced_by = holding.matching(labels);
        let inhibited_by: Vec<Fingerprint> = self.inhibitor.inhibited_by(stored, now).into_iter().collect();
        let muted_by: Vec<String> =
            routes.iter().filter_map(|route| self.config.muted_by_time(route, now)).collect();
        let root_cause = self.cause_of(labels).cloned();
        // An alert with several routes is muted only if all of them are.
        let all_muted = muted_by.len() == routes.len();
        let muted_by = if all_muted { muted_by } else { Vec::new() };
        let quiet = !silenced_by.is_empty()
            || !inhibited_by.is_empty()
            || !muted_by.is_empty()
            || root_cause.is_some();
        let looked_at = self
            .group_ids
            .get(&fingerprint)
            .is_some_and(|ids| ids.iter().any(|id| self.groups.get(id).is_some_and(|group| group.flushed)));
        let state = match (quiet, looked_at) {
            (true, _) => AlertState::Suppressed,
            (false, true) => AlertState::Active,
            (false, false) => AlertState::Unprocessed,
        };
        AlertView {
            alert: stored.alert.clone(),
            fingerprint,
            origin: stored.origin.clone(),
            receivers,
            state,
            silenced_by,
            inhibited_by,
            muted_by,
            root_cause,
            ack: self.acks.get(&fingerprint).cloned(),
        }
    }

    /// Groups with firing alerts, by labels and receiver.
    #[must_use]
    pub fn groups(&self, now: Timestamp) -> Vec<GroupView> {
        let holding = self.silences.holding(now);
        let view = |group: &crate::group::Group| {
            let route = self.config.route.walk().find(|route| route.id == group.route)?;
            let firing = group.members.iter().filter_map(|fp| self.firing_view(fp.0, &holding, now));
            let mut alerts: Vec<AlertView> = firing.collect();
            alerts.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
            (!alerts.is_empty()).then(|| GroupView {
                key: group.key.clone(),
                labels: group.labels.clone(),
                receiver: Arc::clone(&route.receiver),
                alerts,
                next: group.next,
            })
        };
        let mut groups: Vec<GroupView> = self.groups.values().filter_map(view).collect();
        groups.sort_by(|a, b| (&a.labels, &a.receiver).cmp(&(&b.labels, &b.receiver)));
        groups
    }

    /// Messages not yet delivered, oldest first.
    #[must_use]
    pub fn outbox(&self) -> Vec<OutboxView> {
        let view = |entry: &Entry| OutboxView {
            id: entry.id().to_owned(),
            integration: entry.integration.to_string(),
            group_key: entry.message.group_key.clone(),
            firing: entry.firing().count(),
            resolved: entry.resolved().count(),
            since: entry.first_at,
            attempts: entry.attempts,
            next_at: entry.next_at,
            in_flight: entry.in_flight,
            last_error: entry.last_error.clone(),
            handed_over: entry.fallback_done,
        };
        self.outbox.iter().map(view).collect()
    }

    /// The routes an alert with these labels would take (`routes test`).
    #[must_use]
    pub fn routes_for(&self, labels: &Labels) -> Vec<&Route> {
        self.config.route.matching(labels)
    }

    /// The integrations a route tells at once.
    #[must_use]
    pub fn integrations_of(&self, route: &Route) -> Vec<Arc<crate::config::Integration>> {
        integrations(&self.config, route, 0)
    }

    /// Root causes among the firing checks' alerts and the checks kept quiet for them.
    #[must_use]
    pub fn quiet_dependants(&self) -> BTreeSet<(&str, &str)> {
        self.dependency.iter().map(|(check, cause)| (cause.as_str(), check.as_str())).collect()
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self, now: Timestamp) -> Stats {
        let oldest = self.outbox.oldest();
        Stats {
            firing: self.alerts.values().filter(|stored| !stored.done && stored.firing(now)).count(),
            groups: self.groups.values().filter(|group| !group.is_empty()).count(),
            outbox: self.outbox.len(),
            oldest: oldest.map_or(Duration::ZERO, |first| now.since(first)),
            silences: self
                .silences
                .list(now)
                .iter()
                .filter(|silence| silence.state(now) != crate::silence::SilenceState::Expired)
                .count(),
        }
    }
}
