//! An alert as the dispatcher keeps it: with where it came from, and merged when the same one comes again.

use breakwatch_model::{Alert, AlertStatus, Timestamp};
use breakwatch_plugin_api::TransitionKind;
use serde::{Deserialize, Serialize};

/// Who raised an alert.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A client of the API (a Prometheus, `amtool`): believed until its end or a time-out.
    Api,
    /// A rule of ours: holds until the rule says it is over.
    Rule,
    /// A breaker.
    Breaker(BreakerOrigin),
}

/// Which breaker, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BreakerOrigin {
    /// What it guards.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The integration it guards, if it is a notifier's.
    pub integration: Option<String>,
    /// The last transition.
    pub transition: TransitionKind,
}

/// An alert with its origin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredAlert {
    pub(crate) alert: Alert,
    pub(crate) origin: Origin,
    /// Whether `ends_at` is only the time until which the alert is believed.
    pub(crate) timeout: bool,
    /// Ended and told of everywhere; kept only because it still inhibits others for a moment.
    #[serde(default)]
    pub(crate) done: bool,
    /// In how many groups it is. Not stored: found out again by routing.
    #[serde(skip)]
    pub(crate) groups: usize,
}

impl StoredAlert {
    pub(crate) fn firing(&self, now: Timestamp) -> bool {
        self.alert.status(now) == AlertStatus::Firing
    }

    pub(crate) fn breaker(&self) -> Option<&BreakerOrigin> {
        match &self.origin {
            Origin::Breaker(breaker) => Some(breaker),
            _ => None,
        }
    }

    /// The alert as a message shows it: while it fires it has no end, whatever it is believed until.
    pub(crate) fn shown(&self, now: Timestamp) -> Alert {
        let mut alert = self.alert.clone();
        if self.firing(now) {
            alert.ends_at = None;
        }
        alert
    }

    /// Takes in a newer word about the same alert. Alertmanager's rules: where the two overlap in time they are
    /// one alert with the earlier start, and an end somebody stated beats a mere time-out.
    pub(crate) fn merge(&mut self, mut newer: Self, now: Timestamp) {
        let end = |alert: &Alert| alert.ends_at.unwrap_or(Timestamp::MAX);
        let (old, new) = (&self.alert, &newer.alert);
        let overlaps = (end(new) > old.starts_at && end(new) < end(old))
            || (new.starts_at > old.starts_at && new.starts_at < end(old));
        if overlaps {
            let (old_ended, new_ended) = (!self.firing(now), !newer.firing(now));
            let later = end(old) > end(new);
            let keep_end = if new_ended { old_ended && later } else { later && !self.timeout };
            let ends_at = if keep_end { old.ends_at } else { new.ends_at };
            newer.alert.starts_at = old.starts_at.min(new.starts_at);
            newer.timeout = if keep_end { self.timeout } else { newer.timeout };
            newer.alert.ends_at = ends_at;
        }
        newer.groups = self.groups;
        *self = newer;
    }

    /// Whether the difference matters after a restart. How long a confirmed alert is believed does not: a restart
    /// gives it its full time again.
    pub(crate) fn differs_lastingly(&self, other: &Self) -> bool {
        let (a, b) = (&self.alert, &other.alert);
        let end = |alert: &Alert| alert.ends_at.filter(|end| *end <= alert.updated_at);
        a.annotations != b.annotations
            || a.starts_at != b.starts_at
            || a.generator_url != b.generator_url
            || end(a) != end(b)
            || self.origin != other.origin
            || self.done != other.done
    }
}

/// Alertmanager's order of alerts in a message: by `job`, by `instance` (those without come last), then by
/// labels, smaller sets first.
pub(crate) fn message_order(a: &Alert, b: &Alert) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    for name in ["job", "instance"] {
        let order = match (a.labels.get(name), b.labels.get(name)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.labels.len().cmp(&b.labels.len()).then_with(|| label_order(a, b))
}

/// Two sets of the same size, name by name over the names of both: the set that lacks a name comes first.
fn label_order(a: &Alert, b: &Alert) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let mut names: Vec<&str> = a.labels.iter().chain(b.labels.iter()).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let order = match (a.labels.get(name), b.labels.get(name)) {
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
