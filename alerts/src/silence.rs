//! Silences: matchers and a time. What matches is not told of, except its end if its beginning was told.
//!
//! The rules of setting, changing and expiring are Alertmanager's, because its clients rely on them. Beyond it, a
//! silence can recur: it then holds only inside the windows of its schedule.

use std::collections::BTreeMap;
use std::time::Duration;

use breakwatch_model::{Labels, MatchOp, Matcher, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::{Maintenance, Recurrence};
use crate::matchers::all_match;

/// How long an expired silence stays listed (Alertmanager's `data.retention`).
const RETENTION: Duration = Duration::from_secs(120 * 3600);

/// The longest comment or name that is kept, in characters.
const MAX_TEXT: usize = 4096;

/// The most silences that are kept. One alert asks every active one.
const MAX_SILENCES: usize = 10_000;

/// A condition in the API's form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// The label.
    pub name: String,
    /// The value or pattern.
    pub value: String,
    /// Whether `value` is a pattern.
    pub is_regex: bool,
    /// Whether it must match (the default) or must not.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

impl SilenceMatcher {
    fn compile(&self) -> Result<Matcher, SilenceError> {
        let op = match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        if self.name.is_empty() {
            return Err(SilenceError::Invalid("invalid label matcher: the name is empty".to_owned()));
        }
        Matcher::new(op, self.name.as_str(), self.value.as_str())
            .map_err(|error| SilenceError::Invalid(format!("invalid label matcher: {error}")))
    }
}

impl From<&Matcher> for SilenceMatcher {
    fn from(matcher: &Matcher) -> Self {
        Self {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
        }
    }
}

/// What somebody wants silenced.
#[derive(Clone, Debug)]
pub struct SilenceRequest {
    /// Empty for a new one, else the one to change.
    pub id: String,
    /// What is silenced: all must match.
    pub matchers: Vec<SilenceMatcher>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Only inside these windows.
    pub recurrence: Option<Recurrence>,
}

/// A stored silence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// What is silenced.
    pub matchers: Vec<SilenceMatcher>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// The last change.
    pub updated_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Only inside these windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
}

/// Where a silence stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It holds (a recurring one: between its start and its end, inside a window or not).
    Active,
    /// It will hold.
    Pending,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// Where it stands at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now < self.ends_at {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }

    /// Whether it keeps anything quiet at `now`: active, and inside a window if it recurs.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.state(now) == SilenceState::Active
            && self.recurrence.as_ref().is_none_or(|recurrence| recurrence.window(now).is_some())
    }
}

/// Why a silence cannot be set or expired.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SilenceError {
    /// There is none with this id.
    #[error("silence {0} not found")]
    NotFound(String),
    /// What is asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It is over already.
    #[error("silence {0} already expired")]
    AlreadyExpired(String),
}

/// All silences.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    stored: BTreeMap<String, (Silence, Vec<Matcher>)>,
    maintenance: Vec<(String, Vec<Matcher>, Recurrence)>,
}

impl Silences {
    /// Takes one back that was stored. One whose matchers no longer compile is dropped.
    pub(crate) fn restore(&mut self, silence: Silence) -> bool {
        let compiled: Result<Vec<Matcher>, _> =
            silence.matchers.iter().map(SilenceMatcher::compile).collect();
        match compiled {
            Ok(matchers) => {
                self.stored.insert(silence.id.clone(), (silence, matchers));
                true
            }
            Err(_) => false,
        }
    }

    /// Sets the windows that come from the configuration.
    pub(crate) fn set_maintenance(&mut self, windows: &[Maintenance]) {
        let named =
            |w: &Maintenance| (format!("maintenance/{}", w.name), w.matchers.clone(), w.recurrence.clone());
        self.maintenance = windows.iter().map(named).collect();
    }

    /// Sets or changes a silence. Gives what is to be stored: the silence, and the one it replaces if the change
    /// could not be made in place.
    pub(crate) fn set(
        &mut self,
        request: SilenceRequest,
        new_id: String,
        now: Timestamp,
    ) -> Result<(Silence, Option<Silence>), SilenceError> {
        let matchers = check(&request, now)?;
        let previous = match request.id.as_str() {
            "" => None,
            id => {
                let found = self.stored.get(id).map(|(silence, _)| silence.clone());
                Some(found.ok_or_else(|| SilenceError::NotFound(id.to_owned()))?)
            }
        };
        if previous.is_none() && self.stored.len() >= MAX_SILENCES {
            return Err(SilenceError::Invalid(format!("there are {MAX_SILENCES} silences already")));
        }
        let mut silence = Silence {
            id: new_id,
            matchers: request.matchers,
            starts_at: request.starts_at,
            ends_at: request.ends_at,
            updated_at: now,
            created_by: bounded(request.created_by),
            comment: bounded(request.comment),
            recurrence: request.recurrence,
        };
        let mut replaced = None;
        match previous {
            Some(previous) if can_change(&previous, &silence, now) => silence.id = previous.id,
            previous => {
                let live = previous.filter(|previous| previous.state(now) != SilenceState::Expired);
                replaced = live.and_then(|previous| self.expire(&previous.id, now).ok());
                silence.starts_at = silence.starts_at.max(now);
            }
        }
        self.stored.insert(silence.id.clone(), (silence.clone(), matchers));
        Ok((silence, replaced))
    }

    /// Ends a silence now.
    pub(crate) fn expire(&mut self, id: &str, now: Timestamp) -> Result<Silence, SilenceError> {
        let (silence, _) = self.stored.get_mut(id).ok_or_else(|| SilenceError::NotFound(id.to_owned()))?;
        match silence.state(now) {
            SilenceState::Expired => return Err(SilenceError::AlreadyExpired(id.to_owned())),
            SilenceState::Active => {}
            SilenceState::Pending => silence.starts_at = now,
        }
        silence.ends_at = now;
        silence.updated_at = now;
        Ok(silence.clone())
    }

    /// Forgets silences that ended long ago; gives their ids.
    pub(crate) fn collect_garbage(&mut self, now: Timestamp) -> Vec<String> {
        let old = |silence: &Silence| silence.ends_at + RETENTION <= now;
        let ids: Vec<String> =
            self.stored.values().filter(|(s, _)| old(s)).map(|(silence, _)| silence.id.clone()).collect();
        for id in &ids {
            self.stored.remove(id);
        }
        ids
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Silence> {
        self.stored.get(id).map(|(silence, _)| silence)
    }

    /// Alertmanager's order: active ones (earliest end first), pending ones (earliest start first), expired ones
    /// (latest end first).
    pub(crate) fn list(&self, now: Timestamp) -> Vec<&Silence> {
        let mut list: Vec<&Silence> = self.stored.values().map(|(silence, _)| silence).collect();
        list.sort_by_key(|silence| {
            let state = silence.state(now);
            let time = match state {
                SilenceState::Active => silence.ends_at.millis(),
                SilenceState::Pending => silence.starts_at.millis(),
                SilenceState::Expired => silence.ends_at.millis().saturating_neg(),
            };
            (state, time)
        });
        list
    }

    /// The silences and windows that hold now, ready to be asked alert by alert.
    pub(crate) fn holding(&self, now: Timestamp) -> Holding<'_> {
        let stored = self.stored.values().filter(|(silence, _)| silence.holds(now));
        let stored = stored.map(|(silence, matchers)| (silence.id.as_str(), matchers.as_slice()));
        let windows = self.maintenance.iter().filter(|(_, _, recurrence)| recurrence.window(now).is_some());
        let windows = windows.map(|(id, matchers, _)| (id.as_str(), matchers.as_slice()));
        Holding(stored.chain(windows).collect())
    }
}

/// Silences that hold at one moment.
pub(crate) struct Holding<'s>(Vec<(&'s str, &'s [Matcher])>);

impl Holding<'_> {
    /// The ids of those that match.
    pub(crate) fn matching(&self, labels: &Labels) -> Vec<String> {
        self.0.iter().filter(|(_, m)| all_match(m, labels)).map(|(id, _)| (*id).to_owned()).collect()
    }
}

fn bounded(text: String) -> String {
    text.chars().take(MAX_TEXT).collect()
}

fn check(request: &SilenceRequest, now: Timestamp) -> Result<Vec<Matcher>, SilenceError> {
    let invalid = |text: &str| Err(SilenceError::Invalid(text.to_owned()));
    if request.starts_at >= request.ends_at {
        return invalid("start time must be before end time");
    }
    if request.ends_at < now {
        return invalid("end time can't be in the past");
    }
    if request.matchers.is_empty() {
        return invalid("at least one matcher required");
    }
    let matchers: Vec<Matcher> =
        request.matchers.iter().map(SilenceMatcher::compile).collect::<Result<_, _>>()?;
    if matchers.iter().all(|matcher| matcher.matches("")) {
        return invalid("at least one matcher must not match the empty string");
    }
    Ok(matchers)
}

/// Whether a change can be made in place. What a silence did so far must stay true.
fn can_change(previous: &Silence, wanted: &Silence, now: Timestamp) -> bool {
    if previous.matchers != wanted.matchers || previous.recurrence != wanted.recurrence {
        return false;
    }
    match previous.state(now) {
        SilenceState::Expired => false,
        SilenceState::Active => wanted.starts_at.secs() == previous.starts_at.secs() && wanted.ends_at >= now,
        SilenceState::Pending => wanted.starts_at >= now,
    }
}
