//! Numbers and durations. What is cut out here is only shaped like one; its value is the parser's business.

use super::{Lexed, Lexer, is_alphanumeric};
use crate::quote::quote;
use crate::token::Token;

impl Lexer<'_> {
    pub(super) fn number_or_duration(&mut self) -> Lexed {
        if self.scan_number() {
            return Ok(self.emit(Token::Number));
        }
        if self.scan_rest_of_duration() {
            return Ok(self.emit(Token::Duration));
        }
        Err(self.error(format!("bad number or duration syntax: {}", quote(self.word()))))
    }

    /// Goes over `[.]digits[digits . _ e]*`; false leaves the position where a duration may go on.
    fn scan_number(&mut self) -> bool {
        let initial = self.pos;
        let hex = self.accept(|c| c == '0') && self.accept(|c| matches!(c, 'x' | 'X'));
        if hex {
            self.accept(|c| c == '_');
        }
        let is_digit = move |c: char| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        let is_exponent = |c: char| matches!(c, 'e' | 'E');
        self.accept(|c| c == '.');
        self.accept(is_digit);
        let (mut dot, mut exponent) = (false, false);
        while let Some(c) = self.peek() {
            match c {
                '.' => {
                    self.next();
                    if std::mem::replace(&mut dot, true) || self.accept(|c| matches!(c, '_' | '.')) || hex {
                        return false;
                    }
                }
                // In hexadecimal `e` is a digit first, but Prometheus looks for exponents first.
                c if is_exponent(c) => {
                    self.next();
                    if std::mem::replace(&mut exponent, true) {
                        return false;
                    }
                    self.accept(|c| matches!(c, '+' | '-'));
                    if self.accept(|c| matches!(c, '.' | '_') || is_exponent(c)) || self.peek().is_none() {
                        return false;
                    }
                }
                '_' => {
                    self.next();
                    if self.accept(|c| matches!(c, '.' | '_') || is_exponent(c)) || self.peek().is_none() {
                        return false;
                    }
                }
                c if is_digit(c) => self.accept_run(is_digit),
                _ => break,
            }
        }
        self.pos != initial && !self.peek().is_some_and(is_alphanumeric)
    }

    /// Goes over a unit, then over further pairs of number and unit. Wrong orders are found when the
    /// duration is read.
    fn scan_rest_of_duration(&mut self) -> bool {
        if !self.accept(|c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w' | 'y')) {
            return false;
        }
        self.accept(|c| c == 's');
        while self.accept(|c| c.is_ascii_digit()) {
            self.accept_run(|c| c.is_ascii_digit());
            if !self.accept(|c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w')) {
                return false;
            }
            self.accept(|c| c == 's');
        }
        if self.peek().is_some_and(is_alphanumeric) {
            // The offending character belongs to the text that the message shows.
            self.next();
            return false;
        }
        true
    }
}
