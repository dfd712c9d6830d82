//! What a message says when the user's own templates do not say otherwise.
//!
//! One content for every integration (what is wrong, since when, why, with what evidence, where to look); each
//! integration only dresses it in its own markup. Texts are already clean and clipped, but not escaped.

mod headline;
mod item;

use breakwatch_model::AlertStatus;
use breakwatch_plugin_api::{Notification, TransitionKind};

pub(crate) use self::item::Item;
use crate::clean::{line, link};

/// Characters of a remark: they are ours and short, but quote answers of others.
const NOTE: usize = 300;

/// How the message feels: the colour of its bar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    /// Something is down.
    Bad,
    /// Something is on its way, or not severe.
    Warn,
    /// It is over.
    Good,
}

/// How much there is room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Alerts told in detail; the rest is counted.
    pub(crate) alerts: usize,
    /// Characters of one value.
    pub(crate) value: usize,
}

/// A message, ready to be dressed.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The whole in one line.
    pub(crate) headline: String,
    /// How it feels.
    pub(crate) tone: Tone,
    /// Remarks: delivered late, replaces an undelivered message, what was left out.
    pub(crate) notes: Vec<String>,
    /// The alerts told in detail, firing ones first.
    pub(crate) items: Vec<Item>,
    /// How many firing alerts there are in all.
    pub(crate) firing: usize,
    /// How many resolved alerts there are in all.
    pub(crate) resolved: usize,
    /// The daemon's page of alerts.
    pub(crate) page: Option<String>,
}

impl Message {
    /// Lays a notification out.
    pub(crate) fn new(notification: &Notification, room: Room) -> Self {
        let (firing, resolved) = (notification.firing().count(), notification.resolved().count());
        let told = notification.firing().chain(notification.resolved()).take(room.alerts);
        let items: Vec<Item> =
            told.map(|alert| Item::new(alert, notification.created_at, room.value)).collect();
        let mut notes: Vec<String> = notification.notes.iter().map(|note| line(note, NOTE)).collect();
        let more = firing + resolved - items.len() + notification.truncated_alerts;
        if more > 0 {
            notes.push(format!("{more} more {} not shown", if more == 1 { "alert" } else { "alerts" }));
        }
        let page = link(&notification.external_url);
        Self {
            headline: headline::of(notification),
            tone: tone(notification),
            notes,
            items,
            firing,
            resolved,
            page: page.map(|url| format!("{}/alerts", url.trim_end_matches('/'))),
        }
    }

    /// The one alert the message is about, if it is about just one.
    pub(crate) fn single(&self) -> Option<&Item> {
        match self.items.as_slice() {
            [item] if self.firing + self.resolved == 1 => Some(item),
            _ => None,
        }
    }
}

/// A half-open breaker or an alert of low severity is not as bad as an outage.
fn tone(notification: &Notification) -> Tone {
    if notification.status == AlertStatus::Resolved {
        return Tone::Good;
    }
    if notification.transition == Some(TransitionKind::HalfOpen) {
        return Tone::Warn;
    }
    let mild = |severity: &str| matches!(severity, "warning" | "info" | "none" | "low");
    if notification.firing().all(|alert| mild(alert.labels.value("severity"))) {
        Tone::Warn
    } else {
        Tone::Bad
    }
}

#[cfg(test)]
mod tests;
