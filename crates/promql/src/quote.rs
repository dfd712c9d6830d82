//! Quoting as Go does it (`strconv.Quote`, `strconv.Unquote`): Prometheus prints label values, strings and
//! parse errors that way, and clients compare the text.

use std::fmt::Write;

/// `text` in double quotes with Go's escapes.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote_into(&mut out, text);
    out
}

/// Appends `text` in double quotes with Go's escapes.
pub fn quote_into(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        escape(out, c, '"');
    }
    out.push('"');
}

/// One character in single quotes with Go's escapes (`%q` of a rune).
#[must_use]
pub fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    escape(&mut out, c, '\'');
    out.push('\'');
    out
}

fn escape(out: &mut String, c: char, delimiter: char) {
    match c {
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        c if c == delimiter => {
            out.push('\\');
            out.push(c);
        }
        c if is_printable(c) => out.push(c),
        // Writing to a string cannot fail.
        c if u32::from(c) < 0x80 => drop(write!(out, "\\x{:02x}", u32::from(c))),
        c if u32::from(c) < 0x1_0000 => drop(write!(out, "\\u{:04x}", u32::from(c))),
        c => drop(write!(out, "\\U{:08x}", u32::from(c))),
    }
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='\x7e').contains(&c);
    }
    // The standard library escapes what Unicode does not count as printable; a leading letter keeps it
    // from escaping combining marks, which Go prints.
    let mut buffer = ['a'.len_utf8() as u8; 5];
    buffer[0] = b'a';
    let length = c.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..=length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

/// What is wrong with a quoted string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid syntax")]
pub struct UnquoteError;

/// The text inside a quoted string: `"…"` and `'…'` with escapes, `` `…` `` raw.
///
/// # Errors
/// Unbalanced quotes, unknown escapes, code points that do not exist, or escapes that make bytes which are
/// not UTF-8.
pub fn unquote(quoted: &str) -> Result<String, UnquoteError> {
    let mut chars = quoted.chars();
    let delimiter = chars.next().ok_or(UnquoteError)?;
    if chars.next_back() != Some(delimiter) {
        return Err(UnquoteError);
    }
    let inner = chars.as_str();
    match delimiter {
        '`' if !inner.contains('`') => Ok(inner.to_owned()),
        '"' | '\'' if !inner.contains('\n') => unescape(inner, delimiter),
        _ => Err(UnquoteError),
    }
}

fn unescape(inner: &str, delimiter: char) -> Result<String, UnquoteError> {
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == delimiter {
            return Err(UnquoteError);
        }
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let simple = match chars.next().ok_or(UnquoteError)? {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' => b'\\',
            quote @ ('"' | '\'') if quote == delimiter => quote as u8,
            'x' => u8::try_from(digits(&mut chars, None, 2, 16)?).map_err(|_| UnquoteError)?,
            first @ '0'..='7' => {
                u8::try_from(digits(&mut chars, Some(first), 3, 8)?).map_err(|_| UnquoteError)?
            }
            kind @ ('u' | 'U') => {
                let point = digits(&mut chars, None, if kind == 'u' { 4 } else { 8 }, 16)?;
                let c = char::from_u32(point).ok_or(UnquoteError)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return Err(UnquoteError),
        };
        out.push(simple);
    }
    String::from_utf8(out).map_err(|_| UnquoteError)
}

fn digits(
    chars: &mut std::str::Chars<'_>,
    first: Option<char>,
    count: usize,
    radix: u32,
) -> Result<u32, UnquoteError> {
    let mut value: u32 = 0;
    let mut first = first;
    for _ in 0..count {
        let c = first.take().or_else(|| chars.next()).ok_or(UnquoteError)?;
        let digit = c.to_digit(radix).ok_or(UnquoteError)?;
        value = value.checked_mul(radix).and_then(|v| v.checked_add(digit)).ok_or(UnquoteError)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        assert_eq!(
            quote("a\"b\\c\n\u{e9}\u{301}\u{1}\u{200b}"),
            "\"a\\\"b\\\\c\\n\u{e9}\u{301}\\x01\\u200b\""
        );
        assert_eq!(quote_char('\''), "'\\''");
        assert_eq!(quote_char('~'), "'~'");
        assert_eq!(quote("\u{e0001}"), "\"\\U000e0001\"");
    }

    #[test]
    fn unquotes_what_it_quotes() {
        for text in ["", "plain", "a\"b'c`d", "\u{7}\u{8}\u{c}\n\r\t\u{b}\\", "日本\u{10ffff}", "\u{0}\u{7f}"]
        {
            assert_eq!(unquote(&quote(text)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_broken_strings() {
        for bad in
            ["", "\"", "\"a", "'a\"", "\"a\"b\"", "\"\\q\"", "\"\\x4\"", "\"\\ud800\"", "\"\\400\"", "\"\n\""]
        {
            assert_eq!(unquote(bad), Err(UnquoteError), "{bad}");
        }
        assert_eq!(unquote(r"'\x41\101\u00e9\''").as_deref(), Ok("AA\u{e9}'"));
        assert_eq!(unquote("`a\\n`").as_deref(), Ok("a\\n"));
        assert_eq!(unquote(r#""\xff""#), Err(UnquoteError));
    }
}
