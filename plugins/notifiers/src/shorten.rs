//! A smaller message about the same thing, for a receiver that refused the whole one: better a short page than
//! none.

use breakwatch_model::Labels;
use breakwatch_plugin_api::Notification;

use crate::clean::clip;

/// Alerts kept: enough to see what is wrong.
const ALERTS: usize = 3;
/// Characters kept of an annotation: a summary passes whole.
const ANNOTATION: usize = 160;
/// Said in the message.
const NOTE: &str = "shortened: the receiver refused the whole message for its size";

/// The message with its first few alerts and the beginnings of their annotations.
pub(crate) fn shorten(notification: &Notification) -> Notification {
    let mut short = keep(notification, ALERTS);
    for alert in &mut short.alerts {
        let clipped = alert.annotations.iter().map(|(name, value)| (name, clip(value, ANNOTATION)));
        alert.annotations = Labels::from_pairs(clipped);
        alert.generator_url = alert.generator_url.chars().take(ANNOTATION).collect();
    }
    short.notes = short.notes.iter().map(|note| clip(note, ANNOTATION)).collect();
    short.notes.push(NOTE.to_owned());
    short
}

/// The message with its first `count` alerts; the others are counted as left out.
pub(crate) fn keep(notification: &Notification, count: usize) -> Notification {
    let mut short = notification.clone();
    let left_out = short.alerts.len().saturating_sub(count);
    short.alerts.truncate(count);
    short.truncated_alerts += left_out;
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{alert, notification};

    #[test]
    fn says_less_and_says_so() {
        let mut whole = notification(vec![alert("a", None); 5]);
        whole.alerts[0].annotations = whole.alerts[0].annotations.with("evidence", "x".repeat(1_000_000));
        let short = shorten(&whole);
        assert_eq!((short.alerts.len(), short.truncated_alerts), (3, 2));
        assert_eq!(short.alerts[0].annotations.value("evidence").chars().count(), ANNOTATION);
        assert_eq!(short.alerts[0].annotations.value("summary"), "website answers 503");
        assert_eq!(short.notes, [NOTE]);
        assert_eq!(short.id, whole.id, "it is the same message");
    }
}
