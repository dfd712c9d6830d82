//! Integrations that tell people: one file each, listed in [`NOTIFIERS`].
//!
//! Settings are Alertmanager's, so a receiver of an Alertmanager file works unchanged. Each integration builds
//! its payload in a pure function (golden files in `testdata/`) and sends it once; retries, order, breakers and
//! limits belong to whoever calls.

mod alertmanager;
mod alertmanager_json;
mod clean;
mod command;
mod discord;
mod email;
mod heartbeat;
mod http;
mod ids;
mod layout;
mod log;
mod markdown;
mod msteamsv2;
mod ntfy;
mod pagerduty;
mod preview;
mod settings;
mod shorten;
mod slack;
mod telegram;
mod template;
#[cfg(test)]
mod testing;
mod tree;
mod webhook;
#[cfg(test)]
mod wire;

use breakwatch_plugin_api::NotifierEntry;
pub use preview::preview;

/// Every integration that is built in.
pub static NOTIFIERS: &[NotifierEntry] = &[
    slack::ENTRY,
    email::ENTRY,
    pagerduty::ENTRY,
    webhook::ENTRY,
    alertmanager::ENTRY,
    command::ENTRY,
    log::ENTRY,
    msteamsv2::ENTRY,
    discord::ENTRY,
    telegram::ENTRY,
    ntfy::ENTRY,
    heartbeat::ENTRY,
];

/// Kinds that Alertmanager knows and that are not built, so that the mistake can be named; `webhook` serves in
/// their place. A kind's settings stand under `<kind>_configs`.
pub const NOT_BUILT: &[&str] = &[
    "incidentio",
    "jira",
    "mattermost",
    "msteams",
    "opsgenie",
    "pushover",
    "rocketchat",
    "sns",
    "victorops",
    "webex",
    "wechat",
    "zoom",
];
