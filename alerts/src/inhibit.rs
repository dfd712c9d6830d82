//! Inhibition: an alert that fires keeps others quiet.
//!
//! Sources are indexed by the values of the labels that must be equal, so that asking costs one look-up per rule
//! however many sources there are.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use breakwatch_model::{Fingerprint, Labels, Timestamp};

use crate::alert::StoredAlert;
use crate::config::InhibitRule;
use crate::matchers::all_match;

/// How long the shipped rules hold on after its source ended. A check's breaker closes at the first good run; rules
/// over the same check need an evaluation or two (30 s each at most, and a stale look-back) to see it, and must not
/// page in between.
pub const LINGER: Duration = Duration::from_secs(120);

/// Who inhibits whom, kept up to date alert by alert.
#[derive(Debug, Default)]
pub(crate) struct Inhibitor {
    rules: Vec<Indexed>,
}

#[derive(Debug)]
struct Indexed {
    rule: InhibitRule,
    /// By the values of the labels that must be equal: the sources and their ends.
    sources: HashMap<Vec<String>, BTreeMap<Fingerprint, Source>>,
}

#[derive(Debug)]
struct Source {
    labels: Labels,
    /// Up to when it inhibits.
    until: Timestamp,
}

impl Inhibitor {
    pub(crate) fn new(rules: &[InhibitRule]) -> Self {
        let index = |rule: &InhibitRule| Indexed { rule: rule.clone(), sources: HashMap::new() };
        Self { rules: rules.iter().map(index).collect() }
    }

    /// Notes an alert, or its end.
    pub(crate) fn note(&mut self, stored: &StoredAlert) {
        let labels = &stored.alert.labels;
        let fingerprint = labels.fingerprint();
        for indexed in &mut self.rules {
            if !indexed.is_source(labels, stored.breaker().is_some()) {
                continue;
            }
            let linger = if indexed.rule.shipped { LINGER } else { Duration::ZERO };
            let until = stored.alert.ends_at.map_or(Timestamp::MAX, |end| end + linger);
            let source = Source { labels: labels.clone(), until };
            indexed.sources.entry(indexed.rule.key(labels)).or_default().insert(fingerprint, source);
        }
    }

    /// Forgets an alert.
    pub(crate) fn forget(&mut self, labels: &Labels) {
        let fingerprint = labels.fingerprint();
        for indexed in &mut self.rules {
            let key = indexed.rule.key(labels);
            if let Some(sources) = indexed.sources.get_mut(&key) {
                sources.remove(&fingerprint);
                if sources.is_empty() {
                    indexed.sources.remove(&key);
                }
            }
        }
    }

    /// The first alert that keeps this one quiet.
    pub(crate) fn inhibited_by(&self, stored: &StoredAlert, now: Timestamp) -> Option<Fingerprint> {
        let (labels, breaker) = (&stored.alert.labels, stored.breaker().is_some());
        self.rules.iter().find_map(|indexed| indexed.inhibited_by(labels, breaker, now))
    }
}

impl Indexed {
    fn is_source(&self, labels: &Labels, breaker: bool) -> bool {
        if self.rule.shipped { breaker } else { all_match(&self.rule.source, labels) }
    }

    fn is_target(&self, labels: &Labels, breaker: bool) -> bool {
        if !self.rule.shipped {
            return all_match(&self.rule.target, labels);
        }
        !breaker && self.rule.equal.iter().all(|name| labels.get(name).is_some())
    }

    fn inhibited_by(&self, labels: &Labels, breaker: bool, now: Timestamp) -> Option<Fingerprint> {
        if !self.is_target(labels, breaker) {
            return None;
        }
        let sources = self.sources.get(&self.rule.key(labels))?;
        // An alert that is both source and target is not inhibited by another such alert, nor by itself. A shipped
        // rule's sources are never targets.
        let both = !self.rule.shipped && self.is_source(labels, breaker);
        let holds =
            |source: &Source| source.until > now && !(both && all_match(&self.rule.target, &source.labels));
        sources.iter().find(|(_, source)| holds(source)).map(|(fingerprint, _)| *fingerprint)
    }
}

impl InhibitRule {
    fn key(&self, labels: &Labels) -> Vec<String> {
        self.equal.iter().map(|name| labels.value(name).to_owned()).collect()
    }
}
