//! The alerting configuration: an Alertmanager configuration with a few additions, inline or a whole file.
//!
//! Unknown keys and everything Alertmanager refuses are errors at their line and column, all found in one run.
//! The settings of an integration stay a [`Node`]: the notifier that sends reads them, the router never does.
//! Additions to Alertmanager's form: in a receiver `fallback`, `fallback_after`, `transitions`, `rate_limit`; in a
//! route `escalation`; at the top `maintenance` and `default_inhibit_rules`.

mod global;
mod inhibit;
mod maintenance;
mod matchers;
mod receiver;
mod render;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::Timestamp;
use breakwatch_plugin_api::{Diagnostics, Node, Place, Section};

pub use inhibit::{InhibitRule, Sources};
pub use maintenance::{Maintenance, Recurrence};
pub use receiver::{Integration, RateLimit, Receiver, Transitions};
pub use route::{EscalationStep, GroupBy, Route};

use crate::time_interval::{TimeInterval, any_contains};

/// How long an alert that came without an end is believed, unless it is confirmed again (Alertmanager's default).
pub(crate) const DEFAULT_RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);

/// The receiver of the default configuration. It has no integrations: alerts are shown, nobody is told.
const DEFAULT_RECEIVER: &str = "default";

/// A kind of integration that this build has: the key of the notifier table and its list in a receiver.
#[derive(Clone, Copy, Debug)]
pub struct IntegrationKind {
    /// `slack`.
    pub kind: &'static str,
    /// `slack_configs`.
    pub section: &'static str,
}

/// A checked alerting configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `global:` mapping as written, for the notifiers' defaults.
    pub global: Option<Node>,
    /// How long an alert without an end is believed.
    pub resolve_timeout: Duration,
    /// The root of the routing tree, inherited settings filled in.
    pub route: Route,
    /// Which alerts keep which others quiet.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Named recurring times.
    pub time_intervals: BTreeMap<Arc<str>, Vec<TimeInterval>>,
    /// Named destinations, in the order written.
    pub receivers: Vec<Receiver>,
    /// Patterns of the template files.
    pub templates: Vec<String>,
    /// Recurring silences.
    pub maintenance: Vec<Maintenance>,
    source: Option<Node>,
}

impl Config {
    /// What applies without an `alerting:` section: alerts are grouped by check and nobody is told.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            global: None,
            resolve_timeout: DEFAULT_RESOLVE_TIMEOUT,
            route: Route::root(DEFAULT_RECEIVER),
            inhibit_rules: InhibitRule::shipped(),
            time_intervals: BTreeMap::new(),
            receivers: vec![Receiver::without_integrations(DEFAULT_RECEIVER)],
            templates: Vec::new(),
            maintenance: Vec::new(),
            source: None,
        }
    }

    /// Reads an `alerting:` section or a whole Alertmanager file. `kinds` are the integrations that are built.
    /// Every mistake is reported; `None` if there was one.
    #[must_use]
    pub fn read(node: &Node, kinds: &[IntegrationKind], diagnostics: &Diagnostics) -> Option<Self> {
        if node.is_null() {
            return Some(Self::empty());
        }
        let before = error_count(diagnostics);
        let mut section = Section::open(node, diagnostics)?;
        let global = section.get("global");
        let resolve_timeout = global.and_then(|node| global::read(node, diagnostics));
        let time_intervals = read_time_intervals(&mut section);
        let receivers = receiver::read_all(section.get("receivers"), kinds, diagnostics);
        let names = route::Names { receivers: &receivers, time_intervals: &time_intervals };
        let route = route::read_root(&mut section, &names);
        let mut inhibit_rules = inhibit::read_all(section.get("inhibit_rules"), diagnostics);
        if section.bool("default_inhibit_rules").unwrap_or(true) {
            inhibit_rules.extend(InhibitRule::shipped());
        }
        let templates = section.strings("templates").unwrap_or_default();
        let maintenance = maintenance::read_all(section.get("maintenance"), diagnostics);
        section.finish();
        let config = Self {
            global: global.cloned(),
            resolve_timeout: resolve_timeout.unwrap_or(DEFAULT_RESOLVE_TIMEOUT),
            route: route?,
            inhibit_rules,
            time_intervals,
            receivers,
            templates,
            maintenance,
            source: Some(node.clone()),
        };
        (error_count(diagnostics) == before).then_some(config)
    }

    /// The configuration as Alertmanager YAML with secrets as `<secret>`: what `amtool` reads. Our additions and
    /// integrations Alertmanager does not know are left out.
    #[must_use]
    pub fn to_alertmanager_yaml(&self) -> String {
        render::render(self)
    }

    /// What in the configuration keeps a route quiet at a moment, in words: the time intervals.
    #[must_use]
    pub fn muted_by_time(&self, route: &Route, at: Timestamp) -> Option<String> {
        let holds = |name: &&Arc<str>| {
            self.time_intervals.get(*name).is_some_and(|intervals| any_contains(intervals, at))
        };
        if let Some(name) = route.mute_time_intervals.iter().find(holds) {
            return Some(format!("muted by time interval {name}"));
        }
        let active = &route.active_time_intervals;
        if !active.is_empty() && !active.iter().any(|name| holds(&name)) {
            return Some(format!("outside of the active time intervals {}", active.join(", ")));
        }
        None
    }

    /// A receiver by name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| &*receiver.name == name)
    }

    /// An integration by its key, `receiver/slack[0]`.
    #[must_use]
    pub fn integration(&self, key: &str) -> Option<(&Receiver, &Arc<Integration>)> {
        let mut all = self.receivers.iter().flat_map(|r| r.integrations.iter().map(move |i| (r, i)));
        all.find(|(_, integration)| &*integration.key == key)
    }
}

fn error_count(diagnostics: &Diagnostics) -> usize {
    diagnostics.error_count()
}

/// Reads `time_intervals:` and its older name `mute_time_intervals:`.
fn read_time_intervals(section: &mut Section<'_>) -> BTreeMap<Arc<str>, Vec<TimeInterval>> {
    let mut all = BTreeMap::new();
    for key in ["time_intervals", "mute_time_intervals"] {
        let Some(list) = section.get(key) else { continue };
        for item in items(list, section.diagnostics()) {
            let Some((name, place, intervals)) = read_time_interval(item, section.diagnostics()) else {
                continue;
            };
            if all.insert(Arc::clone(&name), intervals).is_some() {
                section.diagnostics().error(&place, format!("time interval {name:?} is not unique"));
            }
        }
    }
    all
}

fn read_time_interval(
    node: &Node,
    diagnostics: &Diagnostics,
) -> Option<(Arc<str>, Place, Vec<TimeInterval>)> {
    let mut section = Section::open(node, diagnostics)?;
    let name = section.required_string("name").filter(|name| !name.is_empty());
    let list = section.get("time_intervals");
    section.finish();
    let elements = list.map(|list| items(list, diagnostics)).unwrap_or_default();
    let intervals = elements.iter().filter_map(|element| TimeInterval::read(element, diagnostics)).collect();
    Some((name?.into(), node.place.clone(), intervals))
}

/// The items of a list; anything else is reported and counts as empty.
fn items<'n>(node: &'n Node, diagnostics: &Diagnostics) -> &'n [Node] {
    node.as_list().unwrap_or_else(|| {
        if !node.is_null() {
            diagnostics.error(&node.place, format!("expected a list, found {}", node.describe()));
        }
        &[]
    })
}
