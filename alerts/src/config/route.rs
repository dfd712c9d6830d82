//! `route:`: the tree that says who is told of an alert and how alerts are grouped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, Matcher};
use breakwatch_plugin_api::{Diagnostics, Node, Section, nearest};

use super::Receiver;
use super::matchers::{Keys, read as read_matchers};
use crate::matchers::all_match;
use crate::time_interval::TimeInterval;

/// Alertmanager's defaults.
const GROUP_WAIT: Duration = Duration::from_secs(30);
const GROUP_INTERVAL: Duration = Duration::from_secs(300);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 3600);

/// The deepest tree that is read; matching walks the tree recursively.
const MAX_DEPTH: usize = 64;

/// Which labels form a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupBy {
    /// Every label: each alert is a group of its own (`['...']`).
    All,
    /// These labels.
    Labels(Vec<Arc<str>>),
}

impl GroupBy {
    /// The part of an alert's labels that names its group.
    #[must_use]
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match self {
            Self::All => labels.clone(),
            Self::Labels(names) => labels.filtered(|name| names.iter().any(|n| &**n == name)),
        }
    }
}

/// A further receiver that is told when nobody has acknowledged in time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EscalationStep {
    /// After the group's first message.
    pub after: Duration,
    /// Who is told.
    pub receiver: Arc<str>,
}

/// A node of the tree with everything it inherits filled in.
#[derive(Clone, Debug)]
pub struct Route {
    /// What an alert must match to come here.
    pub matchers: Vec<Matcher>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// How alerts are grouped.
    pub group_by: GroupBy,
    /// Whether later siblings are tried too.
    pub goes_on: bool,
    /// How long a new group waits for more alerts before its first message.
    pub group_wait: Duration,
    /// How long a group waits before it tells of a change.
    pub group_interval: Duration,
    /// How long until the same message is sent again.
    pub repeat_interval: Duration,
    /// Time intervals in which nothing is sent.
    pub mute_time_intervals: Vec<Arc<str>>,
    /// Time intervals outside which nothing is sent; empty means always.
    pub active_time_intervals: Vec<Arc<str>>,
    /// Who else is told when nobody acknowledges, in order of time.
    pub escalation: Vec<EscalationStep>,
    /// Alertmanager's key: the matchers on the way from the root, `{}/{severity="page"}`.
    pub key: Arc<str>,
    /// The key, made unique among routes with equal matchers. Stable when other routes are added or removed.
    pub id: Arc<str>,
    /// Children, tried in order.
    pub routes: Vec<Self>,
}

impl Route {
    /// A root with the defaults. Breakers' and checks' alerts carry `check`; alerts without it form one group, as
    /// Alertmanager's default has it.
    pub(super) fn root(receiver: &str) -> Self {
        Self {
            matchers: Vec::new(),
            receiver: receiver.into(),
            group_by: GroupBy::Labels(vec!["check".into()]),
            goes_on: false,
            group_wait: GROUP_WAIT,
            group_interval: GROUP_INTERVAL,
            repeat_interval: REPEAT_INTERVAL,
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            escalation: Vec::new(),
            key: "{}".into(),
            id: "{}".into(),
            routes: Vec::new(),
        }
    }

    /// The routes that handle an alert with these labels: the deepest matching ones, in order.
    #[must_use]
    pub fn matching(&self, labels: &Labels) -> Vec<&Self> {
        if !all_match(&self.matchers, labels) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for child in &self.routes {
            let below = child.matching(labels);
            let matched = !below.is_empty();
            found.extend(below);
            if matched && !child.goes_on {
                break;
            }
        }
        if found.is_empty() {
            found.push(self);
        }
        found
    }

    /// This route and all below it.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut stack = vec![self];
        std::iter::from_fn(move || {
            let next = stack.pop()?;
            stack.extend(next.routes.iter().rev());
            Some(next)
        })
    }
}

/// Names a route may refer to.
pub(super) struct Names<'a> {
    pub(super) receivers: &'a [Receiver],
    pub(super) time_intervals: &'a BTreeMap<Arc<str>, Vec<TimeInterval>>,
}

/// Reads the tree.
pub(super) fn read_root(section: &mut Section<'_>, names: &Names<'_>) -> Option<Route> {
    let diagnostics = section.diagnostics();
    let Some(node) = section.get("route") else {
        diagnostics.error(&section.node().place, "no route provided in config");
        return None;
    };
    let mut keys = HashMap::new();
    let parent = Route::root("");
    let route = read(node, &parent, 0, names, &mut keys, diagnostics)?;
    if !route.matchers.is_empty() {
        diagnostics.error(&node.place, "root route must not have any matchers");
    }
    if route.receiver.is_empty() && node.get("receiver").is_none_or(Node::is_null) {
        diagnostics.error(&node.place, "root route must specify a default receiver");
    }
    for (key, list) in [("mute", &route.mute_time_intervals), ("active", &route.active_time_intervals)] {
        if !list.is_empty() {
            diagnostics.error(&node.place, format!("root route must not have any {key} time intervals"));
        }
    }
    if route.goes_on {
        diagnostics.error(&node.place, "cannot have continue in root route");
    }
    Some(route)
}

fn read(
    node: &Node,
    parent: &Route,
    depth: usize,
    names: &Names<'_>,
    keys: &mut HashMap<String, usize>,
    diagnostics: &Diagnostics,
) -> Option<Route> {
    if depth > MAX_DEPTH {
        diagnostics.error(&node.place, format!("routes are nested more than {MAX_DEPTH} deep"));
        return None;
    }
    let mut section = Section::open(node, diagnostics)?;
    let matchers =
        read_matchers(&mut section, &Keys { equal: "match", pattern: "match_re", list: "matchers" });
    let key = match depth {
        0 => "{}".to_owned(),
        _ => format!("{}/{}", parent.key, crate::text::matchers(&matchers)),
    };
    let nth = keys.entry(key.clone()).and_modify(|count| *count += 1).or_insert(1);
    let id = if *nth == 1 { key.clone() } else { format!("{key}#{nth}") };
    let mut route = Route {
        matchers,
        receiver: read_receiver(&mut section, "receiver", names)
            .unwrap_or_else(|| Arc::clone(&parent.receiver)),
        group_by: read_group_by(&mut section).unwrap_or_else(|| parent.group_by.clone()),
        goes_on: section.bool("continue").unwrap_or(false),
        group_wait: section.duration_or_zero("group_wait").unwrap_or(parent.group_wait),
        group_interval: positive(&mut section, "group_interval").unwrap_or(parent.group_interval),
        repeat_interval: positive(&mut section, "repeat_interval").unwrap_or(parent.repeat_interval),
        mute_time_intervals: read_intervals(&mut section, "mute_time_intervals", names),
        active_time_intervals: read_intervals(&mut section, "active_time_intervals", names),
        escalation: read_escalation(&mut section, names).unwrap_or_else(|| parent.escalation.clone()),
        key: key.into(),
        id: id.into(),
        routes: Vec::new(),
    };
    let children = section.get("routes").map(|list| super::items(list, diagnostics)).unwrap_or_default();
    section.finish();
    let read_child = |child| read(child, &route, depth + 1, names, keys, diagnostics);
    route.routes = children.iter().filter_map(read_child).collect();
    Some(route)
}

fn positive(section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
    let duration = section.duration_or_zero(key)?;
    if duration.is_zero() {
        section.error_at(key, format!("{key} cannot be zero"));
    }
    Some(duration)
}

fn read_receiver(section: &mut Section<'_>, key: &'static str, names: &Names<'_>) -> Option<Arc<str>> {
    let name = section.string(key).filter(|name| !name.is_empty())?;
    let known = || names.receivers.iter().map(|receiver| &*receiver.name);
    if !known().any(|known| known == name) {
        report_undefined(
            section,
            key,
            &format!("undefined receiver {name:?} used in route"),
            nearest(&name, known()),
        );
    }
    Some(name.into())
}

fn read_intervals(section: &mut Section<'_>, key: &'static str, names: &Names<'_>) -> Vec<Arc<str>> {
    let chosen = section.strings(key).unwrap_or_default();
    for name in &chosen {
        if !names.time_intervals.contains_key(name.as_str()) {
            let near = nearest(name, names.time_intervals.keys().map(|known| &**known));
            report_undefined(section, key, &format!("undefined time interval {name:?} used in route"), near);
        }
    }
    chosen.into_iter().map(Arc::from).collect()
}

fn report_undefined(section: &Section<'_>, key: &str, message: &str, near: Option<&str>) {
    let place = section.node().get(key).map_or(&section.node().place, |node| &node.place);
    match near {
        Some(near) => {
            section.diagnostics().error_with_help(place, message, format!("did you mean `{near}`?"));
        }
        None => section.diagnostics().error(place, message),
    }
}

fn read_group_by(section: &mut Section<'_>) -> Option<GroupBy> {
    let names = section.strings("group_by")?;
    let mut labels: Vec<Arc<str>> = Vec::new();
    for name in &names {
        if labels.iter().any(|known| **known == **name) {
            section.error_at("group_by", format!("duplicated label {name:?} in group_by"));
        } else if name.is_empty() {
            section.error_at("group_by", "invalid label name \"\" in group_by list");
        }
        labels.push(name.as_str().into());
    }
    let all = names.iter().any(|name| name == "...");
    if all && names.len() > 1 {
        let message = "cannot have wildcard group_by (`...`) and other labels at the same time";
        section.error_at("group_by", message);
    }
    Some(if all { GroupBy::All } else { GroupBy::Labels(labels) })
}

fn read_escalation(section: &mut Section<'_>, names: &Names<'_>) -> Option<Vec<EscalationStep>> {
    let list = section.get("escalation")?;
    let diagnostics = section.diagnostics();
    let read_step = |item: &Node| {
        let mut step = Section::open(item, diagnostics)?;
        step.required("after");
        step.required("receiver");
        let after = step.duration_or_zero("after");
        let receiver = read_receiver(&mut step, "receiver", names);
        step.finish();
        Some(EscalationStep { after: after?, receiver: receiver? })
    };
    let mut steps: Vec<EscalationStep> =
        super::items(list, diagnostics).iter().filter_map(read_step).collect();
    steps.sort_by_key(|step| step.after);
    Some(steps)
}
