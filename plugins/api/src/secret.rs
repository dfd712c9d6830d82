//! Texts that must never be printed.

use std::fmt;

use zeroize::Zeroizing;

/// What is shown in place of a secret.
pub const REDACTED: &str = "<secret>";

/// A secret text: cannot be printed or serialised, and its memory is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the moment of use.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Query parameters whose values are kept out of everything that is shown.
const SECRET_PARAMETERS: [&str; 10] =
    ["token", "key", "apikey", "api_key", "password", "passwd", "secret", "auth", "access_token", "sig"];

/// A URL or DSN fit to be shown: user name, password, fragment and secret-looking query values are gone.
/// What does not parse as a URL is shown only up to its first `@`, `?` or space.
#[must_use]
pub fn redact_url(text: &str) -> String {
    let parsed = url::Url::parse(text).ok().filter(|url| !url.cannot_be_a_base());
    let Some(mut url) = parsed else {
        let end = text.find(['@', '?', ' ']).unwrap_or(text.len());
        return if text[end..].starts_with('@') { REDACTED.to_owned() } else { text[..end].to_owned() };
    };
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    url.set_fragment(None);
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let lower = name.to_lowercase();
                let secret = SECRET_PARAMETERS.iter().any(|word| lower.contains(word));
                (name.into_owned(), if secret { "redacted".to_owned() } else { value.into_owned() })
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "<secret> <secret>");
    }

    #[test]
    fn urls_lose_their_credentials() {
        assert_eq!(redact_url("postgres://u:p@db:5432/x"), "postgres://db:5432/x");
        assert_eq!(redact_url("https://a/b?token=1&x=2#f"), "https://a/b?token=redacted&x=2");
        assert_eq!(redact_url("user:pw@host"), REDACTED);
    }
}
