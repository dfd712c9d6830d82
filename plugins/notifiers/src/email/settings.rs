//! `email_configs`: Alertmanager's keys and ours, with the `smtp_*` of `global:` as defaults.

use std::time::Duration;

use breakwatch_plugin_api::{Diagnostics, Field, Node, NotifierContext, Secret};
use lettre::message::Mailboxes;
use lettre::message::header::HeaderName;

use super::message::Texts;
use super::smtp::{Login, Security, Server};
use super::{Email, tls};
use crate::http::{LastGood, rustls_config};
use crate::settings::{SENDS_NO_RESOLVED, SecretSource, Settings, TlsSettings, field};
use crate::template::Text;

/// Mail servers take their time: some wait many seconds before they greet a stranger. Less than the 30 s after which
/// the sender gives an attempt up, so that the reason is ours to say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(25);
/// The port of submission over implicit TLS (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;
/// Headers that make the mail what it is and cannot be anybody else's.
const STRUCTURAL: [&str; 5] = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version", "Date", "Bcc"];

pub(super) const FIELDS: &[Field] = &[
    field("to", "template", "", "The recipients, separated by commas."),
    field("from", "template", "smtp_from", "The sender."),
    field("smarthost", "host:port", "smtp_smarthost", "The mail server."),
    field("hello", "text", "localhost", "How we introduce ourselves."),
    field("auth_username", "text", "smtp_auth_username", "The user name; without it there is no login."),
    field("auth_username_file", "file", "", "A file that holds the user name."),
    field("auth_password", "secret", "smtp_auth_password", "The password, for PLAIN and LOGIN."),
    field("auth_password_file", "file", "", "A file that holds the password; read again for each mail."),
    field("auth_identity", "text", "", "On whose behalf, for PLAIN."),
    field("auth_secret", "secret", "", "For CRAM-MD5, which is not built."),
    field("auth_secret_file", "file", "", "For CRAM-MD5, which is not built."),
    field("require_tls", "true or false", "true", "STARTTLS or nothing; `false` sends in clear text."),
    field("force_implicit_tls", "true or false", "true on port 465", "TLS from the first byte."),
    field("tls_config", "mapping", "", "Authorities, own certificate, server name, as in Prometheus."),
    field("headers", "mapping of templates", "", "More headers, and other values for Subject, From and To."),
    field("text", "template", "our layout", "The text part; set to nothing, it is left out."),
    field("html", "template", "our layout", "The HTML part; set to nothing, it is left out."),
    field("threading", "mapping", "enabled", "`enabled: false` keeps mails about one group apart."),
    field("timeout", "duration", "25s", "How long one try may take in all."),
    SENDS_NO_RESOLVED,
];

/// Addresses that may be a template.
pub(super) enum Addresses {
    Fixed(Mailboxes),
    Template(Text),
}

pub(super) fn read(node: &Node, context: &NotifierContext, diagnostics: &Diagnostics) -> Option<Email> {
    let mut settings = Settings::open(node, context, diagnostics)?;
    let to_node = settings.section.required("to");
    let to = to_node.and_then(|node| addresses(&settings, node, None));
    let from_node = settings.or_global("from", "smtp_from");
    if from_node.is_none() {
        settings.error(node, "no sender: set `from` or the global `smtp_from`");
    }
    let from = from_node.and_then(|node| addresses(&settings, node, Some(1)));
    let server = server(&mut settings);
    let texts = texts(&mut settings);
    let send_resolved = settings.send_resolved(false);
    settings.finish();
    Some(Email::new(server?, from?, to?, texts, send_resolved))
}

fn addresses(settings: &Settings<'_>, node: &Node, count: Option<usize>) -> Option<Addresses> {
    let text = node.as_str().unwrap_or_default();
    if text.contains("{{") {
        return settings.text_of(node).map(Addresses::Template);
    }
    match text.parse::<Mailboxes>() {
        Ok(all) if all.iter().next().is_some() && count.is_none_or(|count| all.iter().count() == count) => {
            Some(Addresses::Fixed(all))
        }
        _ => {
            let wanted = if count.is_some() { "one mail address" } else { "mail addresses" };
            settings.error(node, &format!("expected {wanted}, found {}", node.describe()));
            None
        }
    }
}

fn server(settings: &mut Settings<'_>) -> Option<Server> {
    let node = settings.section.node();
    let smarthost = settings.or_global("smarthost", "smtp_smarthost");
    if smarthost.is_none() {
        settings.error(node, "no mail server: set `smarthost` or the global `smtp_smarthost`");
    }
    let target = smarthost.and_then(|node| {
        let target = node.as_str().and_then(host_port);
        if target.is_none() {
            settings.error(node, &format!("expected host:port, found {}", node.describe()));
        }
        target
    });
    let hello = settings.or_global("hello", "smtp_hello").and_then(Node::as_str).unwrap_or("localhost");
    let hello: String = hello.chars().filter(|c| c.is_ascii_graphic()).collect();
    let tls_node = settings.or_global("tls_config", "smtp_tls_config");
    let base_dir = &settings.context.base_dir;
    let tls = tls_node.and_then(|node| TlsSettings::read(node, base_dir, settings.diagnostics()));
    let tls = tls.unwrap_or_default();
    let require = bool_or_global(settings, "require_tls", "smtp_require_tls").unwrap_or(true);
    let implicit = bool_or_global(settings, "force_implicit_tls", "smtp_force_implicit_tls");
    let timeout = settings.section.duration("timeout").unwrap_or(DEFAULT_TIMEOUT);
    let login = login(settings);
    let (host, port) = target?;
    let security = match (implicit.unwrap_or(port == IMPLICIT_TLS_PORT), require) {
        (true, _) => Security::Implicit,
        (false, true) => Security::StartTls,
        (false, false) => Security::None,
    };
    for mistake in
        [tls::parameters(&tls, &host).err(), rustls_config::build(&tls).err()].into_iter().flatten()
    {
        settings.error(tls_node.unwrap_or(node), &format!("`tls_config` cannot be used: {mistake}"));
    }
    if security == Security::None && login.is_some() && !is_loopback(&host) {
        let place = settings.section.get("require_tls").unwrap_or(node);
        settings.warning(place, "without TLS the password goes over the network in clear text");
    }
    Some(Server { host, port, hello, security, tls, login, timeout, resolver: LastGood::default() })
}

fn bool_or_global(settings: &mut Settings<'_>, key: &'static str, global: &str) -> Option<bool> {
    let node = settings.or_global(key, global)?;
    let value = node.as_bool();
    if value.is_none() {
        settings.error(node, &format!("expected `true` or `false`, found {}", node.describe()));
    }
    value
}

fn login(settings: &mut Settings<'_>) -> Option<Login> {
    let username = username(settings);
    let identity = settings.or_global("auth_identity", "smtp_auth_identity").and_then(Node::as_str);
    let own = settings.secret("auth_password", "auth_password_file");
    let password = own.or_else(|| settings.global_secret("smtp_auth_password", "smtp_auth_password_file"));
    let cram = settings.secret("auth_secret", "auth_secret_file");
    let cram = cram.or_else(|| settings.global_secret("smtp_auth_secret", "smtp_auth_secret_file"));
    let username = username?;
    let Some(password) = password else {
        let message = match cram {
            Some(_) => "CRAM-MD5 is not built: set `auth_password` for PLAIN or LOGIN",
            None => "`auth_username` needs `auth_password` or `auth_password_file`",
        };
        settings.error(settings.section.node(), message);
        return None;
    };
    Some(Login { username: username.to_owned(), password, identity: identity.unwrap_or_default().to_owned() })
}

/// The user name, which is no secret but may stand in a file beside the one that is.
fn username(settings: &mut Settings<'_>) -> Option<SecretSource> {
    let inline = |node: &Node| node.as_str().filter(|name| !name.is_empty()).map(Secret::new);
    let (own, file) = (settings.section.get("auth_username"), settings.section.get("auth_username_file"));
    if own.is_none() && file.is_none() {
        let global = settings.global("smtp_auth_username").and_then(inline).map(SecretSource::Inline);
        return global.or_else(|| settings.global_secret("smtp_auth_username", "smtp_auth_username_file"));
    }
    let file =
        file.and_then(|node| SecretSource::file(node, &settings.context.base_dir, settings.diagnostics()));
    own.and_then(inline).map(SecretSource::Inline).or(file)
}

fn texts(settings: &mut Settings<'_>) -> Texts {
    let (mut headers, mut subject) = (Vec::new(), None);
    let mut seen: Vec<String> = Vec::new();
    for (key, value) in settings.section.get("headers").and_then(Node::as_map).unwrap_or_default() {
        let Ok(name) = HeaderName::new_from_ascii(key.name.to_string()) else {
            settings.diagnostics().error(&key.place, format!("{:?} is not the name of a header", key.name));
            continue;
        };
        let lower = key.name.to_ascii_lowercase();
        if seen.contains(&lower) {
            settings.diagnostics().error(&key.place, format!("the header {:?} is set twice", key.name));
        }
        seen.push(lower);
        if STRUCTURAL.iter().any(|known| name == *known) {
            let message = match name == "Bcc" {
                true => "a `Bcc` header would be seen by everybody: add the address to `to`".to_owned(),
                false => format!("the header {:?} is set by the mail itself", key.name),
            };
            settings.diagnostics().error(&key.place, message);
            continue;
        }
        let Some(text) = settings.text_of(value) else { continue };
        if name == "Subject" { subject = Some(text) } else { headers.push((name, text)) }
    }
    let threading = settings.section.section("threading").is_none_or(|mut inner| {
        let enabled = inner.bool("enabled").unwrap_or(true);
        // A thread lasts as long as its group of alerts, so there is nothing to cut by the day.
        inner.allow(["thread_by_date"]);
        inner.finish();
        enabled
    });
    if subject.is_none() && settings.templates.defines("email.default.subject") {
        let node = settings.section.node();
        subject = settings.compile(r#"{{ template "email.default.subject" . }}"#, node);
    }
    Texts {
        subject,
        html: settings.text_or("html", "email.default.html"),
        text: settings.text("text"),
        headers,
        threading,
    }
}

/// `host:port`, `[::1]:port`.
fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // An empty host means this machine, as in Go.
    let host = if host.is_empty() { "localhost" } else { host };
    let sane = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:%".contains(c));
    Some((host.to_owned(), port.parse().ok()?)).filter(|_| sane)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
