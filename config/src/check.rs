//! Checks: the settings every check has, and the hand-over of the rest to the kind's own reader.

pub(crate) mod group;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Impact, Labels};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckEntry, ComponentId, Diagnostics, Field, Key, Node, NodeKind, Place, Section,
    format_duration, nearest,
};

use crate::breaker::{BreakerSettings, BreakerWindow};
use crate::components;
use crate::defaults::Defaults;
use crate::files::base_dir;
use crate::probing::ProbeWhenOpen;
use crate::values;
use group::Group;

/// What a check looks at.
#[derive(Clone)]
pub enum CheckKind {
    /// A kind from the table.
    Probe {
        /// Ready to run.
        check: Arc<dyn Check>,
        /// Whether it looks at this host, and so is probed at its normal pace while open unless told otherwise.
        local: bool,
    },
    /// A status derived from other checks.
    Group(Group),
}

/// One configured check or group.
#[derive(Clone)]
pub struct CheckConfig {
    /// `type` or `type/name`.
    pub id: ComponentId,
    /// What it looks at.
    pub kind: CheckKind,
    /// How often it runs.
    pub interval: Duration,
    /// How long one run may take; never longer than the interval.
    pub timeout: Duration,
    /// How often a failing run is repeated before it counts.
    pub retries: u32,
    /// How long to wait before such a repetition.
    pub retry_interval: Duration,
    /// How long after the first start failures do not count.
    pub start_grace: Duration,
    /// Healthy and unhealthy are swapped: what answers should not.
    pub negate: bool,
    /// Whether this check tells an outage of the daemon's own link from one of its targets.
    pub canary: bool,
    /// Whether it looks at this host alone, and so is believed while the daemon itself is cut off.
    pub local: bool,
    /// How it is probed while its breaker is open.
    pub probe_when_open: ProbeWhenOpen,
    /// Its breaker.
    pub breaker: BreakerSettings,
    /// Labels of its series and alerts, the defaults' included.
    pub labels: Labels,
    /// How bad its failure is for the whole.
    pub impact: Impact,
    /// The heading it stands under; empty for none.
    pub category: String,
    /// Checks whose failure explains this one's.
    pub depends_on: Vec<(ComponentId, Place)>,
    /// One line for people; may be empty.
    pub description: String,
    /// What to do when it fails.
    pub runbook_url: Option<String>,
    /// Where to look at it.
    pub dashboard_url: Option<String>,
    /// Configured but not run until somebody resumes it.
    pub paused: bool,
    /// Windows in which it does not run, for their owner to read.
    pub pause: Option<Node>,
    /// Where it stands.
    pub place: Place,
    /// The kind's own settings.
    pub(crate) settings: Node,
}

/// The keys every check may have besides those of its kind, for documentation and for checking that no kind
/// claims one of them.
pub const COMMON_FIELDS: [Field; 20] = [
    field("interval", "duration", "30s", "How often the check runs."),
    field("timeout", "duration", "5s, at most the interval", "How long one run may take."),
    field("labels", "mapping of texts", "", "Labels added to the check's series and alerts."),
    field("impact", "critical, high, medium or low", "high", "How bad a failure is for the whole."),
    field("category", "text", "", "The heading the check stands under."),
    field("depends_on", "list of check ids", "", "Checks whose failure explains this one's."),
    field("breaker", "mapping", "preset check", "The circuit breaker's preset and what differs from it."),
    field("retries", "whole number", "0", "How often a failing run is repeated before it counts."),
    field("retry_interval", "duration", "5s, at most the interval", "The wait before such a repetition."),
    field("start_grace", "duration", "0s", "How long after the first start failures do not count."),
    field("negate", "true or false", "false", "Swaps healthy and unhealthy."),
    field(
        "canary",
        "true or false",
        "false",
        "Tells an outage of the daemon's own link from one of its targets.",
    ),
    field(
        "local",
        "true or false",
        "true for host checks",
        "Looks at this host alone: believed even while the canaries say that the daemon is cut off.",
    ),
    field(
        "probe_when_open",
        "stretch, normal or fast",
        "stretch; normal for host checks",
        "The pace while open.",
    ),
    field("runbook_url", "URL", "", "What to do when the check fails; goes into messages."),
    field("dashboard_url", "URL", "", "Where to look; goes into messages."),
    field("description", "text", "", "One line for people."),
    field("enabled", "true or false", "true", "`false` leaves the check out, as if it were not written."),
    field("paused", "true or false", "false", "Configured but not run until somebody resumes it."),
    field(
        "pause",
        "list of { schedule, duration, location }",
        "",
        "Windows in which the check does not run, such as `{ schedule: \"0 2 * * sun\", duration: 2h }`.",
    ),
];

const fn field(name: &'static str, kind: &'static str, default: &'static str, help: &'static str) -> Field {
    Field { name, kind, default, help }
}

impl CheckConfig {
    /// A digest of everything that matters, secrets included, for a reload to see what changed. Where the
    /// check stands in the file and in which order its keys are written makes no difference. Good for one
    /// process: it may differ in the next release.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.id, self.interval, self.timeout, self.retries, self.retry_interval).hash(&mut hasher);
        (self.start_grace, self.negate, self.canary, self.local, self.probe_when_open.as_str())
            .hash(&mut hasher);
        (&self.labels, self.impact, &self.category, &self.description).hash(&mut hasher);
        (&self.runbook_url, &self.dashboard_url, self.paused).hash(&mut hasher);
        let members = self.group().map(|group| group.members.as_slice()).unwrap_or_default();
        for (id, _) in self.depends_on.iter().chain(members) {
            id.hash(&mut hasher);
        }
        // Plain numbers, some of them floats: their text is as good as they are.
        let breaker = BreakerSettings { place: Place::default(), ..self.breaker.clone() };
        format!("{breaker:?}").hash(&mut hasher);
        if let Some(windows) = &self.pause {
            hash_value(windows, &mut hasher);
        }
        hash_value(&self.settings, &mut hasher);
        hasher.finish()
    }

    /// Whether two configurations of a check mean the same, so that its state can be kept.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }

    /// The members, if this is a group.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        match &self.kind {
            CheckKind::Group(group) => Some(group),
            CheckKind::Probe { .. } => None,
        }
    }
}

/// Hashes what a tree holds, wherever it stands.
fn hash_value(node: &Node, hasher: &mut DefaultHasher) {
    match &node.kind {
        NodeKind::Null => 0u8.hash(hasher),
        NodeKind::Scalar { text, quoted } => (1u8, text, quoted).hash(hasher),
        NodeKind::List(items) => {
            (2u8, items.len()).hash(hasher);
            items.iter().for_each(|item| hash_value(item, hasher));
        }
        NodeKind::Map(entries) => {
            (3u8, entries.len()).hash(hasher);
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|a, b| a.0.name.cmp(&b.0.name));
            for (key, value) in sorted {
                key.name.hash(hasher);
                hash_value(value, hasher);
            }
        }
    }
}

/// Reads the `checks` section. Checks with mistakes are left out, after all of their mistakes are reported.
pub(crate) fn read_all(
    node: Option<&Node>,
    defaults: &Defaults,
    table: &[CheckEntry],
    diagnostics: &Diagnostics,
) -> BTreeMap<ComponentId, CheckConfig> {
    let Some(node) = node else { return BTreeMap::new() };
    let Some(entries) = node.as_map() else {
        diagnostics.error(&node.place, format!("expected a mapping of checks, found {}", node.describe()));
        return BTreeMap::new();
    };
    let known: Vec<&str> = entries.iter().map(|(key, _)| &*key.name).collect();
    let reader = Reader { defaults, table, known: &known, diagnostics };
    let read = entries.iter().filter_map(|(key, value)| reader.check(key, value));
    read.map(|config| (config.id.clone(), config)).collect()
}

struct Reader<'a> {
    defaults: &'a Defaults,
    table: &'a [CheckEntry],
    /// The ids that are written, also those of checks with mistakes.
    known: &'a [&'a str],
    diagnostics: &'a Diagnostics,
}

impl Reader<'_> {
    fn check(&self, key: &Key, node: &Node) -> Option<CheckConfig> {
        let id = ComponentId::parse(&key.name)
            .map_err(|message| self.diagnostics.error(&key.place, message))
            .ok()?;
        let is_group = &*id.kind == group::KIND;
        let entry = self.table.iter().find(|entry| entry.key == &*id.kind);
        if entry.is_none() && !is_group {
            let kinds = self.table.iter().map(|entry| entry.key).chain([group::KIND]);
            let at = Node::empty_map(key.place.clone());
            let message = format!("unknown kind of check `{}`", id.kind);
            values::unknown(&at, message, &id.kind, kinds, self.diagnostics);
            return None;
        }
        let errors_before = self.diagnostics.error_count();
        let (common, mut own) = split(node, self.diagnostics)?;
        // What is missing is missing from the check as a whole, so its name is what is pointed at.
        own.place = key.place.clone();
        if let Some(entry) = entry {
            self.take_out_misspelt(&mut own, entry);
        }
        let mut section = Section::open(&common, self.diagnostics)?;
        let enabled = section.bool("enabled").unwrap_or(true);
        if !enabled {
            // It may be off just because something it needs is not there.
            return None;
        }
        let mut config = match entry {
            Some(entry) => self.probe(id, key, entry, &mut section, own),
            None => self.group(id, key, &mut section, own),
        };
        section.finish();
        if let Some(config) = &mut config {
            config.place = key.place.clone();
        }
        config.filter(|_| self.diagnostics.error_count() == errors_before)
    }

    /// Reports keys that look like a misspelt one of those every check has. The kind's own reader cannot know
    /// them, and so would not name the key that was meant.
    fn take_out_misspelt(&self, own: &mut Node, entry: &CheckEntry) {
        let NodeKind::Map(entries) = &mut own.kind else { return };
        let is_common = |word: &str| COMMON_FIELDS.iter().any(|field| field.name == word);
        let words = || COMMON_FIELDS.iter().chain(entry.fields).map(|field| field.name);
        entries.retain(|(key, _)| {
            let meant = nearest(&key.name, words()).filter(|word| is_common(word) && **word != *key.name);
            if let Some(word) = meant {
                self.diagnostics.error_with_help(
                    &key.place,
                    format!("unknown key `{}`", key.name),
                    format!("did you mean `{word}`?"),
                );
            }
            meant.is_none()
        });
    }

    fn probe(
        &self,
        id: ComponentId,
        key: &Key,
        entry: &CheckEntry,
        section: &mut Section<'_>,
        own: Node,
    ) -> Option<CheckConfig> {
        let mut config = self.common(id, section, own);
        self.timing(&mut config, section);
        config.negate = section.bool("negate").unwrap_or(false);
        config.canary = section.bool("canary").unwrap_or(false);
        config.local = section.bool("local").unwrap_or(entry.local);
        let natural = if entry.local { ProbeWhenOpen::Normal } else { ProbeWhenOpen::Stretch };
        config.probe_when_open = section
            .choice("probe_when_open", &ProbeWhenOpen::CHOICES)
            .or(self.defaults.probe_when_open)
            .unwrap_or(natural);
        if let Some(breaker) = section.section("breaker") {
            config.breaker = BreakerSettings::read(breaker).over(&self.defaults.breaker);
        }
        self.window_fits(&config, key, section.node());
        let context = BuildContext {
            id: config.id.clone(),
            base_dir: base_dir(&key.place),
            command_path: self.defaults.command_path.clone(),
            timeout: config.timeout,
        };
        let check = (entry.parse)(&config.settings, &context, self.diagnostics)?;
        config.kind = CheckKind::Probe { check: check.into(), local: entry.local };
        Some(config)
    }

    fn group(&self, id: ComponentId, key: &Key, section: &mut Section<'_>, own: Node) -> Option<CheckConfig> {
        let mut config = self.common(id, section, own);
        let group = Group::read(&config.settings, key, self.known, self.diagnostics)?;
        config.kind = CheckKind::Group(group);
        Some(config)
    }

    /// What probes and groups share. The kind is put in by the caller.
    fn common(&self, id: ComponentId, section: &mut Section<'_>, settings: Node) -> CheckConfig {
        let own_labels = values::labels(section, "labels");
        let impacts = [
            ("critical", Impact::Critical),
            ("high", Impact::High),
            ("medium", Impact::Medium),
            ("low", Impact::Low),
        ];
        CheckConfig {
            depends_on: self.depends_on(&id, section),
            kind: CheckKind::Group(Group::default()),
            interval: self.defaults.interval,
            timeout: self.defaults.timeout,
            retries: self.defaults.retries,
            retry_interval: self.defaults.retry_interval,
            start_grace: self.defaults.start_grace,
            negate: false,
            canary: false,
            local: true,
            probe_when_open: ProbeWhenOpen::Normal,
            breaker: self.defaults.breaker.clone(),
            labels: self.defaults.labels.merged(&own_labels),
            impact: section.choice("impact", &impacts).unwrap_or_default(),
            category: section.string("category").unwrap_or_default(),
            description: section.string("description").unwrap_or_default(),
            runbook_url: values::http_url(section, "runbook_url"),
            dashboard_url: values::http_url(section, "dashboard_url"),
            paused: section.bool("paused").unwrap_or(false),
            pause: section.get("pause").cloned(),
            place: section.node().place.clone(),
            settings,
            id,
        }
    }

    fn timing(&self, config: &mut CheckConfig, section: &mut Section<'_>) {
        config.interval = values::interval(section, "interval").unwrap_or(config.interval);
        let timeout = values::timeout(section, "timeout");
        if timeout.is_some_and(|timeout| timeout > config.interval) {
            section.error_at("timeout", values::timeout_too_long(config.interval));
        }
        config.timeout = timeout.unwrap_or(config.timeout).min(config.interval);
        config.retries = values::retries(section).unwrap_or(config.retries);
        let retry_interval = values::retry_interval(section).unwrap_or(config.retry_interval);
        config.retry_interval = retry_interval.min(config.interval);
        config.start_grace = values::start_grace(section).unwrap_or(config.start_grace);
    }

    /// A window by time must hold the runs its rules need, or they never trip.
    fn window_fits(&self, config: &CheckConfig, key: &Key, node: &Node) {
        let Some(BreakerWindow::Time(length)) = config.breaker.window else { return };
        let interval = config.interval;
        let runs = length.as_nanos() / interval.as_nanos().max(1) + 1;
        let needed = config.breaker.minimum_calls.unwrap_or(2).max(2);
        if length >= interval && runs >= u128::from(needed) {
            return;
        }
        // What comes from the defaults is pointed at by the check it does not suit.
        let place = node.get("breaker").and_then(|breaker| breaker.get("window")).map(|window| &window.place);
        let (window, interval) = (format_duration(length), format_duration(interval));
        self.diagnostics.error_with_help(
            place.unwrap_or(&key.place),
            format!("a window of {window} never holds {needed} runs of a check that runs every {interval}"),
            "write a number of runs, such as `window: 10`, or a longer time".to_owned(),
        );
    }

    fn depends_on(&self, id: &ComponentId, section: &mut Section<'_>) -> Vec<(ComponentId, Place)> {
        let Some(node) = section.get("depends_on") else { return Vec::new() };
        group::read_ids(node, id, self.known, self.diagnostics)
    }
}

/// Parts a check's settings into those every check has and those of its kind.
fn split(node: &Node, diagnostics: &Diagnostics) -> Option<(Node, Node)> {
    if node.as_map().is_none() && !node.is_null() {
        diagnostics.error(&node.place, format!("expected a mapping, found {}", node.describe()));
        return None;
    }
    Some(components::split(node, &COMMON_FIELDS.map(|field| field.name)))
}
