//! What notification templates see, and the templates that are there without anyone writing one.

mod defaults;
mod kv;
#[cfg(test)]
mod tests;

use breakwatch_model::{Alert, AlertStatus, Labels, Timestamp};

pub use defaults::default_templates;
use kv::KV;

use crate::func::Param;
use crate::time::Moment;
use crate::value::{Element, Method, Type, Value};

/// A notification as Alertmanager's templates know it: `.Status`, `.Alerts.Firing`, `.CommonLabels` and so on.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// The receiver's name.
    pub receiver: &'a str,
    /// The group's alerts, in the order they are listed.
    pub alerts: &'a [Alert],
    /// What the alerts were grouped by.
    pub group_labels: &'a Labels,
    /// Labels of the route, already expanded.
    pub route_labels: &'a Labels,
    /// Why this notification is sent, in a word.
    pub reason: &'a str,
    /// The daemon's address as users reach it, without a slash at its end.
    pub external_url: &'a str,
}

static DATA: Type = Type { tagged: true, ..Type::plain("*template.Data", Element::Any) };
static ALERT: Type = Type { tagged: true, ..Type::plain("template.Alert", Element::Any) };
static SOME_ALERTS: Type = Type::plain("[]template.Alert", Element::Any);
static ALERTS: Type = Type { methods: ALERTS_METHODS, ..Type::plain("template.Alerts", Element::Any) };

const ALERTS_METHODS: &[Method] = &[
    Method { name: "Firing", params: NONE, call: |alerts, _| Ok(with_status(alerts, AlertStatus::Firing)) },
    Method {
        name: "Resolved",
        params: NONE,
        call: |alerts, _| Ok(with_status(alerts, AlertStatus::Resolved)),
    },
];

const NONE: &[Param] = &[];

impl Notice<'_> {
    /// The data for templates, as things stand at `now`.
    #[must_use]
    pub fn to_value(&self, now: Timestamp) -> Value {
        let firing = self.alerts.iter().any(|alert| alert.status(now) == AlertStatus::Firing);
        let status = if firing { AlertStatus::Firing } else { AlertStatus::Resolved };
        let alerts = self.alerts.iter().map(|alert| alert_value(alert, now)).collect();
        Value::record(
            &DATA,
            vec![
                // Alertmanager quotes the name for use in a regular expression; the default link relies on it.
                ("Receiver", regex::escape(self.receiver).into()),
                ("Status", status.as_str().into()),
                ("Alerts", Value::typed_list(&ALERTS, alerts)),
                ("NotificationReason", self.reason.into()),
                ("GroupLabels", kv(self.group_labels)),
                ("CommonLabels", kv(&common(self.alerts, |alert| &alert.labels))),
                ("CommonAnnotations", kv(&common(self.alerts, |alert| &alert.annotations))),
                ("RouteLabels", kv(self.route_labels)),
                ("ExternalURL", self.external_url.into()),
            ],
        )
    }
}

fn alert_value(alert: &Alert, now: Timestamp) -> Value {
    let status = alert.status(now);
    // The end of what still holds is nobody's business: it is shown as not set.
    let ends_at = match alert.ends_at.filter(|_| status == AlertStatus::Resolved) {
        Some(end) => end.into(),
        None => Value::Time(Moment::default().into()),
    };
    Value::record(
        &ALERT,
        vec![
            ("Status", status.as_str().into()),
            ("Labels", kv(&alert.labels)),
            ("Annotations", kv(&alert.annotations)),
            ("StartsAt", alert.starts_at.into()),
            ("EndsAt", ends_at),
            ("GeneratorURL", alert.generator_url.as_str().into()),
            ("Fingerprint", alert.fingerprint().to_string().into()),
        ],
    )
}

fn kv(labels: &Labels) -> Value {
    Value::typed_map(
        &KV,
        labels.pairs().iter().map(|(name, value)| (name.clone(), Value::Str(value.clone()))),
    )
}

/// The pairs every alert has.
fn common(alerts: &[Alert], of: impl Fn(&Alert) -> &Labels) -> Labels {
    let Some((first, rest)) = alerts.split_first() else { return Labels::empty() };
    let first = of(first);
    first.filtered(|name| rest.iter().all(|alert| of(alert).get(name) == first.get(name)))
}

fn with_status(alerts: &Value, status: AlertStatus) -> Value {
    let wanted = |alert: &&Value| alert.get("Status").and_then(Value::as_str) == Some(status.as_str());
    let found = alerts.as_list().unwrap_or_default().iter().filter(wanted).cloned().collect();
    Value::typed_list(&SOME_ALERTS, found)
}
