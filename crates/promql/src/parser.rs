//! Text to syntax tree, with Prometheus' error messages.
//!
//! A recursive-descent parser with precedence climbing. Length and depth are bounded before anything recurses,
//! so no text can exhaust the stack; a chain of left-associative operators costs no depth. Prometheus' own
//! parser is generated from a grammar and reports the *first* error, be it of the scanner, of the syntax or of
//! meaning; the same order is kept here: errors of meaning are noted and parsing goes on, errors of syntax end
//! it, types are checked only if there was neither.

mod check;
mod duration;
mod expr;
mod metric;
mod modifier;
mod selector;

use std::fmt;

use breakwatch_model::{Labels, Matcher};

use crate::ast::Expr;
use crate::lexer::{LexError, Lexer};
use crate::span::{Span, line_and_column};
use crate::token::{Item, Token};

/// What the parser accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseOptions {
    /// The longest text in bytes.
    pub max_length: usize,
    /// The deepest nesting of parentheses, calls and right operands.
    pub max_depth: usize,
    /// Whether functions, aggregators, durations and modifiers that Prometheus hides behind feature flags
    /// are accepted.
    pub experimental: bool,
}

impl ParseOptions {
    /// Longer than any query a person or a program sensibly writes; parsing takes time in proportion to length,
    /// a few milliseconds for this much.
    pub const DEFAULT_MAX_LENGTH: usize = 128 * 1024;
    /// Far deeper than any real query, and shallow enough for the stack of a worker thread in a debug build.
    pub const DEFAULT_MAX_DEPTH: usize = 128;
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { max_length: Self::DEFAULT_MAX_LENGTH, max_depth: Self::DEFAULT_MAX_DEPTH, experimental: true }
    }
}

/// Why a text is not a query; prints as Prometheus words it: `1:4: parse error: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start of the text.
    pub span: Span,
    /// The line, from 1; 0 if the text is empty and so has no places.
    pub line: usize,
    /// The byte within the line, from 1; 0 if the text is empty.
    pub column: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "unknown position: parse error: {}", self.message);
        }
        write!(f, "{}:{}: parse error: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads an expression with the default options.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    parse_with(text, &ParseOptions::default())
}

/// Reads an expression.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse_with(text: &str, options: &ParseOptions) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text, *options);
    let parsed = parser.whole_expression();
    let expr = parser.finish(parsed)?;
    check::check(&expr, text).map_err(|(span, message)| parse_error(text, span, message))?;
    Ok(expr)
}

/// Reads a metric selector, as the API's `match[]` takes it: `up{job="a"}`, without range or modifiers.
///
/// # Errors
/// What is wrong with the text, and where; also if no matcher excludes the empty value.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text, ParseOptions::default());
    let parsed = parser.whole_selector();
    let selector = parser.finish(parsed)?;
    check::check_selector(&selector).map_err(|(span, message)| parse_error(text, span, message))?;
    Ok(selector.matchers)
}

/// Reads the metric at the start of a series description; gives its labels and where the rest starts.
pub(crate) fn parse_metric_prefix(text: &str) -> Result<(Labels, usize), ParseError> {
    let mut parser = Parser::new(text, ParseOptions::default());
    let parsed = parser.metric();
    let end = parser.last_end;
    parser.finish(parsed).map(|labels| (labels, end))
}

/// A message about a place in a text.
fn parse_error(text: &str, span: Span, message: String) -> ParseError {
    let (line, column) = if text.is_empty() { (0, 0) } else { line_and_column(text, span.start) };
    ParseError { message, span, line, column }
}

/// Why parsing ended early.
#[derive(Debug)]
enum Fail {
    /// This item cannot stand here; an enclosing construct may still say what it was about.
    Unexpected(Item),
    /// The message is complete.
    Final(Span, String),
}

type Parsed<T> = Result<T, Fail>;

impl From<LexError> for Fail {
    fn from(error: LexError) -> Self {
        Self::Final(Span::new(error.at, error.at), error.message)
    }
}

/// The state of one parse.
struct Parser<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Item>,
    /// The end of the last token taken.
    last_end: usize,
    depth: usize,
    options: ParseOptions,
    /// The first error of meaning; wins over a later error of syntax.
    noted: Option<(Span, String)>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: ParseOptions) -> Self {
        Self { lexer: Lexer::new(text), peeked: None, last_end: 0, depth: 0, options, noted: None }
    }

    fn input(&self) -> &'a str {
        self.lexer.input()
    }

    fn whole_expression(&mut self) -> Parsed<Expr> {
        self.check_length()?;
        if self.peek()?.token == Token::Eof {
            return Err(Fail::Final(Span::default(), "no expression found in input".to_owned()));
        }
        let expr = self.expression()?;
        self.expect_end()?;
        Ok(expr)
    }

    fn whole_selector(&mut self) -> Parsed<crate::ast::VectorSelector> {
        self.check_length()?;
        let selector = self.selector()?;
        self.expect_end()?;
        Ok(selector)
    }

    fn check_length(&self) -> Parsed<()> {
        let (length, most) = (self.input().len(), self.options.max_length);
        if length > most {
            let message = format!("expression is {length} bytes long, at most {most} are allowed");
            return Err(Fail::Final(Span::default(), message));
        }
        Ok(())
    }

    /// Turns the outcome into a result: a noted error of meaning comes first.
    fn finish<T>(self, parsed: Parsed<T>) -> Result<T, ParseError> {
        let (span, message) = match (self.noted, parsed) {
            (None, Ok(value)) => return Ok(value),
            (Some(noted), _) => noted,
            (None, Err(Fail::Final(span, message))) => (span, message),
            (None, Err(Fail::Unexpected(item))) => {
                (item.span, format!("unexpected {}", item.describe(self.lexer.input())))
            }
        };
        Err(parse_error(self.lexer.input(), span, message))
    }

    fn peek(&mut self) -> Parsed<Item> {
        match self.peeked {
            Some(item) => Ok(item),
            None => Ok(*self.peeked.insert(self.lexer.next_item()?)),
        }
    }

    fn next(&mut self) -> Parsed<Item> {
        let item = self.peek()?;
        self.peeked = None;
        self.last_end = item.span.end;
        Ok(item)
    }

    /// Takes the next item if it is this token.
    fn accept(&mut self, token: Token) -> Parsed<Option<Item>> {
        if self.peek()?.token == token { self.next().map(Some) } else { Ok(None) }
    }

    /// Takes the next item, which must be this token.
    fn expect(&mut self, token: Token) -> Parsed<Item> {
        let item = self.peek()?;
        if item.token == token { self.next() } else { Err(Fail::Unexpected(item)) }
    }

    fn expect_end(&mut self) -> Parsed<()> {
        self.expect(Token::Eof).map(drop)
    }

    /// Notes an error of meaning; parsing goes on, but the first one noted is what the user sees.
    fn note(&mut self, span: Span, message: impl Into<String>) {
        if self.noted.is_none() {
            self.noted = Some((span, message.into()));
        }
    }

    /// The message for an item that cannot stand inside `context`, where `expected` could.
    fn unexpected(&self, item: Item, context: &str, expected: &str) -> Fail {
        let mut message = format!("unexpected {} in {context}", item.describe(self.input()));
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        Fail::Final(item.span, message)
    }

    /// Completes an error that nothing inside knew how to word.
    fn within<T>(&self, parsed: Parsed<T>, context: &str, expected: &str) -> Parsed<T> {
        parsed.map_err(|fail| match fail {
            Fail::Unexpected(item) => self.unexpected(item, context, expected),
            complete => complete,
        })
    }

    /// Runs `inner` one level deeper.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.check_depth(1)?;
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    fn check_depth(&self, more: usize) -> Parsed<()> {
        let most = self.options.max_depth;
        if self.depth + more > most {
            let message = format!("expression is nested too deeply, at most {most} levels are allowed");
            return Err(Fail::Final(Span::new(self.last_end, self.last_end), message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
