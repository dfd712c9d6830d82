//! JSON in Alertmanager's forms: the webhook message of version 4 and the alerts of API v2.
//!
//! The order of keys, the times and the escaping are those of Alertmanager, so that whoever compares or signs
//! bytes sees no difference.

use breakwatch_model::{Alert, Labels, Timestamp};
use breakwatch_plugin_api::Notification;
use serde::{Serialize, Serializer};

use crate::shorten::keep;

/// What Alertmanager writes for a time that is not set.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// The message Alertmanager posts to a webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'n> {
    receiver: &'n str,
    status: &'static str,
    alerts: Vec<WebhookAlert<'n>>,
    group_labels: &'n Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'n str,
    version: &'static str,
    group_key: &'n str,
    truncated_alerts: usize,
    // Ours, and only where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'n [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookAlert<'n> {
    status: &'static str,
    labels: &'n Labels,
    annotations: &'n Labels,
    starts_at: Time,
    ends_at: Time,
    #[serde(rename = "generatorURL")]
    generator_url: &'n str,
    fingerprint: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiAlert<'n> {
    labels: &'n Labels,
    annotations: &'n Labels,
    starts_at: Time,
    ends_at: Time,
    #[serde(rename = "generatorURL")]
    generator_url: &'n str,
}

/// The webhook message, with at most `max_alerts` alerts (0: all).
pub(crate) fn webhook<'n>(notification: &'n Notification, max_alerts: usize) -> Vec<u8> {
    let now = notification.created_at;
    if max_alerts != 0 && notification.alerts.len() > max_alerts {
        return webhook(&keep(notification, max_alerts), 0);
    }
    let alert = |alert: &'n Alert| WebhookAlert {
        status: alert.status(now).as_str(),
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: Time(Some(alert.starts_at)),
        ends_at: Time(ended(alert, now)),
        generator_url: &alert.generator_url,
        fingerprint: alert.fingerprint().to_string(),
    };
    let message = Webhook {
        receiver: &notification.receiver,
        status: notification.status.as_str(),
        alerts: notification.alerts.iter().map(alert).collect(),
        group_labels: &notification.group_labels,
        common_labels: notification.common_labels(),
        common_annotations: notification.common_annotations(),
        external_url: &notification.external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: notification.truncated_alerts,
        transition: notification.transition.map(|transition| transition.as_str()),
        notes: &notification.notes,
    };
    let mut text = to_json(&message);
    // Alertmanager's encoder ends its text with a line break.
    text.push('\n');
    text.into_bytes()
}

/// The alerts as API v2 takes them. One that fires is said to end at `expires`, unless it is told of again.
pub(crate) fn api_alerts<'n>(notification: &'n Notification, expires: Timestamp) -> Vec<u8> {
    let now = notification.created_at;
    let alert = |alert: &'n Alert| ApiAlert {
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: Time(Some(alert.starts_at)),
        ends_at: Time(Some(ended(alert, now).unwrap_or(expires))),
        generator_url: &alert.generator_url,
    };
    to_json(&notification.alerts.iter().map(alert).collect::<Vec<_>>()).into_bytes()
}

/// When an alert ended; an end in the future is only a promise, which Alertmanager leaves out of messages.
fn ended(alert: &Alert, now: Timestamp) -> Option<Timestamp> {
    alert.ends_at.filter(|end| *end <= now)
}

/// JSON with the escapes of Go's encoder: fit to be put into HTML or JavaScript as it is.
fn to_json(value: &impl Serialize) -> String {
    // Labels, texts and times always serialise; there is no map with keys that are not texts.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    for (plain, escaped) in [
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u{2028}", "\\u2028"),
        ("\u{2029}", "\\u2029"),
    ] {
        // These stand only inside strings, so replacing them in the text is replacing them in the strings.
        if text.contains(plain) {
            text = text.replace(plain, escaped);
        }
    }
    text
}

/// A time as Go writes it: RFC 3339 with as many decimals as needed.
struct Time(Option<Timestamp>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.map_or_else(|| NO_TIME.to_owned(), go_time))
    }
}

fn go_time(time: Timestamp) -> String {
    let text = time.to_rfc3339();
    match text.strip_suffix('Z').and_then(|text| text.split_once('.')) {
        None => text,
        Some((whole, decimals)) => match decimals.trim_end_matches('0') {
            "" => format!("{whole}Z"),
            decimals => format!("{whole}.{decimals}Z"),
        },
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_model::AlertStatus;

    use super::*;
    use crate::testing::{alert, notification};

    #[test]
    fn times_as_go_writes_them() {
        assert_eq!(go_time(Timestamp(1_700_000_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(go_time(Timestamp(1_700_000_000_120)), "2023-11-14T22:13:20.12Z");
    }

    #[test]
    fn alerts_over_the_limit_are_counted() {
        let mut many = notification(vec![alert("a", None), alert("b", None), alert("c", None)]);
        many.truncated_alerts = 2;
        let json: serde_json::Value = serde_json::from_slice(&webhook(&many, 1)).unwrap();
        assert_eq!(
            (json["alerts"].as_array().unwrap().len(), json["truncatedAlerts"].as_u64()),
            (1, Some(4))
        );
        // What is common is common to those that are told, as with Alertmanager.
        assert_eq!(json["commonLabels"]["target"], "https://a/health");
    }

    /// What Alertmanager 0.25 posted for the same alert, to the byte.
    #[test]
    fn the_bytes_are_those_alertmanager_sends() {
        let mut one = alert("", None);
        one.labels = Labels::from_pairs([
            ("alertname", "CheckUnhealthy"),
            ("check", "http/website"),
            ("severity", "page"),
            ("t", "<a&b>"),
        ]);
        one.annotations = Labels::from_pairs([("description", "x <b> & \"q\" \u{2028} é")]);
        one.starts_at = Timestamp(1_700_000_000_120);
        one.generator_url = "http://x/y?a=b&c=d".to_owned();
        let mut message = notification(vec![one]);
        message.group_key = r#"{}:{severity="page"}"#.to_owned();
        message.external_url = "http://vm:18093".to_owned();
        let firing = include_bytes!("../testdata/alertmanager_0.25_firing.json");
        assert_eq!(String::from_utf8_lossy(&webhook(&message, 0)), String::from_utf8_lossy(firing));
        let one = &mut message.alerts[0];
        one.annotations = Labels::from_pairs([("description", "x <b> & \"q\"")]);
        one.ends_at = Some(Timestamp(1_700_000_320_000));
        one.generator_url = String::new();
        message.created_at = Timestamp(1_700_000_400_000);
        message.status = AlertStatus::Resolved;
        let resolved = include_bytes!("../testdata/alertmanager_0.25_resolved.json");
        assert_eq!(String::from_utf8_lossy(&webhook(&message, 0)), String::from_utf8_lossy(resolved));
        let key = crate::ids::dedup_key(&message);
        assert_eq!(key, "5a43d5f11c90771913f2f0c842044a3a304e5ae95ecf410d797c3c5aefb5e147");
    }

    #[test]
    fn the_bytes_are_those_of_gos_encoder() {
        let mut one = alert("a", None);
        one.annotations = Labels::from_pairs([("x", "<&>\u{2028}\"")]);
        let text = String::from_utf8(webhook(&notification(vec![one]), 0)).unwrap();
        assert!(text.contains(r#""annotations":{"x":"\u003c\u0026\u003e\u2028\""}"#), "{text}");
        assert!(
            text.starts_with(
                r#"{"receiver":"ops","status":"firing","alerts":[{"status":"firing","labels":{"#
            )
        );
        assert!(text.contains(r#""startsAt":"2023-11-14T22:13:20Z","endsAt":"0001-01-01T00:00:00Z","#));
        assert!(text.ends_with("\"truncatedAlerts\":0}\n"));
    }
}
