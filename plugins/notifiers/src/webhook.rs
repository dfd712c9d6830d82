//! `webhook`: Alertmanager's JSON message (version 4), or a body of the user's own, to any URL.
//!
//! Repeats are recognisable by `Idempotency-Key`; with a secret set, the receiver can check by a signature that a
//! message is ours.

use async_trait::async_trait;
use breakwatch_plugin_api::{Field, Notification, NotifierEntry, NotifyError, Secret};
use hmac::{Hmac, Mac};
use reqwest::header::HeaderName;
use sha2::Sha256;

use crate::alertmanager_json;
use crate::http::{Answer, HttpClient, Outgoing, Posting, parse};
use crate::ids::idempotency_key;
use crate::settings::{HTTP_CONFIG, SENDS_RESOLVED, SecretSource, Settings, TIMEOUT, field};
use crate::template::{Data, Text};
use crate::tree::Tree;

/// The header that carries the signature unless another is set.
const SIGNATURE_HEADER: &str = "X-Breakwatch-Signature";

const FIELDS: &[Field] = &[
    field("url", "secret URL", "", "Where messages are posted. May be a template."),
    field("url_file", "file", "", "A file that holds the URL; read again for each message."),
    field("max_alerts", "number", "0", "At most this many alerts in a message; 0 means all."),
    field("payload", "any", "", "The JSON to post instead, as a tree whose texts are templates."),
    field("body", "template", "", "The body to post instead, as one text."),
    field("content_type", "text", "application/json", "The content type of `body`."),
    field(
        "hmac_secret",
        "secret",
        "",
        "Signs each body: the header carries `sha256=` and the HMAC-SHA256 in hex.",
    ),
    field("hmac_secret_file", "file", "", "A file that holds the secret."),
    field("hmac_header", "text", SIGNATURE_HEADER, "The header that carries the signature."),
    TIMEOUT,
    HTTP_CONFIG,
    SENDS_RESOLVED,
];

/// The row in the table.
pub(crate) const ENTRY: NotifierEntry = NotifierEntry {
    key: "webhook",
    section: "webhook_configs",
    summary: "Posts Alertmanager's JSON message, or your own, to a URL.",
    fields: FIELDS,
    parse: parse::<Webhook>,
};

struct Webhook {
    url: Url,
    body: Body,
    signing: Option<(String, SecretSource)>,
}

enum Url {
    Fixed(SecretSource),
    Template(Text),
}

enum Body {
    Alertmanager { max_alerts: usize },
    Tree(Tree),
    Text { text: Text, content_type: String },
}

fn read_url(settings: &mut Settings<'_>) -> Option<Url> {
    let node = settings.section.get("url");
    let Some((node, text)) = node.and_then(|node| Some((node, node.as_str().filter(|t| t.contains("{{"))?)))
    else {
        return settings.required_secret_url(["url", "url_file"], None).map(Url::Fixed);
    };
    // Alerts may choose the path, but never the host that messages go to.
    let fixed = text.split("{{").next().unwrap_or_default();
    if fixed.matches('/').count() < 3 {
        settings.error(node, "the scheme and host of a URL must stand before its first `{{`");
    }
    settings.text_of(node).map(Url::Template)
}

fn read_body(settings: &mut Settings<'_>) -> Body {
    let max_alerts = settings.section.integer("max_alerts", 0..=1_000_000).unwrap_or(0);
    let payload = settings.section.get("payload");
    let text = settings.text("body");
    let content_type = settings.section.string("content_type");
    if payload.is_some() && text.is_some() {
        settings.section.error_at("body", "at most one of `payload` and `body` may be set");
    }
    if let Some(text) = text {
        let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
        return Body::Text { text, content_type };
    }
    match payload.and_then(|node| Tree::read(node, settings)) {
        Some(tree) => Body::Tree(tree),
        None => Body::Alertmanager { max_alerts: usize::try_from(max_alerts).unwrap_or(usize::MAX) },
    }
}

fn read_signing(settings: &mut Settings<'_>) -> Option<(String, SecretSource)> {
    let secret = settings.secret("hmac_secret", "hmac_secret_file");
    let header = settings.section.parse("hmac_header", |text| {
        HeaderName::from_bytes(text.as_bytes())
            .map(|_| text.to_owned())
            .map_err(|_| "the name of a header".to_owned())
    });
    secret.map(|secret| (header.unwrap_or_else(|| SIGNATURE_HEADER.to_owned()), secret))
}

impl Webhook {
    async fn url(&self, notification: &Notification) -> Result<Secret, NotifyError> {
        match &self.url {
            Url::Fixed(source) => source.read().await,
            Url::Template(text) => {
                let rendered = text.render(&Data::new(notification, &str::to_owned));
                // The mistake may quote the template, which may hold the key.
                let fault = |_| NotifyError::Misconfigured("the template of `url` failed".to_owned());
                rendered.map(|url| Secret::new(url.trim())).map_err(fault)
            }
        }
    }

    /// The body and its content type. A template of the user's that fails must not cost the page: the standard
    /// message goes out instead, and the log says why.
    fn body(&self, notification: &Notification) -> (Vec<u8>, &str) {
        let standard =
            |max_alerts| (alertmanager_json::webhook(notification, max_alerts), "application/json");
        let rendered = match &self.body {
            Body::Alertmanager { max_alerts } => return standard(*max_alerts),
            Body::Tree(tree) => {
                let value = tree.value(&Data::new(notification, &str::to_owned));
                value.map(|value| (value.to_string().into_bytes(), "application/json"))
            }
            Body::Text { text, content_type } => {
                let rendered = text.render(&Data::new(notification, &str::to_owned));
                rendered.map(|body| (body.into_bytes(), content_type.as_str()))
            }
        };
        rendered.unwrap_or_else(|mistake| {
            tracing::warn!(receiver = %notification.receiver, integration = %notification.integration, %mistake,
                "the template of the webhook's body failed; the standard message goes out");
            standard(0)
        })
    }
}

#[async_trait]
impl Posting for Webhook {
    const KEY: &'static str = ENTRY.key;
    const SERVICE: &'static str = "the webhook";
    /// A storm of ten thousand groups is told in seconds, and a small server is not overrun.
    const AT_ONCE: usize = 8;

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let url = read_url(settings);
        let body = read_body(settings);
        let signing = read_signing(settings);
        Some(Self { url: url?, body, signing })
    }

    async fn post(&self, client: &HttpClient, notification: &Notification) -> Result<Answer, NotifyError> {
        let url = self.url(notification).await?;
        let (body, content_type) = self.body(notification);
        let mut headers = vec![
            ("Content-Type".to_owned(), content_type.to_owned()),
            ("Idempotency-Key".to_owned(), idempotency_key(&notification.id)),
        ];
        let mut secrets = Vec::new();
        if let Some((name, source)) = &self.signing {
            let secret = source.read().await?;
            headers.push((name.clone(), format!("sha256={}", sign(&secret, &body))));
            secrets.push(secret);
        }
        client.send(Outgoing { headers, body, secrets: &secrets, ..Outgoing::post(&url) }).await
    }
}

/// HMAC-SHA256 of the body in hex.
fn sign(secret: &Secret, body: &[u8]) -> String {
    // A key of any length will do for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests;
