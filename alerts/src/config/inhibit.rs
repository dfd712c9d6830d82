//! `inhibit_rules:`: while a source alert fires, matching target alerts are not told of.

use std::sync::Arc;

use breakwatch_model::{MatchOp, Matcher};
use breakwatch_plugin_api::{Diagnostics, Node, Section};

use super::matchers::{Keys, read as read_matchers};
use crate::transition::BREAKER_ALERT;

/// One rule.
#[derive(Clone, Debug)]
pub struct InhibitRule {
    /// Alerts that keep others quiet: of every kind one has to fire. Usually there is one kind.
    pub sources: Vec<Sources>,
    /// Alerts that are kept quiet.
    pub target: Vec<Matcher>,
    /// One of the rules that are always there: its sources are breakers' own alerts (not rule alerts that happen to
    /// have their name), its targets everything else, and it holds on for a while after its source has ended: see
    /// [`crate::LINGER`].
    pub shipped: bool,
}

/// One kind of alerts that keep others quiet.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Which.
    pub matchers: Vec<Matcher>,
    /// Labels that must be equal in source and target; absent in both counts as equal.
    pub equal: Vec<Arc<str>>,
}

impl InhibitRule {
    /// The rules that are always there: a breaker's alert keeps the rule alerts of the same check, or of the same
    /// breaker, quiet, so that one outage pages once.
    #[must_use]
    pub fn shipped() -> Vec<Self> {
        [["check"].as_slice(), &["kind", "name"]].into_iter().map(Self::by_breaker).collect()
    }

    fn by_breaker(equal: &[&'static str]) -> Self {
        let not_empty = |name: &&'static str| Matcher::new(MatchOp::NotEqual, *name, "").ok();
        // Alertmanager knows no origins: to it, and to a reader of the rendered rule, the name stands for the breaker.
        let other = Matcher::new(MatchOp::NotEqual, "alertname", BREAKER_ALERT).ok();
        Self {
            sources: vec![Sources {
                matchers: vec![Matcher::equal("alertname", BREAKER_ALERT)],
                equal: equal.iter().map(|name| Arc::from(*name)).collect(),
            }],
            target: other.into_iter().chain(equal.iter().filter_map(not_empty)).collect(),
            shipped: true,
        }
    }
}

/// Reads the list.
pub(super) fn read_all(node: Option<&Node>, diagnostics: &Diagnostics) -> Vec<InhibitRule> {
    let items = node.map(|node| super::items(node, diagnostics)).unwrap_or_default();
    items.iter().filter_map(|item| read(item, diagnostics)).collect()
}

fn read(node: &Node, diagnostics: &Diagnostics) -> Option<InhibitRule> {
    let mut section = Section::open(node, diagnostics)?;
    section.allow(["name"]);
    let source = Keys { equal: "source_match", pattern: "source_match_re", list: "source_matchers" };
    let target = Keys { equal: "target_match", pattern: "target_match_re", list: "target_matchers" };
    let one = Sources { matchers: read_matchers(&mut section, &source), equal: equal(&mut section) };
    let several = section.get("sources");
    let sources = match several {
        None => vec![one],
        Some(node) => {
            if !one.matchers.is_empty() || !one.equal.is_empty() {
                section.error_at(
                    "sources",
                    "stands in the place of `source_matchers` and `equal`: move them into it",
                );
            }
            super::items(node, diagnostics)
                .iter()
                .filter_map(|item| read_sources(item, diagnostics))
                .collect()
        }
    };
    let rule = InhibitRule { sources, target: read_matchers(&mut section, &target), shipped: false };
    section.finish();
    Some(rule)
}

/// An item of `sources:`, as newer Alertmanagers have it.
fn read_sources(node: &Node, diagnostics: &Diagnostics) -> Option<Sources> {
    let mut section = Section::open(node, diagnostics)?;
    let keys = Keys { equal: "match", pattern: "match_re", list: "matchers" };
    let mut matchers = read_matchers(&mut section, &keys);
    if let Some(list) = section.get("source_matchers") {
        matchers.extend(super::matchers::from_list(list, diagnostics));
    }
    let sources = Sources { matchers, equal: equal(&mut section) };
    section.finish();
    Some(sources)
}

fn equal(section: &mut Section<'_>) -> Vec<Arc<str>> {
    section.strings("equal").unwrap_or_default().into_iter().map(Arc::from).collect()
}
