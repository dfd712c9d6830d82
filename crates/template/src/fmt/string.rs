//! Strings and characters: plain, quoted, as hexadecimal, padded.

use super::Spec;
use crate::limits::{Exceeded, Text};

/// Whether Go prints the character as itself inside quotes.
pub(crate) fn is_printable(c: char) -> bool {
    // Debug escapes exactly what is not printable, and a combining mark only at the very start.
    let text: String = ['a', c].iter().collect();
    matches!(c, '"' | '\'' | '\\') || text.escape_debug().count() == 2
}

/// `strconv.Quote`
pub(crate) fn quoted(text: &str) -> String {
    quote(text, '"', false)
}

pub(super) fn quote(text: &str, mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            _ if c == mark => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ if !ascii && is_printable(c) => out.push(c),
            '\0'..='\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            '\u{80}'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push(mark);
    out
}

/// Whether the text can stand between backquotes.
fn can_backquote(text: &str) -> bool {
    text.chars().all(|c| !matches!(c, '`' | '\u{7f}' | '\u{feff}') && (c == '\t' || c >= ' '))
}

/// Writes `text` padded to the width.
pub(super) fn pad(out: &mut Text, spec: &Spec, text: &str) -> Result<(), Exceeded> {
    let Some(width) = spec.width.filter(|w| *w > 0) else { return out.push_str(text) };
    let missing = width.saturating_sub(text.chars().count());
    if spec.minus {
        out.push_str(text)?;
        out.fill(' ', missing)
    } else {
        out.fill(spec.left_pad(), missing)?;
        out.push_str(text)
    }
}

/// `%s`: cut to the precision, padded to the width.
pub(super) fn plain(out: &mut Text, spec: &Spec, text: &str) -> Result<(), Exceeded> {
    pad(out, spec, cut(text, spec.precision))
}

/// `%q`
pub(super) fn quoted_to(out: &mut Text, spec: &Spec, text: &str) -> Result<(), Exceeded> {
    let text = cut(text, spec.precision);
    if spec.sharp && can_backquote(text) {
        return pad(out, spec, &format!("`{text}`"));
    }
    pad(out, spec, &quote(text, '"', spec.plus))
}

fn cut(text: &str, characters: Option<usize>) -> &str {
    let end = characters.and_then(|n| text.char_indices().nth(n)).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// `%x` and `%X`: the bytes as hexadecimal; with a space between them if asked for.
pub(super) fn hex(out: &mut Text, spec: &Spec, text: &str, upper: bool) -> Result<(), Exceeded> {
    let length = spec.precision.map_or(text.len(), |p| p.min(text.len()));
    if length == 0 {
        return out.fill(spec.left_pad(), spec.width.unwrap_or(0));
    }
    let prefix = match (spec.sharp, upper) {
        (false, _) => "",
        (true, false) => "0x",
        (true, true) => "0X",
    };
    let repeated = if spec.space { length } else { 1 };
    let width = 2 * length + prefix.len() * repeated + if spec.space { length - 1 } else { 0 };
    let missing = spec.width.unwrap_or(0).saturating_sub(width);
    if !spec.minus {
        out.fill(spec.left_pad(), missing)?;
    }
    for (i, byte) in text.bytes().take(length).enumerate() {
        if spec.space && i > 0 {
            out.push(' ')?;
        }
        if i == 0 || spec.space {
            out.push_str(prefix)?;
        }
        out.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") })?;
    }
    if spec.minus { out.fill(' ', missing) } else { Ok(()) }
}
