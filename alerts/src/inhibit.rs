//! Inhibition: an alert that fires keeps others quiet.
//!
//! Sources are indexed by the values of the labels that must be equal, so that asking costs one look-up per rule
//! however many sources there are.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use breakwatch_model::{Fingerprint, Labels, Timestamp};

use crate::config::InhibitRule;
use crate::matchers::all_match;

/// How long the shipped rule holds on after its source ended. A check's breaker closes at the first good run; rules
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
    pub(crate) fn note(&mut self, labels: &Labels, ends_at: Option<Timestamp>) {
        let fingerprint = labels.fingerprint();
        for indexed in &mut self.rules {
            if !all_match(&indexed.rule.source, labels) {
                continue;
            }
            let linger = if indexed.rule.lingers { LINGER } else { Duration::ZERO };
            let until = ends_at.map_or(Timestamp::MAX, |end| end + linger);
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

    /// The first alert that keeps one with these labels quiet.
    pub(crate) fn inhibited_by(&self, labels: &Labels, now: Timestamp) -> Option<Fingerprint> {
        self.rules.iter().find_map(|indexed| indexed.inhibited_by(labels, now))
    }
}

impl Indexed {
    fn inhibited_by(&self, labels: &Labels, now: Timestamp) -> Option<Fingerprint> {
        if !all_match(&self.rule.target, labels) {
            return None;
        }
        let sources = self.sources.get(&self.rule.key(labels))?;
        // An alert that is both source and target is not inhibited by another such alert, nor by itself.
        let both = all_match(&self.rule.source, labels);
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
