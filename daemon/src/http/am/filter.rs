//! Which alerts and silences are asked for: `filter`, `receiver` and the switches of the query string.

use breakwatch_alerts::matchers::parse_matcher;
use breakwatch_alerts::{AlertState, AlertView, Silence, SilenceMatcher, SilenceState};
use breakwatch_model::{MatchOp, Matcher};

use super::AmError;
use crate::http::query::Params;

/// What of alerts is asked for.
pub(super) struct AlertFilter {
    matchers: Vec<Matcher>,
    receiver: Option<Matcher>,
    active: bool,
    unprocessed: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

impl AlertFilter {
    /// Reads the query string; a switch that is not there is on.
    pub(super) fn read(params: &Params) -> Result<Self, AmError> {
        Ok(Self {
            matchers: matchers(params)?,
            receiver: receiver(params)?,
            active: switch(params, "active")?,
            unprocessed: switch(params, "unprocessed")?,
            silenced: switch(params, "silenced")?,
            inhibited: switch(params, "inhibited")?,
            muted: switch(params, "muted")?,
        })
    }

    /// Whether a receiver's name is asked for: the pattern must match the whole name.
    pub(super) fn wants_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|pattern| pattern.matches(name))
    }

    /// Whether an alert is asked for, whoever its receivers are.
    pub(super) fn wants(&self, view: &AlertView) -> bool {
        // A check whose root cause is known is kept quiet just as an inhibited one is.
        let inhibited = !view.inhibited_by.is_empty() || view.root_cause.is_some();
        (self.active || view.state != AlertState::Active)
            && (self.unprocessed || view.state != AlertState::Unprocessed)
            && (self.silenced || view.silenced_by.is_empty())
            && (self.inhibited || !inhibited)
            && (self.muted || view.muted_by.is_empty())
            && self.matchers.iter().all(|matcher| matcher.matches_labels(&view.alert.labels))
    }
}

/// What of silences is asked for.
pub(super) struct SilenceFilter {
    matchers: Vec<Matcher>,
    active: bool,
    pending: bool,
    expired: bool,
}

impl SilenceFilter {
    pub(super) fn read(params: &Params) -> Result<Self, AmError> {
        Ok(Self {
            matchers: matchers(params)?,
            active: switch(params, "active")?,
            pending: switch(params, "pending")?,
            expired: switch(params, "expired")?,
        })
    }

    /// Whether a silence is asked for. As in Alertmanager, every matcher of the filter must be one of the silence's own.
    pub(super) fn wants(&self, silence: &Silence, state: SilenceState) -> bool {
        let by_state = match state {
            SilenceState::Active => self.active,
            SilenceState::Pending => self.pending,
            SilenceState::Expired => self.expired,
        };
        let has = |matcher: &Matcher| silence.matchers.contains(&SilenceMatcher::from(matcher));
        by_state && self.matchers.iter().all(has)
    }
}

fn matchers(params: &Params) -> Result<Vec<Matcher>, AmError> {
    let parse = |text: &str| {
        parse_matcher(text)
            .map_err(|error| AmError::bad_request(format!("bad matcher format: {text}: {error}")))
    };
    params.all("filter").map(parse).collect()
}

fn receiver(params: &Params) -> Result<Option<Matcher>, AmError> {
    let Some(pattern) = params.get("receiver").filter(|pattern| !pattern.is_empty()) else { return Ok(None) };
    let wrong = |error| AmError::bad_request(format!("failed to parse receiver param: {error}"));
    Matcher::new(MatchOp::Regex, "receiver", pattern).map(Some).map_err(wrong)
}

/// Words for true that Alertmanager's API takes; everything else is false to it. Here what is neither is refused.
const TRUE: [&str; 10] = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
/// Their opposites.
const FALSE: [&str; 8] = ["false", "0", "no", "n", "off", "f", "unchecked", "disabled"];

fn switch(params: &Params, name: &str) -> Result<bool, AmError> {
    let Some(text) = params.get(name).filter(|text| !text.is_empty()) else { return Ok(true) };
    let word = text.to_ascii_lowercase();
    if TRUE.contains(&word.as_str()) || FALSE.contains(&word.as_str()) {
        return Ok(TRUE.contains(&word.as_str()));
    }
    Err(AmError::bad_request(format!("{name} in query must be of type boolean: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use breakwatch_model::Timestamp;

    fn silence(matchers: &[&str]) -> Silence {
        let matchers = matchers.iter().map(|text| SilenceMatcher::from(&parse_matcher(text).unwrap()));
        Silence {
            id: "x".to_owned(),
            matchers: matchers.collect(),
            starts_at: Timestamp(0),
            ends_at: Timestamp(1000),
            updated_at: Timestamp(0),
            created_by: String::new(),
            comment: String::new(),
            recurrence: None,
        }
    }

    #[test]
    fn silences_are_found_by_what_they_say() {
        let found = |filters: &[&str], state| {
            let pairs = filters.iter().map(|filter| filter.split_once(':').unwrap());
            let filter = SilenceFilter::read(&Params::from_pairs(pairs)).ok().unwrap();
            filter.wants(&silence(&["alertname=~\"A.*\"", "job=\"api\""]), state)
        };
        assert!(found(&[], SilenceState::Active));
        assert!(found(&["filter:job=api"], SilenceState::Expired));
        assert!(!found(&["filter:job=web"], SilenceState::Active));
        assert!(found(&["filter:alertname=~A.*", "filter:job=api"], SilenceState::Active));
        assert!(
            !found(&["filter:alertname=A.*"], SilenceState::Active),
            "another operator is another matcher"
        );
        assert!(!found(&["filter:cluster=\"\""], SilenceState::Active));
        assert!(!found(&["expired:false"], SilenceState::Expired));
        assert!(found(&["expired:false"], SilenceState::Pending));
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (name, value) in
            [("active", "maybe"), ("filter", "a=~\"(\""), ("filter", "nonsense"), ("receiver", "(")]
        {
            let error = AlertFilter::read(&Params::from_pairs([(name, value)])).err().unwrap();
            assert_eq!(error.0, StatusCode::BAD_REQUEST, "{name}={value}");
        }
        let filter = AlertFilter::read(&Params::from_pairs([("receiver", "ops|dev")])).ok().unwrap();
        assert!(filter.wants_receiver("dev") && !filter.wants_receiver("devs"));
    }
}
