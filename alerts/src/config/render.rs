//! The configuration as Alertmanager YAML, for clients that parse what the API shows (`amtool config routes`).
//!
//! Settings an Alertmanager would refuse are left out, secrets are shown as `<secret>` (which Alertmanager's own
//! reader accepts in the place of any secret), and what was inherited stays inherited.

use std::fmt::Write as _;

use breakwatch_plugin_api::{Node, NodeKind, REDACTED, format_duration};

use super::{Config, GroupBy, InhibitRule, Receiver, Route};

/// Keys whose values are secrets in Alertmanager's configuration.
const SECRET_KEYS: [&str; 26] = [
    "api_key",
    "api_secret",
    "app_token",
    "auth_password",
    "auth_secret",
    "bearer_token",
    "bot_token",
    "client_secret",
    "credentials",
    "hmac_secret",
    "key",
    "opsgenie_api_key",
    "password",
    "rocketchat_token",
    "routing_key",
    "secret_key",
    "service_key",
    "slack_api_url",
    "slack_app_token",
    "smtp_auth_password",
    "smtp_auth_secret",
    "telegram_bot_token",
    "token",
    "user_key",
    "webhook_url",
    "wechat_api_secret",
];

/// Integrations that are ours alone.
const OWN_SECTIONS: [&str; 5] =
    ["alertmanager_configs", "command_configs", "heartbeat_configs", "log_configs", "ntfy_configs"];

/// Keys of integrations and receivers that are ours alone.
const OWN_KEYS: [&str; 8] = [
    "transitions",
    "fallback",
    "fallback_after",
    "rate_limit",
    "body",
    "hmac_secret",
    "hmac_secret_file",
    "digest",
];

/// Renders the whole.
pub(super) fn render(config: &Config) -> String {
    let mut out = String::new();
    if let Some(global) = &config.global {
        out.push_str("global:\n");
        node(&mut out, global, 1, "global");
    }
    out.push_str("route:\n");
    route(&mut out, &config.route, None, 1);
    // Rules with several sources are newer than most of Alertmanager's clients, which refuse the whole for them.
    let single = |rule: &&InhibitRule| rule.sources.len() == 1;
    let mut rules = config.inhibit_rules.iter().filter(single).peekable();
    if rules.peek().is_some() {
        out.push_str("inhibit_rules:\n");
        rules.for_each(|rule| inhibit_rule(&mut out, rule));
    }
    let source = config.source.as_ref();
    for key in ["time_intervals", "mute_time_intervals"] {
        if let Some(list) = source.and_then(|source| source.get(key)).filter(|list| !list.is_null()) {
            let _ = writeln!(out, "{key}:");
            node(&mut out, list, 1, key);
        }
    }
    out.push_str("receivers:\n");
    for receiver in &config.receivers {
        receiver_yaml(&mut out, receiver, source);
    }
    if !config.templates.is_empty() {
        out.push_str("templates:\n");
        list_of_texts(&mut out, config.templates.iter().map(String::as_str), 1);
    }
    out
}

fn route(out: &mut String, route: &Route, parent: Option<&Route>, depth: usize) {
    let indent = "  ".repeat(depth);
    let differs = |same: fn(&Route, &Route) -> bool| parent.is_none_or(|parent| !same(parent, route));
    let mut line = |text: String| {
        let _ = writeln!(out, "{indent}{text}");
    };
    line(format!("receiver: {}", quoted(&route.receiver)));
    if differs(|a, b| a.group_by == b.group_by) {
        let names = match &route.group_by {
            GroupBy::All => quoted("..."),
            GroupBy::Labels(names) => names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
        };
        line(format!("group_by: [{names}]"));
    }
    if !route.matchers.is_empty() {
        let texts: Vec<String> = route.matchers.iter().map(|m| quoted(&crate::text::matcher(m))).collect();
        line(format!("matchers: [{}]", texts.join(", ")));
    }
    if route.goes_on {
        line("continue: true".to_owned());
    }
    for (key, value, inherited) in [
        ("group_wait", route.group_wait, parent.map(|p| p.group_wait)),
        ("group_interval", route.group_interval, parent.map(|p| p.group_interval)),
        ("repeat_interval", route.repeat_interval, parent.map(|p| p.repeat_interval)),
    ] {
        if inherited != Some(value) {
            line(format!("{key}: {}", format_duration(value)));
        }
    }
    for (key, names) in [
        ("mute_time_intervals", &route.mute_time_intervals),
        ("active_time_intervals", &route.active_time_intervals),
    ] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            line(format!("{key}: [{}]", names.join(", ")));
        }
    }
    if !route.routes.is_empty() {
        line("routes:".to_owned());
        for child in &route.routes {
            let mut text = String::new();
            self::route(&mut text, child, Some(route), depth + 1);
            dash(out, &text, depth);
        }
    }
}

fn inhibit_rule(out: &mut String, rule: &InhibitRule) {
    let [source] = rule.sources.as_slice() else { return };
    let mut text = String::new();
    for (key, matchers) in [("source_matchers", &source.matchers), ("target_matchers", &rule.target)] {
        let texts: Vec<String> = matchers.iter().map(|m| quoted(&crate::text::matcher(m))).collect();
        let _ = writeln!(text, "    {key}: [{}]", texts.join(", "));
    }
    let equal: Vec<String> = source.equal.iter().map(|name| quoted(name)).collect();
    let _ = writeln!(text, "    equal: [{}]", equal.join(", "));
    dash(out, &text, 1);
}

fn receiver_yaml(out: &mut String, receiver: &Receiver, source: Option<&Node>) {
    let mut text = format!("    name: {}\n", quoted(&receiver.name));
    let list = source.and_then(|source| source.get("receivers")).and_then(Node::as_list).unwrap_or_default();
    let written = list.iter().find(|item| item.get("name").and_then(Node::as_str) == Some(&receiver.name));
    for (key, value) in written.and_then(Node::as_map).unwrap_or_default() {
        let name = &*key.name;
        let is_list = name.ends_with("_configs") && !value.is_null();
        if is_list && !OWN_SECTIONS.contains(&name) {
            let _ = writeln!(text, "    {name}:");
            node(&mut text, value, 3, name);
        }
    }
    dash(out, &text, 1);
}

/// Puts a block that is indented by `depth + 1` under a dash at `depth`.
fn dash(out: &mut String, block: &str, depth: usize) {
    let indent = "  ".repeat(depth);
    let _ = write!(out, "{indent}- {}", block.trim_start());
}

/// A node as a block at `depth`; `section` is the key it stands under at the top or in a receiver.
fn node(out: &mut String, value: &Node, depth: usize, section: &str) {
    let indent = "  ".repeat(depth);
    match &value.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                let name = &*key.name;
                if OWN_KEYS.contains(&name) || value.is_null() {
                    continue;
                }
                match &value.kind {
                    NodeKind::Scalar { text, .. } if name == "url" && section == "webhook_configs" => {
                        let _ = writeln!(out, "{indent}url: {}", quoted(&masked_url(text)));
                    }
                    _ if is_secret(name, value, section) => {
                        let _ = writeln!(out, "{indent}{}: {REDACTED}", scalar(name, false));
                    }
                    NodeKind::Scalar { text, quoted } => {
                        let _ = writeln!(out, "{indent}{}: {}", scalar(name, false), scalar(text, *quoted));
                    }
                    NodeKind::Map(entries) if entries.is_empty() => {
                        let _ = writeln!(out, "{indent}{}: {{}}", scalar(name, false));
                    }
                    NodeKind::List(items) if items.is_empty() => {
                        let _ = writeln!(out, "{indent}{}: []", scalar(name, false));
                    }
                    _ => {
                        let _ = writeln!(out, "{indent}{}:", scalar(name, false));
                        node(out, value, depth + 1, section);
                    }
                }
            }
        }
        NodeKind::List(items) => {
            for item in items {
                match &item.kind {
                    NodeKind::Scalar { text, quoted } => {
                        let _ = writeln!(out, "{indent}- {}", scalar(text, *quoted));
                    }
                    NodeKind::Map(entries) if entries.is_empty() => {
                        let _ = writeln!(out, "{indent}- {{}}");
                    }
                    _ => {
                        let mut text = String::new();
                        node(&mut text, item, depth + 1, section);
                        let text = if text.is_empty() { "{}\n".to_owned() } else { text };
                        dash(out, &text, depth);
                    }
                }
            }
        }
        NodeKind::Scalar { text, quoted } => {
            let _ = writeln!(out, "{indent}{}", scalar(text, *quoted));
        }
        NodeKind::Null => {}
    }
}

fn is_secret(key: &str, value: &Node, section: &str) -> bool {
    let credential_url = key == "api_url" && section == "slack_configs";
    let from_outside = value.sensitive && value.as_str().is_some();
    // Headers of an HTTP client may carry credentials under any name.
    from_outside || credential_url || key == "http_headers" || SECRET_KEYS.contains(&key)
}

/// A webhook's URL is a credential, but older Alertmanagers read it as a plain URL and refuse `<secret>` there.
fn masked_url(url: &str) -> String {
    let origin = url.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        Some(format!("{scheme}://{}", authority.rsplit('@').next()?))
    });
    origin.map_or_else(|| REDACTED.to_owned(), |origin| format!("{origin}/{REDACTED}"))
}

fn list_of_texts<'a>(out: &mut String, texts: impl Iterator<Item = &'a str>, depth: usize) {
    for text in texts {
        let _ = writeln!(out, "{}- {}", "  ".repeat(depth), quoted(text));
    }
}

/// A scalar that was plain stays plain where that is safe, so that numbers and booleans stay what they were.
fn scalar(text: &str, was_quoted: bool) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '+');
    let plain = !was_quoted
        && !text.is_empty()
        && text.chars().all(|c| safe(c) || matches!(c, '-' | '@'))
        && text.starts_with(safe);
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes with escapes that YAML and JSON share.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
