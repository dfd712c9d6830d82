//! `http_config`, in Prometheus' form.

use std::path::Path;

use breakwatch_plugin_api::{Diagnostics, Key, Node, Secret, Section};
use reqwest::header::HeaderName;

use super::oauth2::OAuth2Settings;
use crate::settings::{SecretSource, Settings, TlsSettings};

/// How requests are authorised.
#[derive(Clone, Debug)]
pub(crate) enum Authorization {
    /// `Authorization: <scheme> <credentials>`.
    Scheme(String, SecretSource),
    /// `Authorization: Basic …`.
    Basic(Option<SecretSource>, Option<SecretSource>),
    /// `Authorization: Bearer …` with a token that is fetched.
    OAuth2(OAuth2Settings),
}

/// How to reach a receiver over HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpConfig {
    /// How requests are authorised.
    pub(crate) authorization: Option<Authorization>,
    /// The proxy; its URL may carry a password.
    pub(crate) proxy: Option<Secret>,
    /// Hosts and networks reached without the proxy.
    pub(crate) no_proxy: Option<String>,
    /// Whether the environment's proxy variables count.
    pub(crate) proxy_from_environment: bool,
    /// Headers for the proxy's `CONNECT`.
    pub(crate) proxy_headers: Vec<(HeaderName, Secret)>,
    /// Whether redirects (to the same host, keeping the method) are followed.
    pub(crate) follow_redirects: bool,
    /// How to speak TLS, if not as the system does.
    pub(crate) tls: Option<TlsSettings>,
    /// More headers for every request.
    pub(crate) headers: Vec<(HeaderName, SecretSource)>,
}

impl HttpConfig {
    /// Reads the integration's `http_config`, or else the one of `global:`.
    pub(crate) fn read(settings: &mut Settings<'_>) -> Self {
        let fallback = Self { follow_redirects: true, ..Self::default() };
        let Some(node) = settings.or_global("http_config", "http_config") else { return fallback };
        Self::parse(node, &settings.context.base_dir, settings.diagnostics()).unwrap_or(fallback)
    }

    fn parse(node: &Node, base_dir: &Path, diagnostics: &Diagnostics) -> Option<Self> {
        let mut section = Section::open(node, diagnostics)?;
        let mut reader = Reader { base_dir, diagnostics };
        let config = Self {
            authorization: reader.authorization(&mut section),
            follow_redirects: section.bool("follow_redirects").unwrap_or(true),
            headers: reader.headers(&mut section),
            ..reader.transport(&mut section)
        };
        // HTTP/1.1 serves one message a second as well as HTTP/2 does, so either answer is fine.
        let _ = section.bool("enable_http2");
        section.finish();
        Some(config)
    }
}

struct Reader<'n> {
    base_dir: &'n Path,
    diagnostics: &'n Diagnostics,
}

impl Reader<'_> {
    fn secret(
        &self,
        section: &mut Section<'_>,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<SecretSource> {
        let (inline, file) = (section.get(key), section.get(file_key));
        match (inline, file) {
            (Some(_), Some(_)) => {
                section.error_at(file_key, format!("at most one of `{key}` and `{file_key}` may be set"));
                None
            }
            (Some(node), None) => SecretSource::inline(node, key, self.diagnostics),
            (None, Some(node)) => SecretSource::file(node, self.base_dir, self.diagnostics),
            (None, None) => None,
        }
    }

    fn authorization(&mut self, section: &mut Section<'_>) -> Option<Authorization> {
        // The two `bearer_token` keys are older spellings of `authorization`.
        let bearer = self.secret(section, "bearer_token", "bearer_token_file");
        let bearer = bearer.map(|token| Authorization::Scheme("Bearer".to_owned(), token));
        let scheme = section.section("authorization").and_then(|mut inner| {
            let scheme = inner.string("type").map_or_else(|| "Bearer".to_owned(), |t| t.trim().to_owned());
            let credentials = self.secret(&mut inner, "credentials", "credentials_file");
            if credentials.is_none() {
                inner.error_at("type", "`authorization` needs `credentials` or `credentials_file`");
            }
            if scheme.eq_ignore_ascii_case("basic") {
                inner.error_at("type", "use `basic_auth` for a user name and a password");
            }
            inner.finish();
            credentials.map(|credentials| Authorization::Scheme(scheme, credentials))
        });
        let basic = section.section("basic_auth").map(|mut inner| {
            let username = match inner.get("username") {
                Some(node) => node.as_str().map(|text| SecretSource::Inline(Secret::new(text))),
                None => inner
                    .get("username_file")
                    .and_then(|node| SecretSource::file(node, self.base_dir, self.diagnostics)),
            };
            inner.allow(["username_file"]);
            let password = self.secret(&mut inner, "password", "password_file");
            inner.finish();
            Authorization::Basic(username, password)
        });
        let oauth2 = section.section("oauth2").and_then(|inner| self.oauth2(inner));
        let mut given = [bearer, scheme, basic, oauth2].into_iter().flatten();
        let first = given.next();
        if given.next().is_some() {
            let message =
                "at most one of `authorization`, `basic_auth`, `oauth2` and `bearer_token` may be set";
            self.diagnostics.error(&section.node().place, message);
        }
        first
    }

    fn oauth2(&mut self, mut section: Section<'_>) -> Option<Authorization> {
        let client_id = section.required_string("client_id");
        let client_secret = self.secret(&mut section, "client_secret", "client_secret_file");
        let token_url = section.required_string("token_url");
        let web = |url: &String| url::Url::parse(url).is_ok_and(|url| url.scheme().starts_with("http"));
        if token_url.as_ref().is_some_and(|url| !web(url)) {
            section.error_at("token_url", "expected a URL that begins with http:// or https://");
        }
        let settings = OAuth2Settings {
            client_id: client_id.unwrap_or_default(),
            client_secret,
            scopes: section.strings("scopes").unwrap_or_default(),
            token_url: Secret::new(token_url.unwrap_or_default()),
            parameters: section.string_map("endpoint_params").unwrap_or_default(),
            http: Box::new(self.transport(&mut section)),
        };
        section.finish();
        Some(Authorization::OAuth2(settings))
    }

    /// Proxy and TLS, which the token's giver has of its own.
    fn transport(&mut self, section: &mut Section<'_>) -> HttpConfig {
        let proxy = section.secret("proxy_url").filter(|url| !url.expose().is_empty());
        if proxy.as_ref().is_some_and(|proxy| reqwest::Proxy::all(proxy.expose()).is_err()) {
            section.error_at("proxy_url", "`proxy_url` is not a URL of a proxy");
        }
        HttpConfig {
            proxy,
            no_proxy: section.string("no_proxy"),
            proxy_from_environment: section.bool("proxy_from_environment").unwrap_or(false),
            proxy_headers: self.proxy_headers(section),
            tls: section
                .get("tls_config")
                .and_then(|node| TlsSettings::read(node, self.base_dir, self.diagnostics)),
            ..HttpConfig::default()
        }
    }

    fn proxy_headers(&mut self, section: &mut Section<'_>) -> Vec<(HeaderName, Secret)> {
        let Some(entries) = section.get("proxy_connect_header").and_then(Node::as_map) else {
            return Vec::new();
        };
        let mut headers = Vec::new();
        for (key, values) in entries {
            let Some(name) = self.header_name(key) else { continue };
            let values = values.as_list().unwrap_or(std::slice::from_ref(values));
            headers.extend(
                values.iter().filter_map(Node::as_str).map(|value| (name.clone(), Secret::new(value))),
            );
        }
        headers
    }

    fn headers(&mut self, section: &mut Section<'_>) -> Vec<(HeaderName, SecretSource)> {
        let Some(entries) = section.get("http_headers").and_then(Node::as_map) else { return Vec::new() };
        let mut headers = Vec::new();
        for (key, node) in entries {
            let Some(name) = self.header_name(key) else { continue };
            let Some(mut inner) = Section::open(node, self.diagnostics) else { continue };
            for list in ["values", "secrets"] {
                let values = inner.strings(list).unwrap_or_default();
                let values = values.into_iter().map(|text| SecretSource::Inline(Secret::new(text)));
                headers.extend(values.map(|value| (name.clone(), value)));
            }
            let files = inner.get("files").and_then(Node::as_list).unwrap_or_default();
            let files =
                files.iter().filter_map(|node| SecretSource::file(node, self.base_dir, self.diagnostics));
            headers.extend(files.map(|value| (name.clone(), value)));
            inner.finish();
        }
        headers
    }

    fn header_name(&self, key: &Key) -> Option<HeaderName> {
        let name = HeaderName::from_bytes(key.name.as_bytes()).ok();
        if name.is_none() {
            self.diagnostics.error(&key.place, format!("{:?} is not the name of a header", key.name));
        }
        name
    }
}
