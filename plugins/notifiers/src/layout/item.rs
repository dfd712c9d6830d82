//! One alert as a reader wants it told.

use breakwatch_model::{Alert, AlertStatus, Timestamp};
use breakwatch_plugin_api::format_duration;

use crate::clean::{block, line, link};

/// Labels and annotations that have a place of their own, so that the list of the rest leaves them out.
const TOLD_LABELS: [&str; 5] = ["alertname", "check", "type", "target", "severity"];
// What is affected is told in a remark under the message, by the checks' names.
const TOLD_ANNOTATIONS: [&str; 12] = [
    "summary",
    "description",
    "reason",
    "evidence",
    "failures",
    "recovery_time",
    "root_cause",
    "affected",
    "affected_count",
    "runbook_url",
    "dashboard_url",
    "message",
];

/// Facts told of one alert; a reader on a phone has stopped long before, and Discord takes no more.
const MOST_FACTS: usize = 25;

/// Characters of a name that is not ours.
const MOST_NAME: usize = 60;

/// A named value, in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fact {
    /// What it is: `Target`, `Reason`.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: String,
}

/// One alert.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The check or, if there is none, the alert's name.
    pub(crate) name: String,
    /// Whether it is over.
    pub(crate) over: bool,
    /// One line from whoever raised it.
    pub(crate) summary: String,
    /// More from whoever raised it; may have several lines.
    pub(crate) description: String,
    /// Named values in reading order.
    pub(crate) facts: Vec<Fact>,
    /// What was seen; may have several lines.
    pub(crate) evidence: String,
    /// Where to look at it.
    pub(crate) dashboard: Option<String>,
    /// What to do about it.
    pub(crate) runbook: Option<String>,
    /// The expression behind it.
    pub(crate) source: Option<String>,
}

impl Item {
    /// Tells an alert as of `now`, with at most `room` characters for each value.
    pub(crate) fn new(alert: &Alert, now: Timestamp, room: usize) -> Self {
        let annotation = |name: &str| alert.annotations.value(name);
        let block = |name: &str| block(annotation(name), room);
        let line = |text: &str| line(text, room);
        let (name, check) = (alert.name(), alert.labels.value("check"));
        let description = match annotation("description") {
            // The older of the two names for the same thing.
            "" => block("message"),
            _ => block("description"),
        };
        Self {
            name: line(match (name, check) {
                ("", "") => "alert",
                (name, "") => name,
                (_, check) => check,
            }),
            over: alert.status(now) == AlertStatus::Resolved,
            summary: line(annotation("summary")),
            description,
            facts: facts(alert, now, room),
            evidence: block("evidence"),
            dashboard: link(annotation("dashboard_url")),
            runbook: link(annotation("runbook_url")),
            source: link(&alert.generator_url),
        }
    }

    /// The summary, which is what was when the alert is over.
    pub(crate) fn story(&self) -> String {
        let was = if self.over && !self.summary.is_empty() { "Was: " } else { "" };
        format!("{was}{}", self.summary)
    }

    /// The value of a fact.
    pub(crate) fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str())
    }
}

fn facts(alert: &Alert, now: Timestamp, room: usize) -> Vec<Fact> {
    let (label, annotation) =
        (|name: &str| alert.labels.value(name), |name: &str| alert.annotations.value(name));
    let mut facts = Vec::new();
    let mut add = |name: &str, value: &str| {
        let value = line(value, room);
        if !value.is_empty() && facts.len() < MOST_FACTS {
            facts.push(Fact { name: name.to_owned(), value });
        }
    };
    add("Check", label("check"));
    add("Alert", label("alertname"));
    add("Type", label("type"));
    add("Target", label("target"));
    add("Severity", label("severity"));
    add("Reason", annotation("reason"));
    add("Failures", annotation("failures"));
    add("Root cause", annotation("root_cause"));
    add("Started", &moment(alert.starts_at));
    if let Some(end) = alert.ends_at.filter(|end| *end <= now) {
        add("Ended", &moment(end));
        match annotation("recovery_time") {
            "" => add("Lasted", &format_duration(end.since(alert.starts_at))),
            time => add("Recovery time", time),
        }
    }
    let rest = |told: &[&str], pairs: &mut dyn Iterator<Item = (&str, &str)>| {
        let pairs = pairs.filter(|(name, _)| !told.contains(name));
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    };
    add("Labels", &rest(&TOLD_LABELS, &mut alert.labels.iter()));
    for (name, value) in alert.annotations.iter().filter(|(name, _)| !TOLD_ANNOTATIONS.contains(name)) {
        add(&line(name, MOST_NAME), value);
    }
    facts
}

/// `2023-11-14 22:13:20 UTC`: readable at night, and the same for readers in different zones.
fn moment(time: Timestamp) -> String {
    let text = Timestamp::from_secs(time.secs()).to_rfc3339();
    match text.split_once('T') {
        Some((date, time)) => format!("{date} {} UTC", time.get(..8).unwrap_or(time)),
        None => text,
    }
}
