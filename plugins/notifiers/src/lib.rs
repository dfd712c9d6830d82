//! Integrations that tell people: one file each, listed in [`NOTIFIERS`].
//!
//! Settings are Alertmanager's, so a receiver of an Alertmanager file works unchanged. Each integration builds
//! its payload in a pure function (golden files in `testdata/`) and sends it once; retries, order, breakers and
//! limits belong to whoever calls.

mod alertmanager_json;
mod clean;
mod email;
mod http;
mod ids;
mod layout;
mod pagerduty;
mod settings;
mod shorten;
mod slack;
mod template;
#[cfg(test)]
mod testing;
mod tree;
mod webhook;

use breakwatch_plugin_api::NotifierEntry;

/// Every integration that is built in.
pub static NOTIFIERS: &[NotifierEntry] = &[slack::ENTRY, email::ENTRY, pagerduty::ENTRY, webhook::ENTRY];
