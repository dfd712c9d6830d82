//! Makes foreign text fit to be shown: no control characters, nothing that reorders what stands around it, no
//! more than there is room for.

/// Characters that change the direction of the text around them. Data that holds them could make a message read
/// differently from what it says.
const fn reorders(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text without control characters (line breaks and tabs stay; a CR becomes a line break) and without marks
/// that reorder.
pub(crate) fn clean(text: &str) -> String {
    let unified = text.replace("\r\n", "\n");
    let keep = |c: char| match c {
        '\r' => Some('\n'),
        '\n' | '\t' => Some(c),
        c if c.is_control() || reorders(c) => None,
        c => Some(c),
    };
    unified.chars().filter_map(keep).collect()
}

/// The text in one line: every run of white space becomes one space.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A foreign text as one line of at most `max` characters.
pub(crate) fn line(text: &str, max: usize) -> String {
    let head = head(text, max);
    let more = if head.len() < text.len() { "…" } else { "" };
    clip(&format!("{}{more}", clean_line(head)), max)
}

/// A foreign text, line breaks kept, of at most `max` characters.
pub(crate) fn block(text: &str, max: usize) -> String {
    let head = head(text, max);
    let more = if head.len() < text.len() { "…" } else { "" };
    clip(&format!("{}{more}", clean(head).trim()), max)
}

/// As much of a text as can matter for `max` characters of it, so that a megabyte costs no more than a line.
fn head(text: &str, max: usize) -> &str {
    let bytes = max.saturating_mul(8).saturating_add(256).min(text.len());
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// At most `max` characters; what is cut is marked by `…`, which counts.
pub(crate) fn clip(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(max.saturating_sub(1)).collect();
    clipped.push('…');
    clipped
}

/// At most `max` bytes of UTF-8, cut between characters and marked by `…`.
pub(crate) fn clip_bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub('…'.len_utf8());
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// Longer than any link somebody meant; browsers and chats stop about here.
const LONGEST_LINK: usize = 2000;

/// A URL that may be offered to be clicked on: http or https, without anything that could end the place it
/// stands in.
pub(crate) fn link(text: &str) -> Option<String> {
    let text = text.trim();
    let url = url::Url::parse(text).ok().filter(|_| text.len() <= LONGEST_LINK)?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    // The parser has already percent-encoded control characters, spaces, quotes and angle brackets.
    web.then(|| url.to_string().replace('|', "%7C").replace('\'', "%27"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_harm_or_mislead_is_gone() {
        assert_eq!(clean("a\0b\u{1b}[31m\u{202e}c\r\nd\re\tf\u{9b}"), "ab[31mc\nd\ne\tf");
        assert_eq!(clean_line(" a\r\n\tb \u{2028}c"), "a b c");
        assert_eq!(clean("grüße 東京 🙂 \u{fffd}"), "grüße 東京 🙂 \u{fffd}");
    }

    #[test]
    fn a_megabyte_is_cut_before_it_is_read() {
        let long = "word ".repeat(200_000);
        assert_eq!(line(&long, 10), "word word…");
        assert_eq!(line(&format!("a{}", " ".repeat(100_000)), 10), "a…");
        assert_eq!(block("a\r\n b \n", 10), "a\n b");
        assert_eq!(line("short\ntext", 10), "short text");
    }

    #[test]
    fn clipped_between_characters() {
        assert_eq!((clip("äöü", 3), clip("äöüß", 3)), ("äöü".to_owned(), "äö…".to_owned()));
        assert_eq!((clip("ab", 0), clip("", 0)), ("…".to_owned(), String::new()));
        assert_eq!(clip_bytes("äöüß", 8), "äöüß");
        assert_eq!(clip_bytes("äöüß", 7), "äö…");
        assert!(clip_bytes("ää", 1).len() <= 3);
    }

    #[test]
    fn only_web_links_are_links() {
        assert_eq!(link(" https://a/b?c=d&e=<f>").as_deref(), Some("https://a/b?c=d&e=%3Cf%3E"));
        assert_eq!(link("https://a/x|y 'z'").as_deref(), Some("https://a/x%7Cy%20%27z%27"));
        assert_eq!(link(&format!("https://a/{}", "x".repeat(2000))), None);
        for bad in ["javascript:alert(1)", "data:text/html,x", "//a/b", "/etc/passwd", "", "https://"] {
            assert_eq!(link(bad), None, "{bad}");
        }
    }
}
