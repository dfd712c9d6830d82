//! `inhibit_rules:`: while a source alert fires, matching target alerts are not told of.

use std::sync::Arc;

use breakwatch_model::{MatchOp, Matcher};
use breakwatch_plugin_api::{Diagnostics, Node, Section};

use super::matchers::{Keys, read as read_matchers};
use crate::transition::BREAKER_ALERT;

/// One rule.
#[derive(Clone, Debug)]
pub struct InhibitRule {
    /// Alerts that keep others quiet.
    pub source: Vec<Matcher>,
    /// Alerts that are kept quiet.
    pub target: Vec<Matcher>,
    /// Labels that must be equal in both; absent in both counts as equal.
    pub equal: Vec<Arc<str>>,
    /// One of the rules that are always there: its sources are breakers' own alerts (not rule alerts that happen to
    /// have their name), its targets everything else, and it holds on for a while after its source has ended: see
    /// [`crate::LINGER`].
    pub shipped: bool,
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
            source: vec![Matcher::equal("alertname", BREAKER_ALERT)],
            target: other.into_iter().chain(equal.iter().filter_map(not_empty)).collect(),
            equal: equal.iter().map(|name| Arc::from(*name)).collect(),
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
    let rule = InhibitRule {
        source: read_matchers(&mut section, &source),
        target: read_matchers(&mut section, &target),
        equal: section.strings("equal").unwrap_or_default().into_iter().map(Arc::from).collect(),
        shipped: false,
    };
    section.finish();
    Some(rule)
}
