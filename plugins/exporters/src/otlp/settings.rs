//! The settings, named and defaulted as the OpenTelemetry Collector does.

#[cfg(test)]
mod tests;

use std::time::Duration;

use breakwatch_plugin_api::{Diagnostics, ExporterContext, Field, Node, Section, redact_url};
use http::{HeaderName, HeaderValue, Uri};

use super::environment::{FromEnvironment, Variables};
use super::tls::TlsSettings;
use crate::delivery::{self, Delivery};

/// The path for metrics under a base address.
const METRICS_PATH: &str = "/v1/metrics";

/// The Collector's time-outs for one request, by protocol.
const GRPC_TIMEOUT: Duration = Duration::from_secs(5);
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

const fn field(name: &'static str, kind: &'static str, default: &'static str, help: &'static str) -> Field {
    Field { name, kind, default, help }
}

/// The settings, for documentation.
pub(super) const FIELDS: [Field; 9] = [
    field(
        "endpoint",
        "URL or host:port",
        "$OTEL_EXPORTER_OTLP_ENDPOINT",
        "Where the receiver listens. Over HTTP `/v1/metrics` is added. Over gRPC an address without `http://` is reached by TLS.",
    ),
    field("metrics_endpoint", "URL", "", "The full address for metrics over HTTP, instead of `endpoint`."),
    field("protocol", "grpc or http/protobuf", "grpc", "How OTLP is spoken."),
    field("headers", "mapping of texts", "", "Headers or gRPC metadata sent along."),
    field("compression", "gzip or none", "gzip", "Fast gzip: a tenth of the bytes for little time."),
    field("timeout", "duration", "5s over gRPC, 30s over HTTP", "How long one request may take."),
    field(
        "tls",
        "mapping",
        "",
        "insecure, insecure_skip_verify, ca_file, cert_file, key_file, server_name_override.",
    ),
    delivery::FIELDS[0],
    delivery::FIELDS[1],
];

/// How OTLP is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Grpc,
    HttpProtobuf,
}

const PROTOCOLS: [(&str, Protocol); 2] =
    [("grpc", Protocol::Grpc), ("http/protobuf", Protocol::HttpProtobuf)];

/// A configured connection.
pub(super) struct Settings {
    pub(super) protocol: Protocol,
    /// The full address: for gRPC scheme and authority, for HTTP with its path.
    pub(super) uri: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) gzip: bool,
    pub(super) timeout: Duration,
    /// Set when the scheme is `https`.
    pub(super) tls: Option<TlsSettings>,
    pub(super) delivery: Delivery,
}

impl Settings {
    /// Reads settings; `protocol` is the kind's own, if it has only one. `None` after a mistake.
    pub(super) fn read(
        node: &Node,
        context: &ExporterContext,
        protocol: Option<Protocol>,
        variables: Variables<'_>,
        diagnostics: &Diagnostics,
    ) -> Option<Self> {
        let errors_before = diagnostics.error_count();
        let environment = FromEnvironment::read(variables);
        let mut section = Section::open(node, diagnostics)?;
        let protocol = protocol.unwrap_or_else(|| {
            let written = section.choice("protocol", &PROTOCOLS);
            written.or_else(|| default_protocol(&environment)).unwrap_or(Protocol::Grpc)
        });
        let tls = section.section("tls");
        let tls = TlsSettings::read(tls, &context.base_dir, &environment);
        let uri = read_uri(&mut section, protocol, tls.insecure, &environment);
        let gzip = section.choice("compression", &[("gzip", true), ("none", false), ("", false)]);
        let headers = read_headers(&mut section, &environment);
        let timeout = section.duration("timeout").or(environment.timeout);
        section.allow(delivery::FIELDS.map(|field| field.name));
        section.finish();
        let delivery = Delivery::read(node, diagnostics);
        let uri = uri.filter(|_| diagnostics.error_count() == errors_before)?;
        let is_tls = uri.scheme_str() == Some("https");
        let default_timeout = if protocol == Protocol::Grpc { GRPC_TIMEOUT } else { HTTP_TIMEOUT };
        Some(Self {
            protocol,
            uri,
            headers,
            gzip: gzip.unwrap_or_else(|| environment.compression.as_deref() != Some("none")),
            timeout: timeout.unwrap_or(default_timeout),
            tls: is_tls.then_some(tls),
            delivery,
        })
    }

    /// The address without credentials.
    pub(super) fn shown_endpoint(&self) -> String {
        redact_url(&self.uri.to_string())
    }
}

fn default_protocol(environment: &FromEnvironment) -> Option<Protocol> {
    let word = environment.protocol.as_deref()?;
    PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, protocol)| *protocol)
}

/// The address from the settings, else from the environment. Reports a missing or unusable one.
fn read_uri(
    section: &mut Section<'_>,
    protocol: Protocol,
    insecure: bool,
    environment: &FromEnvironment,
) -> Option<Uri> {
    let full = section.string("metrics_endpoint").filter(|_| protocol == Protocol::HttpProtobuf);
    let base = section.string("endpoint");
    // The path is added to a base address, never to one that is for metrics alone.
    let (key, text, add_path) = match (full, base) {
        (Some(full), _) => ("metrics_endpoint", full, false),
        (None, Some(base)) => ("endpoint", base, true),
        (None, None) => match (&environment.metrics_endpoint, &environment.endpoint) {
            (Some(full), _) => ("endpoint", full.clone(), false),
            (None, Some(base)) => ("endpoint", base.clone(), true),
            (None, None) => {
                section.required("endpoint");
                return None;
            }
        },
    };
    let add_path = add_path && protocol == Protocol::HttpProtobuf;
    match build_uri(text.trim(), protocol, insecure, add_path) {
        Ok(uri) => Some(uri),
        Err(expected) => {
            section.error_at(key, format!("expected {expected}"));
            None
        }
    }
}

fn build_uri(text: &str, protocol: Protocol, insecure: bool, add_path: bool) -> Result<Uri, String> {
    let has_scheme = text.contains("://");
    if protocol == Protocol::HttpProtobuf && !has_scheme {
        return Err("an address with its scheme, such as `http://127.0.0.1:4318`".to_owned());
    }
    let expected = || match protocol {
        Protocol::Grpc => "an address such as `http://127.0.0.1:4317` or `collector:4317`".to_owned(),
        Protocol::HttpProtobuf => "an address such as `http://127.0.0.1:4318`".to_owned(),
    };
    let scheme = if insecure { "http" } else { "https" };
    let text = if has_scheme { text.to_owned() } else { format!("{scheme}://{text}") };
    let text = if add_path { format!("{}{METRICS_PATH}", text.trim_end_matches('/')) } else { text };
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let known_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if !known_scheme || uri.host().is_none_or(str::is_empty) {
        return Err(expected());
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("an address without credentials (send them in `headers`)".to_owned());
    }
    Ok(uri)
}

/// Headers of the settings, or those of the environment.
fn read_headers(section: &mut Section<'_>, environment: &FromEnvironment) -> Vec<(HeaderName, HeaderValue)> {
    let written = section.string_map("headers");
    let pairs = written.as_ref().unwrap_or(&environment.headers);
    let mut headers = Vec::new();
    for (name, value) in pairs {
        match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            (Err(_), _) => section.error_at("headers", format!("{name:?} is not the name of a header")),
            (_, Err(_)) => {
                section.error_at("headers", format!("the value of {name:?} cannot be sent in a header"));
            }
        }
    }
    headers
}
