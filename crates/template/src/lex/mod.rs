//! Cuts a template's text into tokens, one at a time as the parser asks.
//!
//! White space trimming is done here and the parser never sees it: a text token comes out already trimmed
//! when the neighbouring action carries a trim marker.

mod scan;
mod token;

pub(crate) use token::{Kind, Token};

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const LEFT_COMMENT: &str = "/*";
const RIGHT_COMMENT: &str = "*/";
/// The trim marker and the space that must stand beside it.
const MARKER_LEN: usize = 2;

/// A text that cannot be cut: where, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LexError {
    pub(crate) at: usize,
    pub(crate) line: u32,
    pub(crate) reason: String,
}

pub(crate) struct Lexer<'s> {
    input: &'s str,
    /// Where the next character is read.
    pos: usize,
    /// Where the current token began.
    start: usize,
    /// Line of `start`.
    line: u32,
    in_action: bool,
    parens: u32,
    /// `break` and `continue` are plain identifiers where functions of that name exist.
    pub(crate) break_is_keyword: bool,
    pub(crate) continue_is_keyword: bool,
}

type Lexed<'s> = Result<Token<'s>, LexError>;

impl<'s> Lexer<'s> {
    pub(crate) fn new(input: &'s str) -> Self {
        Self {
            input,
            pos: 0,
            start: 0,
            line: 1,
            in_action: false,
            parens: 0,
            break_is_keyword: true,
            continue_is_keyword: true,
        }
    }

    /// The next token; after the end, [`Kind::Eof`] for ever.
    pub(crate) fn next(&mut self) -> Lexed<'s> {
        if self.in_action { self.action() } else { self.text() }
    }

    fn rest(&self) -> &'s str {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    /// The text since the last token, as a token.
    fn emit(&mut self, kind: Kind) -> Token<'s> {
        let text = self.input.get(self.start..self.pos).unwrap_or_default();
        let token = Token { kind, at: self.start, line: self.line, text };
        self.skip();
        token
    }

    /// Forgets the text since the last token.
    fn skip(&mut self) {
        let text = self.input.get(self.start..self.pos).unwrap_or_default();
        let lines = text.bytes().filter(|b| *b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.start = self.pos;
    }

    fn error<T>(&self, reason: impl Into<String>) -> Result<T, LexError> {
        Err(LexError { at: self.start, line: self.line, reason: reason.into() })
    }

    /// Text up to the next action, comments skipped.
    fn text(&mut self) -> Lexed<'s> {
        loop {
            let rest = self.rest();
            let Some(length) = rest.find(LEFT) else {
                self.pos = self.input.len();
                return Ok(self.emit(if rest.is_empty() { Kind::Eof } else { Kind::Text }));
            };
            let (text, action) = rest.split_at(length);
            let trims = starts_with_trim(&action[LEFT.len()..]);
            let kept = if trims { text.trim_end_matches(is_space).len() } else { length };
            if kept > 0 {
                self.pos += kept;
                return Ok(self.emit(Kind::Text));
            }
            self.pos += length;
            self.skip();
            let marker = if trims { MARKER_LEN } else { 0 };
            if action[LEFT.len() + marker..].starts_with(LEFT_COMMENT) {
                self.pos += LEFT.len() + marker;
                self.skip();
                self.comment()?;
                continue;
            }
            self.pos += LEFT.len();
            let token = self.emit(Kind::LeftDelim);
            self.pos += marker;
            self.skip();
            self.in_action = true;
            self.parens = 0;
            return Ok(token);
        }
    }

    /// A comment and the delimiter that must follow it.
    fn comment(&mut self) -> Result<(), LexError> {
        self.pos += LEFT_COMMENT.len();
        let Some(length) = self.rest().find(RIGHT_COMMENT) else {
            return self.error("unclosed comment");
        };
        self.pos += length + RIGHT_COMMENT.len();
        let Some(trims) = self.right_delim() else {
            return self.error("comment ends before closing delimiter");
        };
        self.close(trims);
        self.skip();
        Ok(())
    }

    /// Whether a right delimiter stands here, and whether it trims.
    fn right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        let trims = ends_with_trim(rest) && rest[MARKER_LEN..].starts_with(RIGHT);
        (trims || rest.starts_with(RIGHT)).then_some(trims)
    }

    /// Steps over a right delimiter and the white space it trims.
    fn close(&mut self, trims: bool) {
        self.pos += RIGHT.len();
        if trims {
            self.pos += MARKER_LEN;
            self.pos += self.rest().len() - self.rest().trim_start_matches(is_space).len();
        }
    }

    fn action_end(&mut self, trims: bool) -> Token<'s> {
        if trims {
            self.pos += MARKER_LEN;
            self.skip();
        }
        self.pos += RIGHT.len();
        let token = self.emit(Kind::RightDelim);
        if trims {
            self.pos += self.rest().len() - self.rest().trim_start_matches(is_space).len();
            self.skip();
        }
        self.in_action = false;
        token
    }

    fn action(&mut self) -> Lexed<'s> {
        if let Some(trims) = self.right_delim() {
            return if self.parens == 0 {
                Ok(self.action_end(trims))
            } else {
                self.error("unclosed left paren")
            };
        }
        let Some(c) = self.bump() else { return self.error("unclosed action") };
        match c {
            ' ' | '\t' | '\r' | '\n' => Ok(self.space()),
            '=' => Ok(self.emit(Kind::Assign)),
            ':' if self.bump() == Some('=') => Ok(self.emit(Kind::Declare)),
            ':' => self.error("expected :="),
            '|' => Ok(self.emit(Kind::Pipe)),
            '"' => self.quoted('"', Kind::Str, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConst, "unterminated character constant"),
            '`' => self.raw_quoted(),
            '$' => self.field_or_variable(Kind::Variable),
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) && !self.rest().is_empty() => {
                self.field_or_variable(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => self.number(),
            _ if is_word(c) => self.identifier(),
            '(' => {
                self.parens += 1;
                Ok(self.emit(Kind::LeftParen))
            }
            ')' if self.parens == 0 => self.error("unexpected right paren"),
            ')' => {
                self.parens -= 1;
                Ok(self.emit(Kind::RightParen))
            }
            ' '..='~' => Ok(self.emit(Kind::Char)),
            _ => self.error(format!("unrecognized character in action: {}", code_point(c))),
        }
    }

    /// A run of white space whose first character is already read. The last one is left to a right
    /// delimiter with a trim marker.
    fn space(&mut self) -> Token<'s> {
        while self.peek().is_some_and(is_space) {
            self.pos += 1;
        }
        let last = self.pos - 1;
        let rest = self.input.get(last..).unwrap_or_default();
        if ends_with_trim(rest) && rest[MARKER_LEN..].starts_with(RIGHT) {
            self.pos = last;
            if self.pos == self.start {
                return self.action_end(true);
            }
        }
        self.emit(Kind::Space)
    }
}

/// The white space of the language: ASCII only, as in Go.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn starts_with_trim(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

fn ends_with_trim(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_space) && chars.next() == Some('-')
}

/// `U+0040 '@'`, without the quoted form for what cannot be shown.
fn code_point(c: char) -> String {
    let number = format!("U+{:04X}", u32::from(c));
    if crate::fmt::is_printable(c) { format!("{number} '{c}'") } else { number }
}
