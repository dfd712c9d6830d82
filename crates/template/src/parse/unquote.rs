//! Go's string and character literals.

/// One unquoted element of a literal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unquoted {
    Char(char),
    /// `\x41` or `\101`: a byte of the string, which may be part of a longer UTF-8 sequence.
    Byte(u8),
}

impl Unquoted {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Char(c) => u32::from(c),
            Self::Byte(b) => u32::from(b),
        }
    }
}

/// The string a `"…"` or `` `…` `` literal stands for. Bytes that are not UTF-8 become U+FFFD, because
/// every consumer of a template's output wants UTF-8.
pub(super) fn unquote(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('`').and_then(|t| t.strip_suffix('`')) {
        return Some(raw.replace('\r', ""));
    }
    let mut rest = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let (unquoted, tail) = unquote_char(rest, '"')?;
        match unquoted {
            Unquoted::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unquoted::Byte(b) => bytes.push(b),
        }
        rest = tail;
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The first element of a literal's inside, and the rest.
pub(super) fn unquote_char(text: &str, quote: char) -> Option<(Unquoted, &str)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    if c == quote || c == '\n' {
        return None;
    }
    if c != '\\' {
        return Some((Unquoted::Char(c), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let plain = match escape {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        '\'' | '"' if escape == quote => escape,
        'x' => return digits(rest, 2, 16).and_then(byte),
        'u' => return digits(rest, 4, 16).and_then(scalar),
        'U' => return digits(rest, 8, 16).and_then(scalar),
        '0'..='7' => return digits(&text[1..], 3, 8).and_then(byte),
        _ => return None,
    };
    Some((Unquoted::Char(plain), rest))
}

fn digits(text: &str, count: usize, radix: u32) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    let valid = digits.chars().all(|c| c.is_digit(radix));
    Some((u32::from_str_radix(digits, radix).ok().filter(|_| valid)?, rest))
}

fn byte((value, rest): (u32, &str)) -> Option<(Unquoted, &str)> {
    Some((Unquoted::Byte(u8::try_from(value).ok()?), rest))
}

fn scalar((value, rest): (u32, &str)) -> Option<(Unquoted, &str)> {
    Some((Unquoted::Char(char::from_u32(value)?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for (literal, want) in [
            (r#""a\tb""#, Some("a\tb")),
            (r#""\u00e9\U0001F600""#, Some("é😀")),
            (r#""\xc3\xa9\101""#, Some("éA")),
            (r#""\xff""#, Some("\u{fffd}")),
            ("`a\\n\r\n`", Some("a\\n\n")),
            (r#""\'""#, None),
            (r#""\q""#, None),
            (r#""\ud800""#, None),
            (r#""\400""#, None),
            (r#""\x+1""#, None),
        ] {
            assert_eq!(unquote(literal).as_deref(), want, "{literal}");
        }
    }
}
