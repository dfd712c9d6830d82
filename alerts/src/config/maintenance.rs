//! `maintenance:`: silences that come back by a schedule.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Labels, Matcher, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Node, Section, format_duration, parse_duration};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::matchers::from_list;
use crate::cron::Cron;
use crate::matchers::all_match;
use crate::time_interval::location;

/// The longest window. Longer ones overlap their own next start in all schedules people write.
const MAX_DURATION: Duration = Duration::from_secs(31 * 86_400);

/// A recurring window: it opens by a schedule and stays open for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "RecurrenceText", into = "RecurrenceText")]
pub struct Recurrence {
    text: RecurrenceText,
    cron: Cron,
    duration: Duration,
    zone: TimeZone,
}

/// The form in which a recurrence is stored and shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct RecurrenceText {
    schedule: String,
    duration: String,
    #[serde(default)]
    location: String,
}

impl Maintenance {
    /// Whether the window is open and matches an alert with these labels.
    #[must_use]
    pub fn holds_for(&self, labels: &Labels, at: Timestamp) -> bool {
        self.recurrence.window(at).is_some() && all_match(&self.matchers, labels)
    }
}

impl Recurrence {
    /// Reads a schedule, a duration and a zone (empty: UTC).
    ///
    /// # Errors
    /// What was expected.
    pub fn new(schedule: &str, duration: Duration, zone: &str) -> Result<Self, String> {
        if duration.is_zero() || duration > MAX_DURATION {
            return Err("a duration of more than nothing and at most 31 days".to_owned());
        }
        let text = RecurrenceText {
            schedule: schedule.to_owned(),
            duration: format_duration(duration),
            location: zone.to_owned(),
        };
        Ok(Self { text, cron: Cron::parse(schedule)?, duration, zone: location(zone)? })
    }

    /// Reads `schedule`, `duration` and `location` (UTC if it is not there) of a section, and reports what is wrong
    /// with them.
    fn read(section: &mut Section<'_>) -> Option<Self> {
        section.required("schedule");
        section.required("duration");
        let schedule = section.parse("schedule", |text| Cron::parse(text).map(|_| text.to_owned()));
        let duration = section.duration("duration");
        let zone = section.parse("location", |text| location(text).map(|_| text.to_owned()));
        let recurrence = Self::new(&schedule?, duration?, &zone.unwrap_or_default());
        let wrong = |expected| section.error_at("duration", format!("expected {expected}"));
        recurrence.map_err(wrong).ok()
    }

    /// Reads a list of windows, each `{ schedule, duration, location }`. Every mistake is reported.
    #[must_use]
    pub fn read_list(node: &Node, diagnostics: &Diagnostics) -> Vec<Self> {
        let read = |item| {
            let mut section = Section::open(item, diagnostics)?;
            let window = Self::read(&mut section);
            section.finish();
            window
        };
        super::items(node, diagnostics).iter().filter_map(read).collect()
    }

    /// When the present window opened and when it closes; `None` outside every window.
    #[must_use]
    pub fn window(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let start = self.cron.last_start(at, self.duration, &self.zone)?;
        Some((start, start + self.duration))
    }

    /// `0 2 * * sun for 2h Europe/Berlin`.
    #[must_use]
    pub fn describe(&self) -> String {
        let zone = if self.text.location.is_empty() { "UTC" } else { &self.text.location };
        format!("{} for {} {zone}", self.text.schedule, self.text.duration)
    }
}

impl PartialEq for Recurrence {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl TryFrom<RecurrenceText> for Recurrence {
    type Error = String;
    fn try_from(text: RecurrenceText) -> Result<Self, String> {
        let duration = parse_duration(&text.duration).ok_or("a duration such as `2h`")?;
        Self::new(&text.schedule, duration, &text.location)
    }
}

impl From<Recurrence> for RecurrenceText {
    fn from(recurrence: Recurrence) -> Self {
        recurrence.text
    }
}

/// A configured maintenance window.
#[derive(Clone, Debug)]
pub struct Maintenance {
    /// Its name, shown where it keeps something quiet.
    pub name: Arc<str>,
    /// What it keeps quiet.
    pub matchers: Vec<Matcher>,
    /// When.
    pub recurrence: Recurrence,
    /// Whether checks whose labels match do not run meanwhile.
    pub pause_checks: bool,
    /// Why.
    pub comment: String,
}

impl Maintenance {
    /// Whether it means something with these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        all_match(&self.matchers, labels)
    }
}

/// Reads the list.
pub(super) fn read_all(node: Option<&Node>, diagnostics: &Diagnostics) -> Vec<Maintenance> {
    let items = node.map(|node| super::items(node, diagnostics)).unwrap_or_default();
    let mut windows: Vec<Maintenance> = Vec::new();
    for item in items {
        let Some(window) = read(item, diagnostics) else { continue };
        if windows.iter().any(|known| known.name == window.name) {
            diagnostics.error(&item.place, format!("maintenance name {:?} is not unique", window.name));
        }
        windows.push(window);
    }
    windows
}

fn read(node: &Node, diagnostics: &Diagnostics) -> Option<Maintenance> {
    let mut section = Section::open(node, diagnostics)?;
    let name = section.required_string("name");
    let matchers = section.required("matchers").map(|node| from_list(node, diagnostics));
    let recurrence = Recurrence::read(&mut section);
    let pause_checks = section.bool("pause_checks").unwrap_or(false);
    let comment = section.string("comment").unwrap_or_default();
    section.finish();
    let matchers = matchers?;
    if matchers.iter().all(|matcher| matcher.matches("")) {
        let place = node.get("matchers").map_or(&node.place, |node| &node.place);
        diagnostics.error(place, "at least one matcher must not match the empty string");
        return None;
    }
    Some(Maintenance { name: name?.into(), matchers, recurrence: recurrence?, pause_checks, comment })
}
