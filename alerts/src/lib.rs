//! Alerting: who is told of what, when, once, and with certainty.
//!
//! The crate is pure: no I/O, no clock, no task. Alerts, times and answers come in as arguments; durable state leaves
//! as batches for the state log and messages leave as data for the sender. [`Alerting`] is the door; behind it stand
//! the routing tree, groups, inhibition, silences, the outbox and the ledger, one module each.

mod ack;
mod alert;
mod alerting;
mod changes;
pub mod config;
pub mod conformance;
mod cron;
mod dedup;
mod group;
#[cfg(test)]
mod hostile;
mod inhibit;
pub mod ledger;
pub mod matchers;
mod outbox;
pub mod rules;
mod shipped;
mod silence;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time_interval;
mod transition;
pub mod unittest;

pub use ack::Ack;
pub use alert::{BreakerOrigin, Origin};
pub use alerting::{
    AlertState, AlertView, Alerting, Due, Explanation, GroupView, IntegrationStory, OutboxView, PostedAlert,
    Restored, RouteStory, Settings, Stats, labels_in,
};
pub use config::{Config, IntegrationKind};
pub use dedup::SendReason;
pub use inhibit::LINGER;
pub use shipped::SHIPPED_RULES;
pub use silence::{Silence, SilenceError, SilenceMatcher, SilenceRequest, SilenceState};
pub use transition::{BREAKER_ALERT, TransitionEvent};
