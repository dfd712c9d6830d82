//! Inhibition: an alert that fires keeps others quiet.
//!
//! Sources are indexed by the values of the labels that must be equal, so that asking costs one look-up per rule
//! however many sources there are.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use breakwatch_model::{Fingerprint, Labels, Matcher, Timestamp};

use crate::alert::StoredAlert;
use crate::config::{InhibitRule, Sources};
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
    target: Vec<Matcher>,
    shipped: bool,
    sources: Vec<Index>,
}

/// The sources of one kind.
#[derive(Debug)]
struct Index {
    kind: Sources,
    /// By the values of the labels that must be equal.
    found: HashMap<Vec<String>, BTreeMap<Fingerprint, Source>>,
}

#[derive(Debug)]
struct Source {
    labels: Labels,
    /// Up to when it inhibits.
    until: Timestamp,
}

impl Inhibitor {
    pub(crate) fn new(rules: &[InhibitRule]) -> Self {
        let index = |kind: &Sources| Index { kind: kind.clone(), found: HashMap::new() };
        let rule = |rule: &InhibitRule| Indexed {
            target: rule.target.clone(),
            shipped: rule.shipped,
            sources: rule.sources.iter().map(index).collect(),
        };
        Self { rules: rules.iter().map(rule).collect() }
    }

    /// Notes an alert, or its end.
    pub(crate) fn note(&mut self, stored: &StoredAlert) {
        let labels = &stored.alert.labels;
        let fingerprint = labels.fingerprint();
        for rule in &mut self.rules {
            let linger = if rule.shipped { LINGER } else { Duration::ZERO };
            let until = stored.alert.ends_at.map_or(Timestamp::MAX, |end| end + linger);
            for index in &mut rule.sources {
                if is_source(rule.shipped, &index.kind, labels, stored.breaker().is_some()) {
                    let source = Source { labels: labels.clone(), until };
                    index.found.entry(index.kind.key(labels)).or_default().insert(fingerprint, source);
                }
            }
        }
    }

    /// The wall clock was moved by so many milliseconds.
    pub(crate) fn clock_jumped(&mut self, by: i64) {
        let indexes = self.rules.iter_mut().flat_map(|rule| &mut rule.sources);
        for source in indexes.flat_map(|index| index.found.values_mut()).flat_map(BTreeMap::values_mut) {
            if source.until < Timestamp::MAX {
                source.until = Timestamp(source.until.0.saturating_add(by));
            }
        }
    }

    /// Forgets an alert.
    pub(crate) fn forget(&mut self, labels: &Labels) {
        let fingerprint = labels.fingerprint();
        for index in self.rules.iter_mut().flat_map(|rule| &mut rule.sources) {
            let key = index.kind.key(labels);
            if let Some(sources) = index.found.get_mut(&key) {
                sources.remove(&fingerprint);
                if sources.is_empty() {
                    index.found.remove(&key);
                }
            }
        }
    }

    /// The first alert that keeps this one quiet.
    pub(crate) fn inhibited_by(&self, stored: &StoredAlert, now: Timestamp) -> Option<Fingerprint> {
        let (labels, breaker) = (&stored.alert.labels, stored.breaker().is_some());
        self.rules.iter().find_map(|rule| rule.inhibited_by(labels, breaker, now))
    }
}

impl Indexed {
    fn is_target(&self, labels: &Labels, breaker: bool) -> bool {
        if !self.shipped {
            return all_match(&self.target, labels);
        }
        let mut equal = self.sources.iter().flat_map(|index| &index.kind.equal);
        !breaker && equal.all(|name| labels.get(name).is_some())
    }

    /// The first source, if there is one of every kind.
    fn inhibited_by(&self, labels: &Labels, breaker: bool, now: Timestamp) -> Option<Fingerprint> {
        if !self.is_target(labels, breaker) {
            return None;
        }
        let mut found = self.sources.iter().map(|index| self.source(index, labels, breaker, now));
        let first = found.next()??;
        found.all(|other| other.is_some()).then_some(first)
    }

    fn source(&self, index: &Index, labels: &Labels, breaker: bool, now: Timestamp) -> Option<Fingerprint> {
        let sources = index.found.get(&index.kind.key(labels))?;
        // An alert that is both source and target is not inhibited by another such alert, nor by itself. A shipped
        // rule's sources are never targets.
        let both = !self.shipped && is_source(false, &index.kind, labels, breaker);
        let holds =
            |source: &Source| source.until > now && !(both && all_match(&self.target, &source.labels));
        sources.iter().find(|(_, source)| holds(source)).map(|(fingerprint, _)| *fingerprint)
    }
}

/// A shipped rule's sources are the alerts of breakers, whatever their labels.
fn is_source(shipped: bool, kind: &Sources, labels: &Labels, breaker: bool) -> bool {
    if shipped { breaker } else { all_match(&kind.matchers, labels) }
}

impl Sources {
    fn key(&self, labels: &Labels) -> Vec<String> {
        self.equal.iter().map(|name| labels.value(name).to_owned()).collect()
    }
}
