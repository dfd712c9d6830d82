//! Takes secrets out of a tree, so that it can be shown.
//!
//! Three nets, because any one has holes: what came from outside (`${env:…}`, `${file:…}`), keys that hold
//! secrets by their name, and texts that hold one inside (URLs with credentials, `--password=…`).

#[cfg(test)]
mod tests;

use breakwatch_plugin_api::{Key, Node, NodeKind, Place, REDACTED, redact_url};

/// Keys whose values are secret, wherever they stand. Each is also found as the end of a longer key behind an
/// underscore (`smtp_auth_password`, `slack_api_url`).
const SECRET_KEYS: [&str; 23] = [
    "bearer",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credentials",
    "authorization",
    "auth_identity",
    "api_key",
    "apikey",
    "access_key",
    "secret_key",
    "routing_key",
    "service_key",
    "integration_key",
    "user_key",
    "ping_key",
    "private_key",
    "webhook_url",
    "api_url",
    "auth_secret",
    "client_secret",
];

/// Keys under which a plain `url` is a secret: the address of an incoming webhook is all one needs to post.
const WEBHOOK_SECTIONS: [&str; 7] = [
    "webhook_configs",
    "slack_configs",
    "discord_configs",
    "msteams_configs",
    "heartbeat_configs",
    "ntfy_configs",
    "heartbeat",
];

/// Words that make a header, query parameter or command option a secret.
const SECRET_WORDS: [&str; 9] =
    ["authorization", "password", "passwd", "secret", "token", "api-key", "apikey", "api_key", "cookie"];

/// A copy of the tree without its secrets.
#[must_use]
pub fn redact(node: &Node) -> Node {
    redact_at(node, &Around::default())
}

/// The values in a tree that hold a secret written out in the file itself.
pub(crate) fn written_secrets(node: &Node) -> Vec<Place> {
    let mut places = Vec::new();
    compare(node, &redact(node), &mut places);
    places
}

/// Walks a tree beside its redacted copy, which has the same shape.
fn compare(node: &Node, redacted: &Node, places: &mut Vec<Place>) {
    match (&node.kind, &redacted.kind) {
        (NodeKind::List(items), NodeKind::List(others)) => {
            items.iter().zip(others).for_each(|(item, other)| compare(item, other, places));
        }
        (NodeKind::Map(entries), NodeKind::Map(others)) => {
            entries.iter().zip(others).for_each(|((_, value), (_, other))| compare(value, other, places));
        }
        (kind, other) if kind != other && !node.sensitive => places.push(node.place.clone()),
        _ => {}
    }
}

/// What is known of where a value stands.
#[derive(Clone, Default)]
struct Around {
    /// Inside a section whose `url` is a secret.
    webhook: bool,
    /// Inside `headers` (or a map of query parameters).
    headers: bool,
    /// Under a key that is a secret by its name.
    secret: bool,
}

impl Around {
    fn below(&self, key: &str) -> Self {
        let webhook = self.webhook || WEBHOOK_SECTIONS.contains(&key);
        let by_name = is_secret_key(key) || (webhook && key == "url");
        let by_header = self.headers && holds_secret_word(key);
        let headers = matches!(key, "headers" | "http_headers" | "params" | "env" | "environment");
        Self { webhook, headers, secret: self.secret || by_name || by_header }
    }
}

fn redact_at(node: &Node, around: &Around) -> Node {
    let kind = match &node.kind {
        NodeKind::Null => NodeKind::Null,
        NodeKind::Scalar { .. } if node.sensitive || around.secret => secret(),
        NodeKind::Scalar { text, quoted } => NodeKind::Scalar { text: redact_text(text), quoted: *quoted },
        NodeKind::List(items) => redact_list(items, around),
        NodeKind::Map(entries) => {
            let redacted = |(key, value): &(Key, Node)| {
                (key.clone(), redact_at(value, &around.below(&key.name.to_ascii_lowercase())))
            };
            NodeKind::Map(entries.iter().map(redacted).collect())
        }
    };
    Node { place: node.place.clone(), kind, sensitive: false }
}

fn secret() -> NodeKind {
    NodeKind::Scalar { text: REDACTED.to_owned(), quoted: false }
}

/// A list may be a command line, where the value of `--password` is the item after it.
fn redact_list(items: &[Node], around: &Around) -> NodeKind {
    let mut follows_option = false;
    let redacted = items.iter().map(|item| {
        let hide = follows_option;
        let text = item.as_str().unwrap_or("");
        follows_option = text.starts_with('-') && !text.contains('=') && holds_secret_word(text);
        redact_at(item, &Around { secret: around.secret || hide, ..around.clone() })
    });
    NodeKind::List(redacted.collect())
}

fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.iter().any(|secret| match key.strip_suffix(secret) {
        Some(before) => before.is_empty() || before.ends_with('_'),
        None => false,
    })
}

fn holds_secret_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// A text without the secret inside it: `option=value`, `Name: value`, or a URL's credentials.
fn redact_text(text: &str) -> String {
    if text.contains("://") {
        // Only what has something to hide is rewritten: a URL is shown as it was written otherwise.
        let redacted = text.split_whitespace().map(redact_address).collect::<Vec<_>>().join(" ");
        return if text.split_whitespace().eq(redacted.split(' ')) { text.to_owned() } else { redacted };
    }
    for separator in ['=', ':'] {
        if let Some((name, value)) = text.split_once(separator)
            && !value.trim().is_empty()
            && !name.contains(char::is_whitespace)
            && holds_secret_word(name)
        {
            return format!("{name}{separator}{REDACTED}");
        }
    }
    text.to_owned()
}

fn redact_address(word: &str) -> String {
    let Some((_, rest)) = word.split_once("://") else { return word.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    if authority.contains('@') || holds_secret_word(query) || query.contains("key=") || query.contains("sig=")
    {
        redact_url(word)
    } else {
        word.to_owned()
    }
}
