//! The message in one line: an e-mail's subject, a pager's summary, a chat message's title.

use breakwatch_model::{Alert, AlertStatus};
use breakwatch_plugin_api::{Notification, TransitionKind, format_duration};

use crate::clean::line;

/// Long enough for a check, its target and a reason; short enough for a lock screen and a mail client's list.
const LENGTH: usize = 250;

/// `[FIRING:1] http/website: connection refused`, `[RESOLVED] http/website: recovered after 5m20s`.
pub(super) fn of(notification: &Notification) -> String {
    let firing = notification.firing().count();
    let tag = match notification.status {
        AlertStatus::Firing => format!("[FIRING:{firing}]"),
        AlertStatus::Resolved => "[RESOLVED]".to_owned(),
    };
    let (subject, predicate) = match notification.alerts.as_slice() {
        [alert] => (subject(notification, alert), single(notification, alert)),
        _ => (group_subject(notification), group(notification, firing)),
    };
    let colon = if predicate.is_empty() { "" } else { ": " };
    line(&format!("{tag} {subject}{colon}{predicate}"), LENGTH)
}

/// A breaker's alert is about its check; a rule's alert is about itself, and the check says where.
fn subject(notification: &Notification, alert: &Alert) -> String {
    let (name, check) = (alert.name(), alert.labels.value("check"));
    match (name, check) {
        ("", "") => "alert".to_owned(),
        (name, "") => name.to_owned(),
        (_, check) if notification.transition.is_some() => check.to_owned(),
        ("", check) => check.to_owned(),
        (name, check) => format!("{name} {check}"),
    }
}

fn single(notification: &Notification, alert: &Alert) -> String {
    let annotation = |name: &str| alert.annotations.value(name).to_owned();
    let summary = Some(annotation("summary")).filter(|text| !text.is_empty());
    match notification.transition {
        Some(TransitionKind::HalfOpen) => "being probed (half-open)".to_owned(),
        Some(TransitionKind::Reopened) => "still failing (reopened)".to_owned(),
        Some(TransitionKind::Closed) => format!("recovered{}", after(alert)),
        _ if notification.status == AlertStatus::Resolved => match summary {
            Some(summary) => summary,
            None => format!("over{}", after(alert)),
        },
        Some(TransitionKind::Opened) => summary
            .or_else(|| Some(annotation("reason")).filter(|r| !r.is_empty()))
            .unwrap_or("down".to_owned()),
        None => summary.unwrap_or_else(|| annotation("reason")),
    }
}

fn after(alert: &Alert) -> String {
    match (alert.annotations.value("recovery_time"), alert.ends_at) {
        ("", Some(end)) => format!(" after {}", format_duration(end.since(alert.starts_at))),
        ("", None) => String::new(),
        (time, _) => format!(" after {time}"),
    }
}

fn group_subject(notification: &Notification) -> String {
    let values: Vec<&str> = notification.group_labels.iter().map(|(_, value)| value).collect();
    if values.is_empty() { "alerts".to_owned() } else { values.join(" ") }
}

fn group(notification: &Notification, firing: usize) -> String {
    let resolved = notification.resolved().count();
    match (firing, resolved) {
        (0, 0) => String::new(),
        (firing, 0) => format!("{firing} alerts"),
        (0, resolved) => format!("{resolved} alerts over"),
        (firing, resolved) => format!("{firing} firing, {resolved} over"),
    }
}
