//! From the `http` section of the configuration to what a run needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use breakwatch_plugin_api::{BuildContext, Diagnostics, Node, Scrubber, Secret, Section, redact_url};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use url::Url;

use super::expect::Expect;
use crate::limits::Limits;
use crate::net::tls::TlsSettings;
use crate::net::{Cidr, IpFamily};

/// How much of the decoded body is read unless told otherwise: enough for a health page, little enough for a
/// thousand checks at once.
const DEFAULT_MAX_BODY: u64 = 1024 * 1024;
/// More than this would be held in memory per run.
const LARGEST_MAX_BODY: u64 = 64 * 1024 * 1024;
/// As curl's and browsers' limits go, at the low end.
const DEFAULT_MAX_REDIRECTS: u64 = 10;

/// Link-local addresses: nothing that is monitored lives there, but the metadata services of clouds do.
const DENIED: [&str; 2] = ["169.254.0.0/16", "fe80::/10"];

/// Words in the name of a header that make its value a secret.
const SECRET_HEADERS: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];

/// Which HTTP version is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Speak {
    /// Over TLS what ALPN gives, without TLS 1.1.
    #[default]
    Auto,
    /// 1.1 only.
    Http1,
    /// 2 only; without TLS by prior knowledge.
    Http2,
}

/// Everything a run needs.
pub(super) struct Settings {
    /// Without user name and password.
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Takes what is secret in the request out of what a target says.
    pub(super) scrubber: Scrubber,
    /// The `Authorization` header, from `auth` or from the URL.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) body: Bytes,
    pub(super) expect: Expect,
    pub(super) follow_redirects: bool,
    pub(super) max_redirects: u64,
    pub(super) tls: TlsSettings,
    pub(super) limits: Limits,
    pub(super) max_body: usize,
    pub(super) ip_family: IpFamily,
    /// Addresses that are never asked.
    pub(super) deny_networks: Vec<Cidr>,
    pub(super) speak: Speak,
}

impl Settings {
    /// Reads the section; nothing without a URL.
    pub(super) fn read(section: &mut Section<'_>, context: &BuildContext) -> Option<Self> {
        let url = section.required("url").and_then(|node| read_url(node, section.diagnostics()));
        let method = section.parse("method", |text| {
            Method::from_bytes(text.as_bytes()).map_err(|_| "an HTTP method such as `GET`".to_owned())
        });
        let headers = read_headers(section);
        let auth = section.section("auth").and_then(read_auth);
        let body = section.string("body").unwrap_or_default();
        let expect = Expect::read(section.section("expect"));
        let follow_redirects = section.bool("follow_redirects").unwrap_or(true);
        let max_redirects = section.integer("max_redirects", 0..=100).unwrap_or(DEFAULT_MAX_REDIRECTS);
        let tls = TlsSettings::read(section.section("tls"), &context.base_dir);
        let limits = Limits::read(section, true);
        let max_body = read_max_body(section, &expect);
        let ip_family = IpFamily::read(section);
        let deny_networks = read_networks(section);
        let versions = [("auto", Speak::Auto), ("1.1", Speak::Http1), ("2", Speak::Http2)];
        let speak = section.choice("http_version", &versions).unwrap_or_default();
        if url.as_ref().is_some_and(|url| url.scheme() == "http")
            && !follow_redirects
            && limits.wants_certificate()
        {
            section.error_at("url", "`certificate_days` needs an https URL");
        }
        let mut url = url?;
        let authorization = auth.or(take_credentials(&mut url));
        Some(Self {
            scrubber: scrubber(&url, authorization.as_ref(), &headers),
            url,
            method: method.unwrap_or(Method::GET),
            headers,
            authorization,
            body: Bytes::from(body),
            expect,
            follow_redirects,
            max_redirects,
            tls,
            limits,
            max_body,
            ip_family,
            deny_networks,
            speak,
        })
    }
}

fn read_url(node: &Node, diagnostics: &Diagnostics) -> Option<Url> {
    let url = node.as_str().and_then(|text| Url::parse(text).ok());
    let good = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    if good.is_none() {
        let message = format!("expected an http or https URL, found {}", node.describe());
        diagnostics.error(&node.place, message);
    }
    good
}

fn read_headers(section: &mut Section<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let Some(node) = section.get("headers") else { return Vec::new() };
    let Some(entries) = node.as_map() else {
        section.error_at("headers", format!("expected a mapping of texts, found {}", node.describe()));
        return Vec::new();
    };
    let mut headers = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let Ok(name) = HeaderName::from_bytes(key.name.as_bytes()) else {
            section.diagnostics().error(&key.place, format!("{:?} is not a header name", key.name));
            continue;
        };
        // The framing of the request is ours: a wrong length would hang the target.
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&name) {
            section.diagnostics().error(&key.place, format!("`{name}` is set by the request itself"));
            continue;
        }
        match node.as_str().and_then(|text| HeaderValue::from_str(text).ok()) {
            Some(mut value) => {
                value.set_sensitive(node.sensitive);
                headers.push((name, value));
            }
            None => {
                let message = format!("expected one line of text, found {}", node.describe());
                section.diagnostics().error(&node.place, message);
            }
        }
    }
    headers
}

fn read_auth(mut section: Section<'_>) -> Option<HeaderValue> {
    let basic = section.section("basic").and_then(|mut basic| {
        let username = basic.required_string("username");
        let password = basic.required_string("password");
        basic.finish();
        Some(basic_value(&username?, &password?))
    });
    let bearer = section.secret("bearer").map(|token| secret_value(&format!("Bearer {}", token.expose())));
    let both = section.node().get("basic").is_some() && section.node().get("bearer").is_some();
    let none = section.node().get("basic").is_none() && section.node().get("bearer").is_none();
    if both || none {
        let message = "expected either `basic` or `bearer`";
        section.diagnostics().error(&section.node().place, message);
    }
    let place = section.node().place.clone();
    let diagnostics = section.diagnostics();
    section.finish();
    let value = basic.or(bearer)?;
    if value.is_none() {
        diagnostics.error(&place, "the credentials hold characters that cannot stand in a header");
    }
    value
}

/// A `Basic` header (RFC 7617, UTF-8).
fn basic_value(username: &str, password: &str) -> Option<HeaderValue> {
    secret_value(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Moves user name and password out of the URL into a header.
fn take_credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let value = basic_value(&decode(url.username()), &decode(url.password().unwrap_or_default()));
    let _ = url.set_username("");
    let _ = url.set_password(None);
    value
}

/// Knows every secret of the request. Error pages like to repeat what they were sent.
fn scrubber(
    url: &Url,
    authorization: Option<&HeaderValue>,
    headers: &[(HeaderName, HeaderValue)],
) -> Scrubber {
    let named = |name: &HeaderName| SECRET_HEADERS.iter().any(|word| name.as_str().contains(word));
    let headers = headers.iter().filter(|(name, value)| value.is_sensitive() || named(name));
    let values = headers.map(|(_, value)| value).chain(authorization);
    let mut secrets = Vec::new();
    for value in values.filter_map(|value| value.to_str().ok()) {
        // `Bearer TOKEN`, or `Basic` and a pair in base64.
        let inner = value.split_once(' ').map_or(value, |(_, inner)| inner);
        let pair = STANDARD.decode(inner).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let password = pair.as_ref().and_then(|pair| pair.split_once(':')).map(|(_, password)| password);
        secrets.extend([Some(value), Some(inner), password].into_iter().flatten().map(Secret::new));
    }
    let shown = redact_url(url.as_str());
    let hidden = url.query_pairs().map(|(_, value)| value).filter(|value| !shown.contains(&**value));
    secrets.extend(hidden.map(Secret::new));
    Scrubber::new(&secrets)
}

fn read_networks(section: &mut Section<'_>) -> Vec<Cidr> {
    let defaults = || DENIED.iter().filter_map(|text| Cidr::parse(text).ok()).collect();
    let Some(texts) = section.strings("deny_networks") else { return defaults() };
    let mut networks = Vec::with_capacity(texts.len());
    for text in texts {
        match Cidr::parse(&text) {
            Ok(network) => networks.push(network),
            Err(expected) => {
                section.error_at("deny_networks", format!("expected {expected}, found {text:?}"));
            }
        }
    }
    networks
}

/// The cap on the body; an expected maximum needs no more than one byte beyond itself.
fn read_max_body(section: &mut Section<'_>, expect: &Expect) -> usize {
    let mut max = section.bytes("max_body").unwrap_or(DEFAULT_MAX_BODY);
    if max > LARGEST_MAX_BODY {
        section.error_at("max_body", "at most 64MiB of a body are read");
        max = LARGEST_MAX_BODY;
    }
    if let Some(expected) = expect.body_max()
        && expected > max
    {
        section.error_at("max_body", "`expect.body_max` lies beyond `max_body`, the part that is read");
    }
    usize::try_from(max).unwrap_or(usize::MAX)
}
