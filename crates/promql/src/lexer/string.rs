//! Quoted strings. Escapes are checked here, so that a bad one is reported where the string starts.

use super::{LexError, Lexed, Lexer};
use crate::quote::quote_char;
use crate::token::Token;

impl Lexer<'_> {
    /// `"…"` or `'…'`; the opening quote has been read.
    pub(super) fn string(&mut self, delimiter: char) -> Lexed {
        loop {
            match self.next() {
                Some('\\') => self.escape(delimiter)?,
                Some('\u{fffd}') => return Err(self.error("invalid UTF-8 rune")),
                None | Some('\n') => return Err(self.error("unterminated quoted string")),
                Some(c) if c == delimiter => return Ok(self.emit(Token::String)),
                Some(_) => {}
            }
        }
    }

    /// `` `…` ``; the opening quote has been read.
    pub(super) fn raw_string(&mut self) -> Lexed {
        loop {
            match self.next() {
                Some('\u{fffd}') => return Err(self.error("invalid UTF-8 rune")),
                None => return Err(self.error("unterminated raw string")),
                Some('`') => return Ok(self.emit(Token::String)),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, delimiter: char) -> Result<(), LexError> {
        let not_terminated = "escape sequence not terminated";
        let (count, radix, max, first) = match self.next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(c) if c == delimiter => return Ok(()),
            Some(c @ '0'..='7') => (3, 8, 255, Some(c)),
            Some('x') => (2, 16, 255, self.next()),
            Some('u') => (4, 16, u32::from(char::MAX), self.next()),
            Some('U') => (8, 16, u32::from(char::MAX), self.next()),
            None => return Err(self.error(not_terminated)),
            Some(c) => return Err(self.error(format!("unknown escape sequence {}", code_point(c)))),
        };
        let (mut value, mut next) = (0u64, first);
        for index in 0..count {
            if index > 0 {
                next = self.next();
            }
            let c = next.ok_or_else(|| self.error(not_terminated))?;
            let digit = c.to_digit(radix).ok_or_else(|| {
                self.error(format!("illegal character {} in escape sequence", code_point(c)))
            })?;
            value = value * u64::from(radix) + u64::from(digit);
        }
        if value > u64::from(max) || (0xd800..0xe000).contains(&value) {
            return Err(self.error("escape sequence is an invalid Unicode code point"));
        }
        Ok(())
    }
}

/// `U+0021 '!'`
fn code_point(c: char) -> String {
    format!("U+{:04X} {}", u32::from(c), quote_char(c))
}
