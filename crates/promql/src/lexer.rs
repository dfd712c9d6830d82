//! Cuts query text into tokens, lazily and in linear time.
//!
//! The states and the moments at which an error is noticed are those of Prometheus' scanner, because the
//! first error decides the message a user sees: inside braces words are never keywords, inside brackets only
//! durations occur, and unbalanced parentheses are the scanner's business, not the parser's.

mod number;
mod string;

use crate::ast::BinaryOp;
use crate::quote::quote_char;
use crate::span::Span;
use crate::token::{Item, Keyword, Preprocessor, Token, keyword};

/// A message about text that is no token, and where that text starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LexError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

type Lexed = Result<Item, LexError>;

/// What kind of text the scanner is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Statements,
    /// Right after `[`, until the first number: only a duration may come.
    Duration,
    Braces,
}

/// The scanner.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    input: &'a str,
    /// Where the next character is read.
    pos: usize,
    /// Where the current token starts.
    start: usize,
    state: State,
    paren_depth: usize,
    bracket_open: bool,
    got_colon: bool,
    got_duration: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a str) -> Self {
        Self {
            input,
            pos: 0,
            start: 0,
            state: State::Statements,
            paren_depth: 0,
            bracket_open: false,
            got_colon: false,
            got_duration: false,
        }
    }

    pub(crate) fn input(&self) -> &'a str {
        self.input
    }

    /// Whether a brace comes right after the last token.
    pub(crate) fn at_brace(&self) -> bool {
        self.peek() == Some('{')
    }

    /// The next token that is not a comment.
    pub(crate) fn next_item(&mut self) -> Lexed {
        loop {
            let item = match self.state {
                State::Statements => self.statement(),
                State::Duration => self.duration(),
                State::Braces => self.inside_braces(),
            }?;
            if item.token != Token::Comment {
                return Ok(item);
            }
        }
    }

    fn peek(&self) -> Option<char> {
        // Most text is ASCII; decoding it as such is several times faster.
        match self.input.as_bytes().get(self.pos) {
            Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
            Some(_) => self.input.get(self.pos..).and_then(|rest| rest.chars().next()),
            None => None,
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let accepted = self.peek().is_some_and(wanted);
        if accepted {
            self.next();
        }
        accepted
    }

    fn accept_run(&mut self, wanted: impl Fn(char) -> bool) {
        while self.accept(&wanted) {}
    }

    fn emit(&mut self, token: Token) -> Item {
        let item = Item { token, span: Span::new(self.start, self.pos) };
        self.start = self.pos;
        item
    }

    fn error(&self, message: impl Into<String>) -> LexError {
        LexError { at: self.start, message: message.into() }
    }

    fn word(&self) -> &'a str {
        self.input.get(self.start..self.pos).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.accept_run(is_space);
        self.start = self.pos;
    }

    fn comment(&mut self) -> Item {
        self.accept_run(|c| c != '\n' && c != '\r');
        self.emit(Token::Comment)
    }

    fn statement(&mut self) -> Lexed {
        self.skip_space();
        let Some(c) = self.next() else {
            return match () {
                () if self.paren_depth != 0 => Err(self.error("unclosed left parenthesis")),
                () if self.bracket_open => Err(self.error("unclosed left bracket")),
                () => Ok(self.emit(Token::Eof)),
            };
        };
        match c {
            '#' => Ok(self.comment()),
            '=' => match self.peek() {
                Some('=') => {
                    self.next();
                    Ok(self.emit(Token::Operator(BinaryOp::Equal)))
                }
                Some('~') => Err(self.error("unexpected character after '=': '~'")),
                _ => Ok(self.emit(Token::Assign)),
            },
            '!' => match self.next() {
                Some('=') => Ok(self.emit(Token::Operator(BinaryOp::NotEqual))),
                other => Err(self.error(format!("unexpected character after '!': {}", shown(other)))),
            },
            '<' => Ok(self.either_equal(BinaryOp::Less, BinaryOp::LessEqual)),
            '>' => Ok(self.either_equal(BinaryOp::Greater, BinaryOp::GreaterEqual)),
            '{' => {
                self.state = State::Braces;
                Ok(self.emit(Token::LeftBrace))
            }
            '(' | ')' | '[' | ']' => self.bracket(c),
            '"' | '\'' => self.string(c),
            '`' => self.raw_string(),
            c if is_alpha(c) || c == ':' => self.word_or_colon(c),
            c if starts_number(c, self.peek()) => {
                self.pos = self.start;
                self.number_or_duration()
            }
            c => match simple_token(c) {
                Some(token) => Ok(self.emit(token)),
                None => Err(self.error(format!("unexpected character: {}", quote_char(c)))),
            },
        }
    }

    fn either_equal(&mut self, plain: BinaryOp, with_equal: BinaryOp) -> Item {
        let op = if self.accept(|c| c == '=') { with_equal } else { plain };
        self.emit(Token::Operator(op))
    }

    /// Parentheses and brackets, whose balance is kept here.
    fn bracket(&mut self, c: char) -> Lexed {
        match c {
            '(' => {
                self.paren_depth += 1;
                Ok(self.emit(Token::LeftParen))
            }
            ')' => {
                let item = self.emit(Token::RightParen);
                self.paren_depth =
                    self.paren_depth.checked_sub(1).ok_or_else(|| self.unexpected("right parenthesis", c))?;
                Ok(item)
            }
            '[' if self.bracket_open => Err(self.unexpected("left bracket", c)),
            '[' => {
                self.got_colon = false;
                self.bracket_open = true;
                self.state = State::Duration;
                Ok(self.emit(Token::LeftBracket))
            }
            _ if !self.bracket_open => Err(self.unexpected("right bracket", c)),
            _ => {
                self.bracket_open = false;
                self.state = State::Statements;
                Ok(self.emit(Token::RightBracket))
            }
        }
    }

    fn unexpected(&self, what: &str, c: char) -> LexError {
        self.error(format!("unexpected {what} {}", quote_char(c)))
    }

    fn word_or_colon(&mut self, c: char) -> Lexed {
        if !self.bracket_open {
            return Ok(self.keyword_or_identifier());
        }
        if c == ':' {
            if self.got_colon {
                return Err(self.unexpected("colon", c));
            }
            self.got_colon = true;
            return Ok(self.emit(Token::Colon));
        }
        self.duration_keyword()
            .ok_or_else(|| self.error(format!("unexpected character: {}, expected ':'", quote_char(c))))
    }

    fn keyword_or_identifier(&mut self) -> Item {
        self.accept_run(|c| is_alphanumeric(c) || c == ':');
        let word = self.word();
        let token = match keyword(word) {
            // These are also common metric names, so they are keywords only where a value follows.
            Some(Token::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.input[self.pos..].trim_start_matches(is_space).starts_with('(') =>
            {
                Token::Identifier
            }
            Some(token) => token,
            None if word.contains(':') => Token::MetricIdentifier,
            None => Token::Identifier,
        };
        self.emit(token)
    }

    /// `step`, `range`, `min_of` or `max_of`, the only words a duration may contain.
    fn duration_keyword(&mut self) -> Option<Item> {
        self.accept_run(is_alpha);
        let token = match keyword(self.word()) {
            Some(token @ Token::Preprocessor(Preprocessor::Step | Preprocessor::Range)) => token,
            None if matches!(self.word(), "min_of" | "max_of") => Token::Identifier,
            _ => return None,
        };
        Some(self.emit(token))
    }

    /// The text after `[` up to the first number.
    fn duration(&mut self) -> Lexed {
        self.skip_space();
        let Some(c) = self.next() else {
            return Err(self.error("unexpected end of input in duration expression"));
        };
        match c {
            ':' => {
                let item = self.emit(Token::Colon);
                if !self.got_duration {
                    return Err(self.error("unexpected colon before duration in duration expression"));
                }
                if self.got_colon {
                    return Err(self.error("unexpected repeated colon in duration expression"));
                }
                self.got_colon = true;
                Ok(item)
            }
            '(' | ')' | ']' => self.bracket(c),
            '+' | '-' | '*' | '/' | '%' | '^' | ',' => {
                let token = simple_token(c).unwrap_or(Token::Comma);
                Ok(self.emit(token))
            }
            's' | 'S' | 'm' | 'M' | 'r' | 'R' => {
                self.duration_keyword().ok_or_else(|| self.unexpected_in_duration(c))
            }
            c if starts_number(c, self.peek()) => {
                self.pos = self.start;
                self.got_duration = true;
                self.state = State::Statements;
                self.number_or_duration()
            }
            c => Err(self.unexpected_in_duration(c)),
        }
    }

    fn unexpected_in_duration(&self, c: char) -> LexError {
        self.error(format!("unexpected character in duration expression: {}", quote_char(c)))
    }

    fn inside_braces(&mut self) -> Lexed {
        self.skip_space();
        let Some(c) = self.next() else {
            return Err(self.error("unexpected end of input inside braces"));
        };
        match c {
            '#' => Ok(self.comment()),
            c if is_alpha(c) => {
                self.accept_run(is_alphanumeric);
                Ok(self.emit(Token::Identifier))
            }
            ',' => Ok(self.emit(Token::Comma)),
            '"' | '\'' => self.string(c),
            '`' => self.raw_string(),
            '=' if self.accept(|c| c == '~') => Ok(self.emit(Token::MatchRegex)),
            '=' => Ok(self.emit(Token::Assign)),
            '!' => match self.next() {
                Some('~') => Ok(self.emit(Token::MatchNotRegex)),
                Some('=') => Ok(self.emit(Token::Operator(BinaryOp::NotEqual))),
                other => {
                    Err(self.error(format!("unexpected character after '!' inside braces: {}", shown(other))))
                }
            },
            '{' => Err(self.unexpected("left brace", c)),
            '}' => {
                self.state = State::Statements;
                Ok(self.emit(Token::RightBrace))
            }
            c => Err(self.error(format!("unexpected character inside braces: {}", quote_char(c)))),
        }
    }
}

/// Tokens of one character that mean the same everywhere outside braces.
fn simple_token(c: char) -> Option<Token> {
    Some(match c {
        ',' => Token::Comma,
        '*' => Token::Operator(BinaryOp::Mul),
        '/' => Token::Operator(BinaryOp::Div),
        '%' => Token::Operator(BinaryOp::Mod),
        '+' => Token::Operator(BinaryOp::Add),
        '-' => Token::Operator(BinaryOp::Sub),
        '^' => Token::Operator(BinaryOp::Pow),
        '@' => Token::At,
        _ => return None,
    })
}

/// A character for a message; the end of the text is the rune -1 to Prometheus, which prints it so.
fn shown(c: Option<char>) -> String {
    c.map_or_else(|| "'\u{fffd}'".to_owned(), quote_char)
}

fn starts_number(c: char, next: Option<char>) -> bool {
    c.is_ascii_digit() || (c == '.' && next.is_some_and(|c| c.is_ascii_digit()))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}
