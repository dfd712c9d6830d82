//! A circuit breaker that others can build on: the whole state machine, no clock, no task, no I/O.
//!
//! A call asks for a [`Permit`], is made, and turns the permit in with its [`Outcome`]. The breaker trips on
//! failures in a row, on the share of failures or on the share of slow calls; stays open with exponential
//! backoff and jitter; and finds its way back by a bounded number of concurrent probes.

mod backoff;
mod breaker;
mod builder;
mod config;
mod core;
mod counters;
mod listener;
mod permit;
mod preset;
mod rejected;
mod shared;
mod snapshot;
mod state;
mod stats;
mod sync;
#[cfg(feature = "serde")]
mod text;
mod tick;
mod transition;
mod validate;
mod window;
mod word;

pub use breaker::Breaker;
pub use builder::Builder;
pub use config::{Config, SlowCall, Window};
pub use counters::Calls;
pub use permit::{OwnedPermit, Permit};
pub use preset::{Preset, UnknownPreset};
pub use rejected::Rejected;
pub use snapshot::{BucketSnapshot, CallSnapshot, Snapshot, WindowSnapshot};
pub use state::{Outcome, Reason, State};
pub use stats::Stats;
pub use transition::{Transition, TransitionCounts};
pub use validate::{ConfigError, InvalidConfig};
pub use window::WindowStats;
