//! The breakwatch daemon: the shell around the crates that do the thinking.
#![allow(missing_docs)]
pub mod breakers;
pub mod changes;
pub mod checks;
pub mod telemetry;
