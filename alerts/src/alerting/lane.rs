//! One lane per integration: what holds its messages back, and who stands in for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::Timestamp;

use crate::config::{Config, RateLimit};

/// The most messages under way to one integration at a time. More would only wait in the sender, where newer states
/// can no longer take their place.
const MAX_IN_FLIGHT: usize = 32;

/// Who is told when an integration cannot be.
#[derive(Clone, Debug)]
pub(super) struct Fallback {
    /// The receiver the integration belongs to.
    pub(super) of: Arc<str>,
    /// The receiver that stands in.
    pub(super) to: Arc<str>,
    /// After how long.
    pub(super) after: Duration,
}

/// The state of an integration's lane.
#[derive(Debug, Default)]
pub(super) struct Lane {
    limit: Option<RateLimit>,
    /// What is left of the limit, and when that was; `None`: all of it.
    tokens: Option<(f64, Timestamp)>,
    pub(super) fallback: Option<Fallback>,
    /// Until when its breaker is open.
    pub(super) held_until: Option<Timestamp>,
    /// Messages under way.
    pub(super) in_flight: usize,
}

/// The lanes of a configuration. What is under way or held in `before` stays so.
pub(super) fn lanes(config: &Config, mut before: HashMap<Arc<str>, Lane>) -> HashMap<Arc<str>, Lane> {
    let mut lanes = HashMap::new();
    for receiver in &config.receivers {
        let fallback = receiver.fallback.as_ref().map(|to| Fallback {
            of: Arc::clone(&receiver.name),
            to: Arc::clone(to),
            after: receiver.fallback_after,
        });
        for integration in &receiver.integrations {
            let old = before.remove(&integration.key).unwrap_or_default();
            let lane = Lane { limit: receiver.rate_limit, fallback: fallback.clone(), ..old };
            lanes.insert(Arc::clone(&integration.key), lane);
        }
    }
    lanes
}

impl Lane {
    /// From when on the lane lets a message through; `None` while it has as many under way as it can.
    pub(super) fn open_at(&self) -> Option<Timestamp> {
        if self.in_flight >= MAX_IN_FLIGHT {
            return None;
        }
        let limited = match (self.limit, self.tokens) {
            (Some(limit), Some((tokens, at))) => {
                let missing = (1.0 - tokens).max(0.0);
                let wait = limit.per.as_secs_f64() * missing / f64::from(limit.messages);
                // Rounded up: a moment too early the token is not there yet.
                at + Duration::from_millis((wait * 1000.0).ceil() as u64)
            }
            _ => Timestamp::MIN,
        };
        Some(limited.max(self.held_until.unwrap_or(Timestamp::MIN)))
    }

    /// How many more messages may be begun at once.
    pub(super) fn room(&self) -> usize {
        let in_flight = MAX_IN_FLIGHT.saturating_sub(self.in_flight);
        match (self.limit, self.tokens) {
            (Some(limit), None) => in_flight.min(usize::try_from(limit.messages).unwrap_or(usize::MAX)),
            // Between two refills only what is there; `open_at` has seen to one at least.
            (Some(_), Some((tokens, _))) => in_flight.min((tokens.max(1.0)) as usize),
            (None, _) => in_flight,
        }
    }

    /// A message is begun.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.in_flight += 1;
        let Some(limit) = self.limit else { return };
        let full = f64::from(limit.messages);
        let (tokens, at) = self.tokens.unwrap_or((full, now));
        let refill = full / limit.per.as_secs_f64() * now.since(at).as_secs_f64();
        self.tokens = Some(((tokens + refill).min(full) - 1.0, now));
    }

    /// Whether a rate limit lets nothing more through for now.
    pub(super) fn is_exhausted(&self) -> bool {
        self.limit.is_some() && self.tokens.is_some_and(|(tokens, _)| tokens < 1.0)
    }

    /// The wall clock was moved by so many milliseconds.
    pub(super) fn clock_jumped(&mut self, by: i64) {
        self.tokens = self.tokens.map(|(tokens, at)| (tokens, Timestamp(at.0.saturating_add(by))));
    }

    /// A message has come to its end, one way or another.
    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}
