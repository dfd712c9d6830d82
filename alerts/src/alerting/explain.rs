//! Why somebody was told of an alert, or was not: its routes and groups as they stand, and its way through the ledger.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use breakwatch_model::{Fingerprint, Labels, Matcher, Timestamp};
use breakwatch_plugin_api::TransitionKind;

use super::{AlertView, Alerting, group_id, integrations};
use crate::alert::StoredAlert;
use crate::config::{Integration, Route};
use crate::dedup::Fp;
use crate::group::{Group, Slot};
use crate::ledger::{Event, Record};
use crate::matchers::all_match;

/// The most alerts that are explained at once.
const MAX_ALERTS: usize = 100;

/// The whole way of one alert.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its digest.
    pub fingerprint: Fingerprint,
    /// Its labels.
    pub labels: Labels,
    /// Itself, while it fires.
    pub alert: Option<AlertView>,
    /// The routes that handle it.
    pub routes: Vec<RouteStory>,
    /// What the ledger has about it, oldest first.
    pub history: Vec<Record>,
}

/// One route of an alert.
#[derive(Clone, Debug)]
pub struct RouteStory {
    /// The matchers on the way from the root.
    pub route: Arc<str>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// The group's key.
    pub group: String,
    /// When the group is looked at next, if it exists.
    pub next: Option<Timestamp>,
    /// What each integration was told.
    pub integrations: Vec<IntegrationStory>,
}

/// What one integration was told of an alert, and why not.
#[derive(Clone, Debug)]
pub struct IntegrationStory {
    /// The integration, `ops/slack[0]`.
    pub integration: Arc<str>,
    /// Whether it has been told that the alert fires and not yet that it is over.
    pub told: bool,
    /// In words.
    pub verdict: String,
}

impl Alerting {
    /// Explains every alert that matches, among those that are known and those that `records` (of the ledger, oldest
    /// first) speak of; at most 100, by labels.
    #[must_use]
    pub fn explain(&self, matchers: &[Matcher], records: &[Record], now: Timestamp) -> Vec<Explanation> {
        let mut found: BTreeMap<Labels, Fingerprint> = BTreeMap::new();
        let known = self.alerts.values().map(|stored| &stored.alert.labels);
        let raised = records.iter().filter_map(|record| match &record.event {
            Event::Raised { labels, .. } => Some(labels),
            _ => None,
        });
        for labels in known.chain(raised).filter(|labels| all_match(matchers, labels)) {
            found.insert(labels.clone(), labels.fingerprint());
        }
        let explain = |(labels, fingerprint): (Labels, Fingerprint)| {
            let about = |record: &&Record| record.alert_fingerprints().any(|fp| fp == fingerprint);
            let messages: Vec<&str> = records
                .iter()
                .filter(about)
                .map(|record| record.message.as_str())
                .filter(|id| !id.is_empty())
                .collect();
            let belongs = |record: &&Record| about(record) || messages.contains(&record.message.as_str());
            Explanation {
                fingerprint,
                alert: self.alert(fingerprint, now),
                routes: self.route_stories(&labels, now),
                history: records.iter().filter(belongs).cloned().collect(),
                labels,
            }
        };
        found.into_iter().take(MAX_ALERTS).map(explain).collect()
    }

    fn route_stories(&self, labels: &Labels, now: Timestamp) -> Vec<RouteStory> {
        let story = |route: &&Route| {
            let (id, key, _) = group_id(route, labels);
            let group = self.groups.get(&id);
            let escalated = group.map_or(0, |group| group.escalated);
            let own = integrations(&self.config, route, escalated);
            let stories = own.iter().map(|i| self.integration_story(route, group, i, labels, now));
            let mut stories: Vec<IntegrationStory> = stories.collect();
            stories.extend(group.into_iter().flat_map(|group| self.stand_ins(group, &own, labels)));
            RouteStory {
                route: Arc::clone(&route.key),
                receiver: Arc::clone(&route.receiver),
                group: key,
                next: group.map(|group| group.next),
                integrations: stories,
            }
        };
        self.config.route.matching(labels).iter().map(story).collect()
    }

    /// Integrations that were told in the place of another receiver.
    fn stand_ins(&self, group: &Group, own: &[Arc<Integration>], labels: &Labels) -> Vec<IntegrationStory> {
        let fp = Fp(labels.fingerprint());
        let others = group.slots.iter().filter(|(key, _)| !own.iter().any(|i| i.key == **key));
        let told = others.filter(|(_, slot)| slot.owed_soon(&self.outbox).contains(&fp));
        let story = |(key, _): (&Arc<str>, &Slot)| IntegrationStory {
            integration: Arc::clone(key),
            told: true,
            verdict: "was told in the place of a receiver that could not be reached, or before a reload"
                .to_owned(),
        };
        told.map(story).collect()
    }

    fn integration_story(
        &self,
        route: &Route,
        group: Option<&Group>,
        integration: &Arc<Integration>,
        labels: &Labels,
        now: Timestamp,
    ) -> IntegrationStory {
        let fp = Fp(labels.fingerprint());
        let slot = group.and_then(|group| group.slots.get(&integration.key));
        let told = slot.is_some_and(|slot| slot.told.contains(&fp));
        let stored = self.alerts.get(&fp.0).filter(|stored| !stored.done);
        let verdict = self
            .outbox_verdict(slot, fp)
            .or_else(|| told.then(|| "was told that it fires".to_owned()))
            .or_else(|| self.reason_against(route, group, integration, stored, now))
            .unwrap_or_else(|| match group {
                Some(group) => format!("is to be told when the group is looked at, at {}", group.next),
                None => "would be told".to_owned(),
            });
        IntegrationStory { integration: Arc::clone(&integration.key), told, verdict }
    }

    /// What the outbox holds for an integration about an alert.
    fn outbox_verdict(&self, slot: Option<&Slot>, fp: Fp) -> Option<String> {
        let slot = slot?;
        let entries = slot.in_flight.iter().chain(&slot.waiting).filter_map(|id| self.outbox.get(id));
        let entry =
            entries.into_iter().find(|entry| entry.firing().chain(entry.resolved()).any(|f| f == fp))?;
        if entry.in_flight {
            return Some(format!("is being told: attempt {}", entry.attempts));
        }
        let mut text =
            format!("has a message waiting since {}, tried {} times", entry.first_at, entry.attempts);
        if let Some(error) = &entry.last_error {
            let _ = write!(text, ", last error: {error}");
        }
        if let Some(until) = self.lanes.get(&entry.integration).and_then(|lane| lane.held_until) {
            let _ = write!(text, ", its circuit breaker is open until {until}");
        }
        Some(text)
    }

    /// Why an integration is not told of a firing alert.
    fn reason_against(
        &self,
        route: &Route,
        group: Option<&Group>,
        integration: &Integration,
        stored: Option<&StoredAlert>,
        now: Timestamp,
    ) -> Option<String> {
        let Some(stored) = stored else { return Some("is not told: the alert is not firing".to_owned()) };
        if !stored.firing(now) {
            return Some("is not told: the alert is over".to_owned());
        }
        let fp = Fp(stored.alert.fingerprint());
        let member = group.and_then(|group| self.members(group, route, now).into_iter().find(|m| m.fp == fp));
        if let Some(why) = member.and_then(|member| member.quiet) {
            return Some(format!("is not told: {why}"));
        }
        if self.is_own_breaker(fp.0, &integration.key) {
            return Some("is not told: the alert is about its own circuit breaker".to_owned());
        }
        let wants = integration.transitions.has(TransitionKind::Opened);
        (stored.breaker().is_some() && !wants)
            .then(|| "is not told: it does not ask for the opening of breakers".to_owned())
    }
}

impl Explanation {
    /// The whole in lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} ({})", self.labels, self.fingerprint)];
        match &self.alert {
            Some(view) => {
                lines.push(format!("  firing since {}, {}", view.alert.starts_at, view.state.as_str()));
                if let Some(ack) = &view.ack {
                    lines.push(format!("  acknowledged by {} at {}", ack.by, ack.at));
                }
            }
            None => lines.push("  not firing".to_owned()),
        }
        for route in &self.routes {
            lines.push(format!("  route {} to {}, group {}", route.route, route.receiver, route.group));
            if route.integrations.is_empty() {
                lines.push("    nobody is told: the receiver has no integrations".to_owned());
            }
            for story in &route.integrations {
                lines.push(format!("    {} {}", story.integration, story.verdict));
            }
        }
        lines.extend(self.history.iter().map(|record| format!("  {record}")));
        lines
    }
}
