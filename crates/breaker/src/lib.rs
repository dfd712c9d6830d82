//! A circuit breaker that others can build on: the whole state machine, no clock, no task, no I/O.
//!
//! A call asks for a [`Permit`], is made, and turns the permit in with its [`Outcome`]. The breaker trips on
//! failures in a row, on the share of failures or on the share of slow calls; stays open with exponential
//! backoff and jitter; and finds its way back by a bounded number of concurrent probes.
//!
//! - [`Breaker::call`] and its kin guard a call in one line and ask the machine for the time themselves.
//! - [`Breaker::admit`] and [`Permit::record`] take the time as an argument: for simulations, schedulers and
//!   everything that has a clock of its own.
//! - [`Registry`] keeps all breakers of a program by name.
//! - `tower::BreakerLayer` (feature `tower`) guards services and HTTP routes.
//! - Feature `serde` reads a [`Config`] from a file and refuses what [`Config::validate`] refuses; it also
//!   writes [`Snapshot`]s down.
//!
//! # How it works
//! Everything a breaker knows is behind one short mutex, where one event at a time is judged; so a state
//! change can neither be lost nor happen twice. What calls need to know is published in one atomic word: a
//! closed breaker admits with one load, an open one rejects without the lock, and a good call of a count
//! window that is full of good calls only bumps a counter. Counters are spread over cache lines. Listeners
//! run after the lock is released. There is no unsafe code.

mod backoff;
mod breaker;
mod builder;
mod call;
mod clock;
mod config;
mod core;
mod counters;
mod error;
mod listener;
mod permit;
mod preset;
mod registry;
mod rejected;
mod retry;
mod shared;
mod snapshot;
mod state;
mod stats;
mod sync;
#[cfg(feature = "serde")]
mod text;
mod tick;
#[cfg(feature = "tower")]
pub mod tower;
mod transition;
mod validate;
mod window;
mod word;

pub use breaker::Breaker;
pub use builder::Builder;
pub use config::{Config, SlowCall, Window};
pub use counters::Calls;
pub use error::CallError;
pub use permit::{OwnedPermit, Permit};
pub use preset::{Preset, UnknownPreset};
pub use registry::{Health, Registry, RegistryError};
pub use rejected::Rejected;
pub use retry::Retry;
pub use snapshot::{BucketSnapshot, CallSnapshot, Snapshot, WindowSnapshot};
pub use state::{Outcome, Reason, State};
pub use stats::Stats;
pub use transition::{Transition, TransitionCounts};
pub use validate::{ConfigError, InvalidConfig};
pub use window::WindowStats;

#[cfg(test)]
mod tests;

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
