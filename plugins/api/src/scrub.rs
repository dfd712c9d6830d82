//! Keeps secrets out of what is logged and stored: an answer that echoes our URL or token must not carry it on.

use crate::{REDACTED, Secret};

/// Shorter pieces are words such as `hooks` or `v2`; a secret worth the name is longer.
const SHORTEST: usize = 8;

/// Replaces known secrets in a text.
#[derive(Clone, Debug, Default)]
pub struct Scrubber {
    // Longest first, so that a whole URL goes before its parts.
    secrets: Vec<Secret>,
}

impl Scrubber {
    /// Knows these secrets; of each that is a URL, also the parts that can be secret by themselves. Pieces of less than
    /// eight characters are let through: cutting out words would hide what the text says.
    #[must_use]
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut pieces: Vec<String> = Vec::new();
        for secret in secrets {
            pieces.push(secret.expose().to_owned());
            if let Ok(url) = url::Url::parse(secret.expose()) {
                pieces.push(url.path().to_owned());
                pieces.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
                pieces.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
                pieces.extend(url.password().map(str::to_owned));
            }
        }
        pieces.retain(|piece| piece.len() >= SHORTEST);
        pieces.sort_unstable_by_key(|piece| std::cmp::Reverse(piece.len()));
        pieces.dedup();
        Self { secrets: pieces.into_iter().map(Secret::new).collect() }
    }

    /// The text without the secrets.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let replace = |text: String, secret: &Secret| text.replace(secret.expose(), REDACTED);
        self.secrets.iter().fold(text.to_owned(), replace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_url_or_a_part_of_it_is_cut_out() {
        let url = Secret::new("https://hooks.example/services/T000AAAA/B000BBBB/canaryXYZ?key=queryCanary");
        let scrubber = Scrubber::new([&url, &Secret::new("tokenCanary")]);
        let echoed = format!("no {} here, {} canaryXYZ queryCanary tokenCanary", url.expose(), "B000BBBB");
        assert_eq!(scrubber.clean(&echoed), "no <secret> here, <secret> <secret> <secret> <secret>");
        assert_eq!(format!("{scrubber:?}").matches("anary").count(), 0);
    }
}
