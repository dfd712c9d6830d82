//! The API's forms of alerts and silences.

use std::collections::BTreeMap;

use breakwatch_alerts::{AlertView, PostedAlert, Silence, SilenceMatcher, SilenceRequest};
use breakwatch_model::{Labels, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// An alert as it is posted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertBody {
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "time")]
    starts_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    ends_at: Option<Timestamp>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
}

impl From<AlertBody> for PostedAlert {
    fn from(body: AlertBody) -> Self {
        Self {
            labels: Labels::from_pairs(body.labels),
            annotations: Labels::from_pairs(body.annotations),
            starts_at: body.starts_at,
            ends_at: body.ends_at,
            generator_url: body.generator_url,
        }
    }
}

/// A silence as it is posted. What a client has read can be posted again: state and last change are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SilenceBody {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<SilenceMatcher>,
    #[serde(deserialize_with = "time")]
    starts_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    ends_at: Option<Timestamp>,
    created_by: String,
    comment: String,
    /// Beyond Alertmanager: the silence holds only inside the windows of a schedule.
    #[serde(default)]
    recurrence: Option<breakwatch_alerts::config::Recurrence>,
}

impl SilenceBody {
    /// What is asked for; a silence without a start begins now.
    pub(super) fn request(self, now: Timestamp) -> SilenceRequest {
        SilenceRequest {
            id: self.id.unwrap_or_default(),
            matchers: self.matchers,
            starts_at: self.starts_at.unwrap_or(now),
            ends_at: self.ends_at.unwrap_or(Timestamp(0)),
            created_by: self.created_by,
            comment: self.comment,
            recurrence: self.recurrence,
        }
    }
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// RFC 3339. The year 1 is how Go clients write "not set".
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) if text.starts_with("0001-01-01T00:00:00") => Ok(None),
        Some(text) => Timestamp::parse_rfc3339(text)
            .map(Some)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no RFC 3339 time"))),
    }
}

/// An alert as it is shown. Alerts of our own rules and breakers have no end while they fire: `believed_until` stands
/// in for it, because clients want one.
pub(super) fn alert(view: &AlertView, believed_until: Timestamp) -> Value {
    let names = |names: &[std::sync::Arc<str>]| -> Vec<Value> {
        names.iter().map(|name| json!({ "name": &**name })).collect()
    };
    let inhibited_by: Vec<String> = view.inhibited_by.iter().map(ToString::to_string).collect();
    let mut muted_by = view.muted_by.clone();
    muted_by.extend(view.root_cause.iter().map(|check| format!("dependency/{check}")));
    json!({
        "annotations": view.alert.annotations,
        "endsAt": view.alert.ends_at.unwrap_or(believed_until).to_rfc3339(),
        "fingerprint": view.fingerprint.to_string(),
        "receivers": names(&view.receivers),
        "startsAt": view.alert.starts_at.to_rfc3339(),
        "status": {
            "inhibitedBy": inhibited_by,
            "mutedBy": muted_by,
            "silencedBy": view.silenced_by,
            "state": view.state.as_str(),
        },
        "updatedAt": view.alert.updated_at.to_rfc3339(),
        "generatorURL": view.alert.generator_url,
        "labels": view.alert.labels,
    })
}

/// A silence as it is shown.
pub(super) fn silence(silence: &Silence, now: Timestamp) -> Value {
    let mut value = json!({
        "id": silence.id,
        "status": { "state": silence.state(now).as_str() },
        "updatedAt": silence.updated_at.to_rfc3339(),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": silence.ends_at.to_rfc3339(),
        "matchers": silence.matchers,
        "startsAt": silence.starts_at.to_rfc3339(),
    });
    if let (Some(recurrence), Some(fields)) = (&silence.recurrence, value.as_object_mut()) {
        fields.insert("recurrence".to_owned(), json!(recurrence));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_writes_unset_times_as_the_year_one() {
        let body = r#"{"labels":{"alertname":"A","empty":""},"annotations":null,
            "startsAt":"0001-01-01T00:00:00.000Z","endsAt":"2026-01-02T03:04:05.678+01:00","generatorURL":"http://p"}"#;
        let posted = PostedAlert::from(serde_json::from_str::<AlertBody>(body).unwrap());
        assert_eq!(posted.labels.to_string(), "{alertname=\"A\"}");
        assert_eq!(posted.starts_at, None);
        assert_eq!(posted.ends_at.unwrap().to_rfc3339(), "2026-01-02T02:04:05.678Z");
        assert!(serde_json::from_str::<AlertBody>(r#"{"labels":{},"startsAt":"yesterday"}"#).is_err());
    }

    #[test]
    fn a_silence_that_was_read_can_be_posted_again() {
        let body = json!({
            "id": "1", "status": { "state": "active" }, "updatedAt": "2026-01-01T00:00:00.000Z", "comment": "c",
            "createdBy": "me", "endsAt": "2026-01-01T01:00:00.000Z", "startsAt": "2026-01-01T00:00:00.000Z",
            "matchers": [{ "name": "a", "value": "b", "isRegex": false }],
        });
        let request = serde_json::from_value::<SilenceBody>(body).unwrap().request(Timestamp(0));
        assert!(request.matchers[0].is_equal, "isEqual is true unless said otherwise");
        assert_eq!((request.id.as_str(), request.created_by.as_str()), ("1", "me"));
        assert_eq!(request.ends_at - std::time::Duration::from_secs(3600), request.starts_at);
    }
}
