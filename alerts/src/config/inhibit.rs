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
    /// Whether the rule holds on for a while after its source has ended: see [`crate::inhibit::LINGER`].
    pub lingers: bool,
}

impl InhibitRule {
    /// The rule that is always there: a breaker's alert keeps the rule alerts of the same check quiet, so that
    /// one outage pages once.
    #[must_use]
    pub fn shipped() -> Self {
        // The pattern is a constant; were it refused, the rule would name no check at all.
        let any_check = Matcher::new(MatchOp::Regex, "check", ".+").unwrap_or(Matcher::equal("check", "-"));
        let not_breaker = Matcher::new(MatchOp::NotEqual, "alertname", BREAKER_ALERT)
            .unwrap_or(Matcher::equal("alertname", ""));
        Self {
            source: vec![Matcher::equal("alertname", BREAKER_ALERT)],
            target: vec![not_breaker, any_check],
            equal: vec!["check".into()],
            lingers: true,
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
        lingers: false,
    };
    section.finish();
    Some(rule)
}
