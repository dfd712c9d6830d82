//! Escaping for HTML, JavaScript strings and URL queries, and its undoing for the last.

use crate::fmt::is_printable;
use crate::limits::{Exceeded, Text};

/// `html`: the five characters that matter in HTML, and NUL, which HTML forbids.
pub(crate) fn html_escape(text: &str, out: &mut Text) -> Result<(), Exceeded> {
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;")?,
            '\'' => out.push_str("&#39;")?,
            '&' => out.push_str("&amp;")?,
            '<' => out.push_str("&lt;")?,
            '>' => out.push_str("&gt;")?,
            '\0' => out.push(char::REPLACEMENT_CHARACTER)?,
            _ => out.push(c)?,
        }
    }
    Ok(())
}

/// `js`: for use inside a JavaScript string.
pub(super) fn js_escape(text: &str, out: &mut Text) -> Result<(), Exceeded> {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\")?,
            '\'' => out.push_str("\\'")?,
            '"' => out.push_str("\\\"")?,
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04X}", u32::from(c)))?,
            ' '..='\u{7f}' => out.push(c)?,
            _ if is_printable(c) => out.push(c)?,
            _ => out.push_str(&format!("\\u{:04X}", u32::from(c)))?,
        }
    }
    Ok(())
}

/// `urlquery`: for use inside a URL's query; a space becomes a plus.
pub(crate) fn query_escape(text: &str, out: &mut Text) -> Result<(), Exceeded> {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte))?;
            }
            b' ' => out.push('+')?,
            _ => out.push_str(&format!("%{byte:02X}"))?,
        }
    }
    Ok(())
}

/// `urlUnescape`: the opposite of [`query_escape`]. What is not UTF-8 becomes U+FFFD.
pub(super) fn query_unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    let piece: Vec<u8> = std::iter::once(b'%').chain(tail.iter().copied().take(2)).collect();
                    let piece = crate::fmt::quoted(&String::from_utf8_lossy(&piece));
                    return Err(format!("invalid URL escape {piece}"));
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = tail.get(2..).unwrap_or_default();
            }
            byte => bytes.push(*byte),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
