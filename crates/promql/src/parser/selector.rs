//! Selectors: a metric name, matchers in braces, or both.

use breakwatch_model::{METRIC_NAME, MatchOp, Matcher, MatcherError};

use super::expr::is_metric_identifier;
use super::{Fail, Parsed, Parser};
use crate::ast::{BinaryOp, Offset, VectorSelector};
use crate::span::Span;
use crate::token::{Item, Token};

const CONTEXT: &str = "label matching";

impl Parser<'_> {
    /// A selector without modifiers.
    pub(super) fn selector(&mut self) -> Parsed<VectorSelector> {
        let item = self.peek()?;
        if item.token == Token::LeftBrace {
            let (matchers, span) = self.matchers()?;
            return Ok(selector(None, matchers, span));
        }
        if !is_metric_identifier(item.token) {
            return Err(Fail::Unexpected(item));
        }
        self.next()?;
        self.selector_after_name(item)
    }

    /// The rest of a selector whose metric name has been taken.
    pub(super) fn selector_after_name(&mut self, name: Item) -> Parsed<VectorSelector> {
        let (mut matchers, mut span) = (Vec::new(), name.span);
        if self.peek()?.token == Token::LeftBrace {
            let (written, braces) = self.matchers()?;
            matchers = written;
            span = span.to(braces);
        }
        let name = name.text(self.input()).to_owned();
        matchers.push(Matcher::equal(METRIC_NAME, name.clone()));
        Ok(selector(Some(name), matchers, span))
    }

    /// `{ … }`
    fn matchers(&mut self) -> Parsed<(Vec<Matcher>, Span)> {
        let open = self.expect(Token::LeftBrace)?;
        let mut matchers = Vec::new();
        loop {
            // The scanner is inside braces now; only these tokens can come.
            let item = self.next()?;
            match item.token {
                Token::RightBrace => return Ok((matchers, open.span.to(item.span))),
                Token::Identifier | Token::String => matchers.extend(self.matcher(item)?),
                _ => return Err(self.unexpected(item, CONTEXT, "identifier or \"}\"")),
            }
            let item = self.next()?;
            match item.token {
                Token::RightBrace => return Ok((matchers, open.span.to(item.span))),
                Token::Comma => {}
                _ => return Err(self.unexpected(item, CONTEXT, "\",\" or \"}\"")),
            }
        }
    }

    /// One matcher whose first item has been taken; nothing if it was noted as wrong.
    fn matcher(&mut self, name: Item) -> Parsed<Option<Matcher>> {
        let operator = self.peek()?;
        let quoted = (name.token == Token::String).then(|| self.unquoted(name));
        let op = match (operator.token, quoted.as_deref()) {
            (Token::Assign, _) => MatchOp::Equal,
            (Token::Operator(BinaryOp::NotEqual), _) => MatchOp::NotEqual,
            (Token::MatchRegex, _) => MatchOp::Regex,
            (Token::MatchNotRegex, _) => MatchOp::NotRegex,
            // A string alone is the metric name.
            (_, Some(metric)) => return Ok(Some(Matcher::equal(METRIC_NAME, metric))),
            (_, None) => return Err(self.unexpected(operator, CONTEXT, "label matching operator")),
        };
        self.next()?;
        let value = self.next()?;
        if value.token != Token::String {
            return Err(self.unexpected(value, CONTEXT, "string"));
        }
        let text = self.unquoted(value);
        let label = quoted.unwrap_or_else(|| name.text(self.input()).to_owned());
        match Matcher::new(op, label, text) {
            Ok(matcher) => Ok(Some(matcher)),
            Err(error) => {
                self.note(name.span.to(value.span), go_message(&error));
                Ok(None)
            }
        }
    }
}

/// A broken pattern in Go's words, as far as the words of this engine tell the same.
fn go_message(error: &MatcherError) -> String {
    let whole = format!("^(?s:{})$", error.pattern);
    let what = match error.reason.as_str() {
        "unclosed group" => format!("missing closing ): `{whole}`"),
        "unopened group" => format!("unexpected ): `{whole}`"),
        "unclosed character class" => {
            let class = whole.rfind('[').and_then(|at| whole.get(at..)).unwrap_or(&whole);
            format!("missing closing ]: `{class}`")
        }
        "repetition operator missing expression" => {
            let operator = error.pattern.chars().find(|c| matches!(c, '*' | '+' | '?')).unwrap_or('*');
            format!("missing argument to repetition operator: `{operator}`")
        }
        reason => format!("{reason}: `{whole}`"),
    };
    format!("error parsing regexp: {what}")
}

fn selector(name: Option<String>, matchers: Vec<Matcher>, span: Span) -> VectorSelector {
    VectorSelector {
        name,
        matchers,
        offset: Offset::default(),
        at: None,
        extension: None,
        may_be_empty: false,
        span,
    }
}
