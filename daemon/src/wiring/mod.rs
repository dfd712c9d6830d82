//! Puts the daemon together from its configuration: one file per subsystem, and no policy.

pub mod auth;
pub mod breaker;
pub mod checks;
pub mod tables;
