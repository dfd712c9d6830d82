//! Reads an integration's settings: Alertmanager's keys, secrets inline or by file, defaults from `global:`.

mod secret;
mod tls;

use std::time::Duration;

use breakwatch_plugin_api::{Diagnostics, Field, Node, NotifierContext, Section};

pub(crate) use self::secret::SecretSource;
pub(crate) use self::tls::{TlsSettings, TlsVersion};
use crate::http::{HttpClient, HttpConfig};
use crate::template::{Templates, Text};

/// How long one try may take in all: connect, send, and the whole answer. Long enough for a slow provider, short
/// enough that a hung one costs a page seconds and not minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Keys of every integration that the router reads.
const ROUTER_KEYS: [&str; 1] = ["transitions"];

/// What `send_resolved` means.
const SEND_RESOLVED: &str = "Whether messages about the end of an alert are sent.";

/// Documents a setting.
pub(crate) const fn field(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    help: &'static str,
) -> Field {
    Field { name, kind, default, help }
}

/// `timeout`, for its documentation.
pub(crate) const TIMEOUT: Field = field("timeout", "duration", "10s", "How long one try may take in all.");

/// `http_config`, for its documentation.
pub(crate) const HTTP_CONFIG: Field =
    field("http_config", "mapping", "", "Authorization, proxy, TLS and headers, as in Prometheus.");

/// `send_resolved` where ends are told unless it says otherwise, for its documentation.
pub(crate) const SENDS_RESOLVED: Field = field("send_resolved", "true or false", "true", SEND_RESOLVED);

/// `send_resolved` where ends are told only if it says so.
pub(crate) const SENDS_NO_RESOLVED: Field = field("send_resolved", "true or false", "false", SEND_RESOLVED);

/// Runs `read` with findings of its own and passes them on; gives nothing if there was an error among them.
pub(crate) fn checked<T>(
    diagnostics: &Diagnostics,
    read: impl FnOnce(&Diagnostics) -> Option<T>,
) -> Option<T> {
    let own = Diagnostics::new();
    let value = read(&own);
    let failed = own.has_errors();
    for finding in own.into_sorted() {
        // A mistake under `global:` or in a template file is met by every integration that reads it.
        diagnostics.push_once(finding);
    }
    if failed { None } else { value }
}

/// A mapping being read, with what surrounds it.
pub(crate) struct Settings<'n> {
    /// The keys.
    pub(crate) section: Section<'n>,
    /// Where the daemon's side of the story is.
    pub(crate) context: &'n NotifierContext,
    /// The user's templates, for the texts.
    pub(crate) templates: Templates,
    diagnostics: &'n Diagnostics,
}

impl<'n> Settings<'n> {
    /// Opens the settings of one integration.
    pub(crate) fn open(
        node: &'n Node,
        context: &'n NotifierContext,
        diagnostics: &'n Diagnostics,
    ) -> Option<Self> {
        let mut section = Section::open(node, diagnostics)?;
        section.allow(ROUTER_KEYS);
        let templates = Templates::load(&context.templates);
        templates.report(diagnostics);
        Some(Self { section, context, templates, diagnostics })
    }

    /// `send_resolved`, with the integration's default.
    pub(crate) fn send_resolved(&mut self, default: bool) -> bool {
        self.section.bool("send_resolved").unwrap_or(default)
    }

    /// `timeout`: how long one try may take. Zero means the default, as a page must never wait for ever.
    pub(crate) fn timeout(&mut self) -> Duration {
        let timeout = self.section.duration_or_zero("timeout").filter(|timeout| !timeout.is_zero());
        timeout.unwrap_or(DEFAULT_TIMEOUT)
    }

    /// A text that may be a template.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<Text> {
        let node = self.section.get(key)?;
        self.text_of(node)
    }

    /// A text that may be a template. If it is not set but the user's own template files define `name` (the one
    /// Alertmanager uses by default, `slack.default.title`), that is meant.
    pub(crate) fn text_or(&mut self, key: &'static str, name: &str) -> Option<Text> {
        if self.section.get(key).is_none() && self.templates.defines(name) {
            let node = self.section.node();
            return self.compile(&format!("{{{{ template \"{name}\" . }}}}"), node);
        }
        self.text(key)
    }

    /// A node's text, which may be a template; a mistake in it is reported there.
    pub(crate) fn text_of(&self, node: &Node) -> Option<Text> {
        let Some(source) = node.as_str() else {
            self.error(node, &format!("expected text, found {}", node.describe()));
            return None;
        };
        self.compile(source, node)
    }

    /// Compiles a template text, reporting mistakes at `node`.
    pub(crate) fn compile(&self, source: &str, node: &Node) -> Option<Text> {
        match self.templates.compile(source) {
            Ok(text) => Some(text),
            Err(mistake) => {
                // A URL with a key in it must not come back in a message.
                let shown = if node.sensitive { "it holds a secret and is not shown" } else { &mistake };
                self.error(node, &format!("the template cannot be used: {shown}"));
                None
            }
        }
    }

    /// A secret: `key` inline or `file_key` as a file that is read again on each use.
    pub(crate) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<SecretSource> {
        let (inline, file) = (self.section.get(key), self.section.get(file_key));
        if let (Some(_), Some(file)) = (inline, file) {
            self.error(file, &format!("at most one of `{key}` and `{file_key}` may be set"));
            return None;
        }
        match (inline, file) {
            (Some(node), _) => SecretSource::inline(node, key, self.diagnostics),
            (None, Some(node)) => SecretSource::file(node, &self.context.base_dir, self.diagnostics),
            (None, None) => None,
        }
    }

    /// A secret that is an http or https URL.
    pub(crate) fn secret_url(&mut self, key: &'static str, file_key: &'static str) -> Option<SecretSource> {
        let source = self.secret(key, file_key)?;
        self.check_url(&source, self.section.node().get(key));
        Some(source)
    }

    /// A secret that is an http or https URL and must be set, here or in the `global:` section.
    pub(crate) fn required_secret_url(
        &mut self,
        [key, file_key]: [&'static str; 2],
        global: Option<[&'static str; 2]>,
    ) -> Option<SecretSource> {
        let written = |key| self.section.node().get(key).is_some_and(|node| !node.is_null());
        if written(key) || written(file_key) {
            return self.secret_url(key, file_key);
        }
        self.section.allow([key, file_key]);
        let source = global.and_then(|[key, file_key]| {
            let source = self.global_secret(key, file_key)?;
            self.check_url(&source, self.global(key));
            Some(source)
        });
        if source.is_none() {
            self.error(self.section.node(), &format!("one of `{key}` and `{file_key}` must be set"));
        }
        source
    }

    /// Reports a URL written in the configuration that cannot be one. The URL itself is not repeated.
    pub(crate) fn check_url(&self, source: &SecretSource, node: Option<&Node>) {
        let (SecretSource::Inline(secret), Some(node)) = (source, node) else { return };
        let good = url::Url::parse(secret.expose())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !good {
            self.error(node, "expected a URL that begins with http:// or https://");
        }
    }

    /// The HTTP client, by `http_config` and `timeout`.
    pub(crate) fn http_client(&mut self) -> Option<HttpClient> {
        let config = HttpConfig::read(self);
        let timeout = self.timeout();
        match HttpClient::build(config, timeout) {
            Ok(client) => Some(client),
            Err(mistake) => {
                self.error(self.section.node(), &format!("`http_config` cannot be used: {mistake}"));
                None
            }
        }
    }

    /// A secret of the `global:` section.
    pub(crate) fn global_secret(&self, key: &'static str, file_key: &'static str) -> Option<SecretSource> {
        match (self.global(key), self.global(file_key)) {
            (Some(node), _) => SecretSource::inline(node, key, self.diagnostics),
            (None, Some(node)) => SecretSource::file(node, &self.context.base_dir, self.diagnostics),
            (None, None) => None,
        }
    }

    /// The items of a list of mappings; each is read by `read`, and every key it does not ask for is reported.
    pub(crate) fn items<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Section<'_>, &Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let node = self.section.get(key)?;
        let Some(nodes) = node.as_list() else {
            self.error(node, &format!("expected a list, found {}", node.describe()));
            return None;
        };
        let read_one = |node| {
            let mut section = Section::open(node, self.diagnostics)?;
            let item = read(&mut section, self);
            section.finish();
            item
        };
        Some(nodes.iter().filter_map(read_one).collect())
    }

    /// A text, which may be a template, of a mapping inside this one.
    pub(crate) fn inner_text(&self, section: &mut Section<'_>, key: &'static str) -> Option<Text> {
        section.get(key).and_then(|node| self.text_of(node))
    }

    /// A value of the `global:` section.
    pub(crate) fn global(&self, key: &str) -> Option<&'n Node> {
        self.context.global.as_ref()?.get(key).filter(|node| !node.is_null())
    }

    /// The integration's own value, or else the one of the `global:` section.
    pub(crate) fn or_global(&mut self, key: &'static str, global_key: &str) -> Option<&'n Node> {
        let own = self.section.get(key);
        own.or_else(|| self.global(global_key))
    }

    /// Reports an error at a node.
    pub(crate) fn error(&self, node: &Node, message: &str) {
        self.diagnostics.error(&node.place, message);
    }

    /// Reports something odd at a node.
    pub(crate) fn warning(&self, node: &Node, message: &str) {
        self.diagnostics.warning(&node.place, message);
    }

    /// Where findings go.
    pub(crate) fn diagnostics(&self) -> &'n Diagnostics {
        self.diagnostics
    }

    /// Reports every key nobody asked for.
    pub(crate) fn finish(self) {
        self.section.finish();
    }
}
