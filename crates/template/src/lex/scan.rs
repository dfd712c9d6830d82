//! Tokens that are longer than a character: words, numbers and quoted strings.

use super::{Kind, Lexed, Lexer, RIGHT, code_point, is_space, is_word};
use crate::fmt::quoted;

impl<'s> Lexer<'s> {
    /// A keyword, `true`, `false` or the name of a function; the first character is already read.
    pub(super) fn identifier(&mut self) -> Lexed<'s> {
        self.word()?;
        let word = self.input.get(self.start..self.pos).unwrap_or_default();
        let kind = match Kind::keyword(word) {
            Some(Kind::Break) if !self.break_is_keyword => Kind::Ident,
            Some(Kind::Continue) if !self.continue_is_keyword => Kind::Ident,
            Some(keyword) => keyword,
            None if word == "true" || word == "false" => Kind::Bool,
            None => Kind::Ident,
        };
        Ok(self.emit(kind))
    }

    /// `.Name`, `$name`, or the bare `.` or `$`, which is already read.
    pub(super) fn field_or_variable(&mut self, kind: Kind) -> Lexed<'s> {
        if self.at_terminator() {
            return Ok(self.emit(if kind == Kind::Variable { kind } else { Kind::Dot }));
        }
        self.word()?;
        Ok(self.emit(kind))
    }

    fn word(&mut self) -> Result<(), super::LexError> {
        while self.peek().is_some_and(is_word) {
            self.bump();
        }
        match self.peek() {
            Some(c) if !self.at_terminator() => self.error(format!("bad character {}", code_point(c))),
            _ => Ok(()),
        }
    }

    /// Whether a word may end here. Splits `.X.Y` in two and refuses `$x+2`.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }

    /// A number, a little more generously than Go's syntax; the parser's conversion refuses the rest.
    /// The first character is already read.
    pub(super) fn number(&mut self) -> Lexed<'s> {
        self.pos = self.start;
        let real = self.scan_number();
        let imaginary = real && matches!(self.peek(), Some('+' | '-'));
        let complete = real && (!imaginary || (self.scan_number() && self.so_far().ends_with('i')));
        if !complete {
            return self.error(format!("bad number syntax: {}", quoted(self.so_far())));
        }
        Ok(self.emit(if imaginary { Kind::Complex } else { Kind::Number }))
    }

    fn so_far(&self) -> &'s str {
        self.input.get(self.start..self.pos).unwrap_or_default()
    }

    fn scan_number(&mut self) -> bool {
        self.accept(|c| matches!(c, '+' | '-'));
        let mut radix = 10;
        if self.accept(|c| c == '0') {
            if self.accept(|c| matches!(c, 'x' | 'X')) {
                radix = 16;
            } else if self.accept(|c| matches!(c, 'o' | 'O')) {
                radix = 8;
            } else if self.accept(|c| matches!(c, 'b' | 'B')) {
                radix = 2;
            }
        }
        self.digits(radix);
        if self.accept(|c| c == '.') {
            self.digits(radix);
        }
        let exponent = match radix {
            10 => self.accept(|c| matches!(c, 'e' | 'E')),
            16 => self.accept(|c| matches!(c, 'p' | 'P')),
            _ => false,
        };
        if exponent {
            self.accept(|c| matches!(c, '+' | '-'));
            self.digits(10);
        }
        self.accept(|c| c == 'i');
        if self.peek().is_some_and(is_word) {
            self.bump();
            return false;
        }
        true
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn digits(&mut self, radix: u32) {
        while self.accept(|c| c == '_' || c.is_digit(radix)) {}
    }

    /// A quoted string or character on one line; the first quote is already read.
    pub(super) fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Lexed<'s> {
        loop {
            match self.bump() {
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.error(unterminated);
                    }
                }
                None | Some('\n') => return self.error(unterminated),
                Some(c) if c == quote => return Ok(self.emit(kind)),
                Some(_) => {}
            }
        }
    }

    pub(super) fn raw_quoted(&mut self) -> Lexed<'s> {
        match self.rest().find('`') {
            Some(length) => {
                self.pos += length + 1;
                Ok(self.emit(Kind::RawStr))
            }
            None => self.error("unterminated raw quoted string"),
        }
    }
}
