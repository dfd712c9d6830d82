//! Rule files, read strictly: what Prometheus refuses is refused, at its line and column.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, METRIC_NAME, MatchOp};
use breakwatch_plugin_api::{Diagnostics, Node, Place, Section};
use breakwatch_promql::{Engine, Prepared};
use breakwatch_template::RuleTemplate;

/// A rule file.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Its path as the user named it.
    pub path: Arc<str>,
    /// Its groups, in order.
    pub groups: Vec<GroupConfig>,
}

/// A group of rules.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// Its name, unique in its file.
    pub name: Arc<str>,
    /// How often it is evaluated; `None`: the default.
    pub interval: Option<Duration>,
    /// How far back its expressions are evaluated; `None`: the default.
    pub query_offset: Option<Duration>,
    /// The most alerts or series a rule may give; 0: no limit.
    pub limit: usize,
    /// Its rules, in order.
    pub rules: Vec<RuleConfig>,
    /// Where it stands.
    pub place: Place,
}

/// A rule.
#[derive(Clone, Debug)]
pub enum RuleConfig {
    /// An alerting rule.
    Alert(AlertConfig),
    /// A recording rule.
    Record(RecordConfig),
}

/// An alerting rule.
#[derive(Clone, Debug)]
pub struct AlertConfig {
    /// The alert's name.
    pub name: Arc<str>,
    /// The condition, prepared.
    pub query: Arc<Prepared>,
    /// How long it must hold before the alert fires.
    pub hold: Duration,
    /// How long the alert goes on firing after it.
    pub keep_firing_for: Duration,
    /// Labels for the alerts, those of the group included.
    pub labels: Vec<(Arc<str>, RuleTemplate)>,
    /// Texts for the alerts.
    pub annotations: Vec<(Arc<str>, RuleTemplate)>,
    /// Where it stands.
    pub place: Place,
}

/// A recording rule.
#[derive(Clone, Debug)]
pub struct RecordConfig {
    /// The name of the series.
    pub name: Arc<str>,
    /// The expression, prepared.
    pub query: Arc<Prepared>,
    /// Labels for the series, those of the group included.
    pub labels: Labels,
    /// Where it stands.
    pub place: Place,
}

impl RuleConfig {
    /// The alert's or series' name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Alert(rule) => &rule.name,
            Self::Record(rule) => &rule.name,
        }
    }

    /// Its labels, texts unexpanded.
    #[must_use]
    pub fn labels(&self) -> Labels {
        match self {
            Self::Alert(rule) => texts(&rule.labels),
            Self::Record(rule) => rule.labels.clone(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Self::Alert(rule) => &rule.place,
            Self::Record(rule) => &rule.place,
        }
    }
}

/// Texts as they were written.
pub(crate) fn texts(templates: &[(Arc<str>, RuleTemplate)]) -> Labels {
    templates.iter().map(|(name, template)| (Arc::clone(name), template.text())).collect()
}

impl RuleFile {
    /// Reads a file. Expressions are prepared by `engine`. Every mistake is reported; `None` if there was one.
    #[must_use]
    pub fn read(path: &str, node: &Node, engine: &Engine, diagnostics: &Diagnostics) -> Option<Self> {
        let before = diagnostics.error_count();
        let mut section = Section::open(node, diagnostics)?;
        let mut reader = Reader { engine, diagnostics, names: HashSet::new() };
        let groups = section.get("groups").map(|list| reader.groups(list)).unwrap_or_default();
        section.finish();
        (diagnostics.error_count() == before).then(|| Self { path: path.into(), groups })
    }
}

impl RuleFile {
    /// The names of the metrics that its expressions read, as far as they are named by an equal sign.
    #[must_use]
    pub fn metric_names(&self) -> BTreeSet<String> {
        let queries = self.groups.iter().flat_map(|group| &group.rules).map(|rule| match rule {
            RuleConfig::Alert(rule) => &rule.query,
            RuleConfig::Record(rule) => &rule.query,
        });
        let selectors = queries.flat_map(|query| query.expr().selectors());
        let names = selectors.flat_map(|selector| &selector.matchers);
        let named = names.filter(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal);
        named.map(|matcher| matcher.value().to_owned()).collect()
    }

    /// The same rules with queries that know no series yet, for use with another store: a prepared query belongs to
    /// the store it was first used with.
    #[must_use]
    pub fn with_fresh_queries(&self, engine: &Engine) -> Self {
        let fresh = |query: &mut Arc<Prepared>| {
            if let Ok(prepared) = engine.prepare(query.text()) {
                *query = Arc::new(prepared);
            }
        };
        let mut file = self.clone();
        for rule in file.groups.iter_mut().flat_map(|group| &mut group.rules) {
            match rule {
                RuleConfig::Alert(rule) => fresh(&mut rule.query),
                RuleConfig::Record(rule) => fresh(&mut rule.query),
            }
        }
        file
    }
}

struct Reader<'a> {
    engine: &'a Engine,
    diagnostics: &'a Diagnostics,
    names: HashSet<String>,
}

/// What a rule's fields are read for: where it stands, in words.
struct Subject {
    group: String,
    number: usize,
    name: String,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "group {:?}, rule {}, {:?}", self.group, self.number, self.name)
    }
}

impl Reader<'_> {
    fn list<'n>(&self, node: &'n Node) -> &'n [Node] {
        node.as_list().unwrap_or_else(|| {
            self.diagnostics.error(&node.place, format!("expected a list, found {}", node.describe()));
            &[]
        })
    }

    fn groups(&mut self, list: &Node) -> Vec<GroupConfig> {
        self.list(list).iter().filter_map(|node| self.group(node)).collect()
    }

    fn group(&mut self, node: &Node) -> Option<GroupConfig> {
        let mut section = Section::open(node, self.diagnostics)?;
        let name = section.string("name").unwrap_or_default();
        if name.is_empty() {
            section.error_at("name", "Groupname must not be empty");
        } else if !self.names.insert(name.clone()) {
            section.error_at("name", format!("groupname: {name:?} is repeated in the same file"));
        }
        let interval = section.duration_or_zero("interval").filter(|interval| !interval.is_zero());
        let query_offset = section.duration_or_zero("query_offset");
        let limit =
            section.parse("limit", |text| text.parse::<i64>().map_err(|_| "a whole number".to_owned()));
        let labels = self.labels(&mut section, "labels", &format!("group {name:?}"));
        let rules = section.get("rules").map(|list| self.list(list)).unwrap_or_default();
        section.finish();
        let read = |(at, rule)| {
            let subject = Subject { group: name.clone(), number: at + 1, name: String::new() };
            self.rule(rule, subject, &labels)
        };
        Some(GroupConfig {
            rules: rules.iter().enumerate().filter_map(read).collect(),
            name: name.as_str().into(),
            interval,
            query_offset,
            // Prometheus takes a negative limit as none.
            limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0),
            place: node.place.clone(),
        })
    }

    /// A mapping of label names to texts, with names and values checked.
    fn labels(&self, section: &mut Section<'_>, key: &'static str, subject: &str) -> Vec<(Arc<str>, String)> {
        let Some(pairs) = section.string_map(key) else { return Vec::new() };
        for (name, _) in &pairs {
            if name.is_empty() || name == METRIC_NAME {
                section.error_at(key, format!("{subject}: invalid label name: {name}"));
            }
        }
        pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }

    fn rule(&self, node: &Node, mut subject: Subject, shared: &[(Arc<str>, String)]) -> Option<RuleConfig> {
        let mut section = Section::open(node, self.diagnostics)?;
        let record = section.string("record").filter(|name| !name.is_empty());
        let alert = section.string("alert").filter(|name| !name.is_empty());
        subject.name = record.as_deref().or(alert.as_deref()).unwrap_or_default().to_owned();
        match (&record, &alert) {
            (Some(_), Some(_)) => {
                section.error_at("alert", format!("{subject}: only one of 'record' and 'alert' must be set"));
            }
            (None, None) => {
                let message = format!("{subject}: one of 'record' or 'alert' must be set");
                self.diagnostics.error(&node.place, message);
            }
            _ => {}
        }
        let query = self.query(&mut section, &subject);
        let own = self.labels(&mut section, "labels", &subject.to_string());
        let labels = merge(shared, own);
        let hold = section.duration_or_zero("for");
        let keep = section.duration_or_zero("keep_firing_for");
        let annotations = section.string_map("annotations").unwrap_or_default();
        if let Some(name) = &record {
            for key in ["annotations", "for", "keep_firing_for"] {
                let set = section.node().get(key).is_some_and(|value| !is_nothing(value));
                if set {
                    section.error_at(key, format!("{subject}: invalid field '{key}' in recording rule"));
                }
            }
            if name.contains(['{', '}']) {
                let hint = "braces present in the recording rule name; should it be in expr?";
                section.error_at("record", format!("{subject}: {hint}: {name}"));
            }
        }
        if let Some(name) = annotations.iter().map(|(name, _)| name).find(|name| name.is_empty()) {
            section.error_at("annotations", format!("{subject}: invalid annotation name: {name}"));
        }
        let place = node.place.clone();
        let rule = match (record, alert) {
            (Some(name), _) => {
                let labels = Labels::from_pairs(labels);
                RuleConfig::Record(RecordConfig { name: name.into(), query: query?, labels, place })
            }
            (None, Some(name)) => RuleConfig::Alert(AlertConfig {
                labels: self.templates(&section, &subject, "labels", "label", labels),
                annotations: self.templates(&section, &subject, "annotations", "annotation", annotations),
                name: name.into(),
                query: query?,
                hold: hold.unwrap_or_default(),
                keep_firing_for: keep.unwrap_or_default(),
                place,
            }),
            (None, None) => return None,
        };
        section.finish();
        Some(rule)
    }

    fn query(&self, section: &mut Section<'_>, subject: &Subject) -> Option<Arc<Prepared>> {
        let node = section.get("expr").filter(|node| !is_nothing(node));
        let Some(node) = node else {
            section.error_at("expr", format!("{subject}: field 'expr' must be set in rule"));
            return None;
        };
        let Some(text) = node.as_str() else {
            self.diagnostics.error(&node.place, format!("expected an expression, found {}", node.describe()));
            return None;
        };
        let prepared = self.engine.prepare(text);
        let report = |error| {
            self.diagnostics.error(&node.place, format!("{subject}: could not parse expression: {error}"));
        };
        prepared.map(Arc::new).map_err(report).ok()
    }

    /// Texts that are expanded for every alert.
    fn templates<N: Into<Arc<str>> + AsRef<str>>(
        &self,
        section: &Section<'_>,
        subject: &Subject,
        key: &str,
        what: &str,
        pairs: impl IntoIterator<Item = (N, String)>,
    ) -> Vec<(Arc<str>, RuleTemplate)> {
        let read = |(name, text): (N, String)| match RuleTemplate::parse(&subject.name, &text) {
            Ok(template) => Some((name.into(), template)),
            Err(error) => {
                let node = section.node().get(key).and_then(|map| map.get(name.as_ref()));
                let place = node.map_or(&section.node().place, |node| &node.place);
                let message = format!("{subject}: {what} {:?}: {error}", name.as_ref());
                self.diagnostics.error(place, message);
                None
            }
        };
        pairs.into_iter().filter_map(read).collect()
    }
}

/// An empty text counts as not written, as in Prometheus.
fn is_nothing(node: &Node) -> bool {
    node.is_null() || node.as_str() == Some("") || node.as_map().is_some_and(<[_]>::is_empty)
}

/// A rule's labels over those of its group.
fn merge(shared: &[(Arc<str>, String)], own: Vec<(Arc<str>, String)>) -> Vec<(Arc<str>, String)> {
    let kept = shared.iter().filter(|(name, _)| !own.iter().any(|(own, _)| own == name)).cloned();
    let mut all: Vec<(Arc<str>, String)> = kept.collect();
    all.extend(own);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}
