//! The listener: where, under which address, and who may come in.

mod auth;

use std::net::SocketAddr;
use std::path::PathBuf;

use breakwatch_plugin_api::Section;

pub use auth::{AuthConfig, Password, Role, Token, User};

use crate::files::resolve;
use crate::values;

/// Loopback: another address without authentication must be asked for.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9475);

/// Several dashboards and people at once; each answer may hold megabytes until its reader has taken it.
const MAX_CONCURRENT_READS: usize = 64;

/// Certificate and key of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain in PEM.
    pub cert_file: PathBuf,
    /// The private key in PEM.
    pub key_file: PathBuf,
}

/// Settings under `server`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address under which people reach the daemon, without a trailing slash; goes into messages.
    pub external_url: Option<String>,
    /// The path under which everything is served: empty, or `/prefix`.
    pub path_prefix: String,
    /// Who may come in.
    pub auth: AuthConfig,
    /// HTTPS instead of HTTP.
    pub tls: Option<TlsFiles>,
    /// Listen on another address than loopback without authentication: whoever reaches it may read all.
    pub allow_remote_without_auth: bool,
    /// Host names (without port) under which the daemon may be addressed besides loopback's and that of
    /// `external_url`.
    pub allowed_hosts: Vec<String>,
    /// Whether `POST /-/reload` and `/-/quit` work.
    pub enable_lifecycle: bool,
    /// How many may read the API and the page at once; `/metrics` and `/health` are not counted.
    pub max_concurrent_reads: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            external_url: None,
            path_prefix: String::new(),
            auth: AuthConfig::default(),
            tls: None,
            allow_remote_without_auth: false,
            allowed_hosts: Vec::new(),
            enable_lifecycle: false,
            max_concurrent_reads: MAX_CONCURRENT_READS,
        }
    }
}

impl ServerConfig {
    pub(crate) fn read(section: Option<Section<'_>>) -> Self {
        let mut read = Self::default();
        let Some(mut section) = section else { return read };
        read.listen = section.parse("listen", read_listen).unwrap_or(read.listen);
        read.external_url =
            values::http_url(&mut section, "external_url").map(|url| url.trim_end_matches('/').to_owned());
        let prefix = section.parse("path_prefix", read_prefix);
        read.path_prefix = prefix.unwrap_or_else(|| prefix_of(read.external_url.as_deref()));
        if let Some(auth) = section.section("auth") {
            read.auth = AuthConfig::read(auth);
        }
        read.tls = section.section("tls").and_then(read_tls);
        read.allow_remote_without_auth = section.bool("allow_remote_without_auth").unwrap_or(false);
        read.allowed_hosts = section.strings("allowed_hosts").unwrap_or_default();
        read.enable_lifecycle = section.bool("enable_lifecycle").unwrap_or(false);
        if let Some(count) = values::count(&mut section, "max_concurrent_reads", 1..=10_000) {
            read.max_concurrent_reads = usize::try_from(count).unwrap_or(MAX_CONCURRENT_READS);
        }
        if !read.listen.ip().is_loopback() && !read.allow_remote_without_auth && !read.auth.protects_reading()
        {
            section.diagnostics().error_with_help(
                section.get("listen").map_or(&section.node().place, |node| &node.place),
                format!("{} can be reached from other machines, and nobody needs a password", read.listen),
                "configure `auth`, or say `allow_remote_without_auth: true`",
            );
        }
        section.finish();
        read
    }
}

fn read_listen(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None if text.starts_with(':') => format!("0.0.0.0{text}"),
        None => text.to_owned(),
    };
    text.parse().map_err(|_| "an address and a port such as `127.0.0.1:9475` or `[::1]:9475`".to_owned())
}

fn read_prefix(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    if trimmed.is_empty()
        || (trimmed.starts_with('/') && !trimmed.contains("//") && trimmed.chars().all(plain))
    {
        Ok(trimmed.to_owned())
    } else {
        Err("a path such as `/breakwatch`".to_owned())
    }
}

/// The path of the external address, which a reverse proxy usually passes on.
fn prefix_of(external_url: Option<&str>) -> String {
    let rest = external_url.and_then(|url| url.split_once("://")).map_or("", |(_, rest)| rest);
    rest.find('/').map_or(String::new(), |at| rest[at..].to_owned())
}

fn read_tls(mut section: Section<'_>) -> Option<TlsFiles> {
    let mut file = |key| {
        let node = section.required(key)?;
        let path = resolve(&section.string(key)?, &node.place);
        if !path.is_file() {
            section.error_at(key, format!("there is no file {}", path.display()));
        }
        Some(path)
    };
    let (cert_file, key_file) = (file("cert_file"), file("key_file"));
    section.finish();
    Some(TlsFiles { cert_file: cert_file?, key_file: key_file? })
}
