//! Puts the daemon together from its configuration: one file per subsystem, and no policy.

pub mod auth;
pub mod bars;
pub mod breaker;
pub mod checks;
pub mod daemon;
pub mod exporters;
pub mod load;
pub mod notifiers;
pub mod reloader;
pub mod resource;
pub mod selfscrape;
pub mod stores;
pub mod tables;
