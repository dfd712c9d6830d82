//! Why somebody was told of an alert, or was not: its routes and groups as they stand, and its way through the ledger.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use breakwatch_model::{Fingerprint, Labels, Matcher, Timestamp};
use breakwatch_plugin_api::TransitionKind;

use super::lane::Lane;
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
    /// Who is told next if nobody acknowledges, in words.
    pub escalation: Option<String>,
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

/// The labels of the alerts that the ledger speaks of and that match; at most 100. A question for whoever holds the
/// records, so that alerting is not kept waiting by them.
#[must_use]
pub fn labels_in(records: &[Record], matchers: &[Matcher]) -> Vec<Labels> {
    let raised = records.iter().filter_map(|record| match &record.event {
        Event::Raised { labels, .. } => Some(labels),
        _ => None,
    });
    let found: BTreeSet<&Labels> = raised.filter(|labels| all_match(matchers, labels)).collect();
    found.into_iter().take(MAX_ALERTS).cloned().collect()
}

impl Alerting {
    /// Explains every alert that matches, among those that are known and `others`; at most 100, by labels. The history
    /// is left to [`Explanation::tell_history`].
    #[must_use]
    pub fn explain(&self, matchers: &[Matcher], others: &[Labels], now: Timestamp) -> Vec<Explanation> {
        let known = self.alerts.values().map(|stored| &stored.alert.labels);
        let known = known.filter(|labels| all_match(matchers, labels));
        let found: BTreeSet<&Labels> = known.chain(others).collect();
        let explain = |labels: &Labels| Explanation {
            fingerprint: labels.fingerprint(),
            labels: labels.clone(),
            alert: self.alert(labels.fingerprint(), now),
            routes: self.route_stories(labels, now),
            history: Vec::new(),
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
                escalation: group.and_then(|group| self.escalation_story(route, group, labels)),
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
            .or_else(|| told.then(|| self.told_verdict(route, group, integration, stored, now)))
            .or_else(|| self.reason_against(route, group, integration, stored, now))
            .unwrap_or_else(|| group.map_or_else(|| "would be told".to_owned(), waiting_verdict));
        IntegrationStory { integration: Arc::clone(&integration.key), told, verdict }
    }

    /// What is said of somebody who has been told: also why they do not hear it again.
    fn told_verdict(
        &self,
        route: &Route,
        group: Option<&Group>,
        integration: &Integration,
        stored: Option<&StoredAlert>,
        now: Timestamp,
    ) -> String {
        let firing = stored.filter(|stored| stored.firing(now));
        let ack = firing.and_then(|stored| self.acks.get(&stored.alert.fingerprint()));
        let quiet = firing.and_then(|_| self.reason_against(route, group, integration, stored, now));
        match (ack, quiet, firing) {
            (Some(ack), _, _) => {
                format!("was told that it fires, and is not told again: acknowledged by {}", ack.by)
            }
            (None, Some(why), _) => format!("was told that it fires; again it {why}"),
            (None, None, Some(_)) => "was told that it fires".to_owned(),
            (None, None, None) => "was told that it fires, and is to be told that it is over".to_owned(),
        }
    }

    /// Who is told next if nobody acknowledges.
    fn escalation_story(&self, route: &Route, group: &Group, labels: &Labels) -> Option<String> {
        let step = route.escalation.get(group.escalated)?;
        let since = group.told_since?;
        let fingerprint = labels.fingerprint();
        self.alerts.get(&fingerprint).filter(|stored| !stored.done)?;
        Some(match self.acks.get(&fingerprint) {
            Some(ack) => format!("{} is not told: acknowledged by {}", step.receiver, ack.by),
            None => {
                format!("{} is told at {} unless somebody acknowledges", step.receiver, since + step.after)
            }
        })
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
        let lane = self.lanes.get(&entry.integration);
        let mut text =
            format!("has a message waiting since {}, tried {} times", entry.first_at, entry.attempts);
        if let Some(error) = &entry.last_error {
            let word = if entry.refused { "refused" } else { "last error" };
            let _ = write!(text, ", {word}: {error}");
        }
        if entry.replaced > 0 {
            let _ = write!(text, ", replaces {} undelivered", entry.replaced);
        }
        if let Some(until) = lane.and_then(|lane| lane.held_until) {
            let _ = write!(text, ", its circuit breaker is open until {until}");
        }
        if lane.is_some_and(Lane::is_exhausted) {
            text.push_str(", held back by the rate limit");
        }
        if entry.fallback_done {
            text.push_str(", the fallback receiver was told instead");
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
        let member = group.and_then(|_| self.member(fp, false, &self.quieting(route, now), now));
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

/// Why somebody who is to be told has not been yet.
fn waiting_verdict(group: &Group) -> String {
    let why = match group.flushed {
        true => "changes wait for the interval of its group (group_interval)",
        false => "the first wait of its group (group_wait) is not over",
    };
    format!("is to be told at {}: {why}", group.next)
}

impl Explanation {
    /// Gives every explanation what `records` (of the ledger, oldest first) have about it.
    pub fn tell_history(explanations: &mut [Self], records: &[Record]) {
        let places: HashMap<Fingerprint, usize> =
            explanations.iter().enumerate().map(|(place, alert)| (alert.fingerprint, place)).collect();
        // An attempt names its message and not its alerts.
        let mut messages: HashMap<&str, Vec<usize>> = HashMap::new();
        for record in records.iter().filter(|record| !record.message.is_empty()) {
            let about = messages.entry(&record.message).or_default();
            about.extend(record.alert_fingerprints().filter_map(|fp| places.get(&fp)));
        }
        for record in records {
            let mut about: BTreeSet<usize> =
                record.alert_fingerprints().filter_map(|fp| places.get(&fp).copied()).collect();
            about.extend(messages.get(&*record.message).into_iter().flatten());
            for place in about {
                explanations[place].history.push(record.clone());
            }
        }
    }

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
            lines.extend(route.escalation.iter().map(|next| format!("    then {next}")));
        }
        lines.extend(self.history.iter().map(|record| format!("  {record}")));
        lines
    }
}
