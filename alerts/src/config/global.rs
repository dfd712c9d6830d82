//! `global:`: the router reads one setting; the rest are defaults for integrations, which read them themselves.

use std::time::Duration;

use breakwatch_plugin_api::{Diagnostics, Node, Section};

use super::DEFAULT_RESOLVE_TIMEOUT;

/// Every key Alertmanager has under `global:`, including those of integrations we do not build: a file that
/// sets them is right, only a receiver that needs them is refused.
const INTEGRATION_DEFAULTS: [&str; 47] = [
    "http_config",
    "jira_api_url",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "opsgenie_api_url",
    "pagerduty_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "slack_api_url",
    "slack_api_url_file",
    "slack_app_token",
    "slack_app_token_file",
    "slack_app_url",
    "smtp_auth_identity",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_auth_secret",
    "smtp_auth_secret_file",
    "smtp_auth_username",
    "smtp_auth_username_file",
    "smtp_force_implicit_tls",
    "smtp_from",
    "smtp_hello",
    "smtp_require_tls",
    "smtp_smarthost",
    "smtp_tls_config",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "victorops_api_key",
    "victorops_api_key_file",
    "victorops_api_url",
    "webex_api_url",
    "wechat_api_corp_id",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_url",
    "discord_webhook_url",
    "discord_webhook_url_file",
    "msteams_webhook_url",
    "ntfy_url",
    "ntfy_token_file",
];

/// Checks the keys and gives `resolve_timeout`.
pub(super) fn read(node: &Node, diagnostics: &Diagnostics) -> Option<Duration> {
    let mut section = Section::open(node, diagnostics)?;
    let timeout = section.duration("resolve_timeout");
    section.allow(INTEGRATION_DEFAULTS);
    section.finish();
    Some(timeout.unwrap_or(DEFAULT_RESOLVE_TIMEOUT))
}
