//! The breakwatch daemon: the shell around the crates that do the thinking.
//!
//! Start reading at [`wiring::daemon`], which puts everything together, or at `docs/ARCHITECTURE.md`.

#![allow(unreachable_pub, reason = "a module's own visibility says how far its items reach; once is enough")]

pub mod alerting;
pub mod breakers;
pub mod bulkhead;
pub mod canary;
pub mod changes;
pub mod checks;
pub mod cli;
pub mod collect;
pub mod dependencies;
pub mod events;
pub mod export;
pub mod guarded_store;
pub mod health;
pub mod http;
pub mod jumps;
pub mod open_files;
pub mod recovery;
pub mod reload;
pub mod rules;
pub mod shared;
pub mod state;
pub mod store;
pub mod systemd;
pub mod telemetry;
pub mod ui;
pub mod vitals;
pub mod wiring;
