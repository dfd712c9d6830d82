//! Text as Markdown that shows as that text: for chats that look for markup in what we send.

use crate::clean::clean;

/// Characters that begin or end markup in some Markdown of a chat.
const SPECIAL: [char; 15] = ['\\', '*', '_', '~', '`', '|', '[', ']', '(', ')', '<', '>', '#', '-', '!'];

/// The text with a backslash before everything that could be markup, and nobody called by `@`.
pub(crate) fn escape(text: &str) -> String {
    escape_of(text, &SPECIAL)
}

/// As [`escape`], for a Markdown with other special characters.
pub(crate) fn escape_of(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        if special.contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
        if c == '@' {
            // A word joiner is not seen and parts the sign from the name.
            escaped.push('\u{2060}');
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        assert_eq!(escape("a_b *c* [d](e) <1> `f`"), r"a\_b \*c\* \[d\]\(e\) \<1\> \`f\`");
        assert_eq!(escape("@everyone"), "@\u{2060}everyone");
    }
}
