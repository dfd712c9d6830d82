//! From the bytes a foreign program wrote to text that can be shown anywhere.

/// Bytes as text: what is not UTF-8 becomes U+FFFD, terminal sequences go, other control characters become spaces.
/// Line ends stay.
pub(crate) fn sanitize(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\n' => out.push('\n'),
            // A carriage return before a line end is part of it.
            '\r' if chars.peek() == Some(&'\n') => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Skips what follows an escape character (ECMA-48): a control sequence up to its final byte, an operating system
/// command up to its terminator, or a single character.
fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
            chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
        Some(']') => {
            chars.next();
            while let Some(c) = chars.next_if(|c| *c != '\n' && *c != '\u{1b}') {
                if c == '\u{7}' {
                    break;
                }
            }
        }
        Some(c) if c.is_ascii_graphic() => {
            chars.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_terminal_survives() {
        for (bytes, text) in [
            (b"\x1b[31mCRITICAL\x1b[0m\x07 | t=1\n".as_slice(), "CRITICAL  | t=1\n"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]0;title\x1b\\after", "after"),
            (b"a\0b\r\nc\rd", "a b\nc d"),
            (b"\xff\xfe caf\xe9", "\u{fffd}\u{fffd} caf\u{fffd}"),
            (b"\x1b", ""),
            (b"\x1b[", ""),
            (b"\x1b[12;", ""),
            ("\u{9b}31mä".as_bytes(), " 31mä"),
        ] {
            assert_eq!(sanitize(bytes), text, "{bytes:?}");
        }
    }
}
