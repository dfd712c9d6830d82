//! The words of the language, and how error messages speak of them.

use crate::ast::{AggregateOp, BinaryOp};
use crate::quote::quote;
use crate::span::Span;

/// What a piece of query text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    Eof,
    Comment,
    Identifier,
    /// An identifier with a colon: can only name a metric.
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=`
    Assign,
    /// `=~`
    MatchRegex,
    /// `!~`
    MatchNotRegex,
    /// `@`
    At,
    Operator(BinaryOp),
    Aggregator(AggregateOp),
    Keyword(Keyword),
    /// `start`, `end`, `step`, `range`: special only after `@`, in durations and before parentheses.
    Preprocessor(Preprocessor),
}

/// Words with a fixed meaning outside braces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keyword {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
}

/// Words that stand for a time or a duration of the query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Preprocessor {
    Start,
    End,
    Step,
    Range,
}

/// A token and where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Item {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

impl Item {
    /// The text of the token.
    pub(crate) fn text(self, input: &str) -> &str {
        input.get(self.span.start..self.span.end).unwrap_or_default()
    }

    /// How Prometheus names an item it did not expect.
    pub(crate) fn describe(self, input: &str) -> String {
        let text = self.text(input);
        match self.token {
            Token::Eof => "end of input".to_owned(),
            Token::Identifier => format!("identifier {}", quote(text)),
            Token::MetricIdentifier => format!("metric identifier {}", quote(text)),
            Token::Comment => format!("comment {}", shortened(text)),
            Token::String => format!("string {}", shortened(text)),
            Token::Number => format!("number {}", shortened(text)),
            Token::Duration => format!("duration {}", shortened(text)),
            Token::Keyword(_) => format!("<{text}>"),
            Token::Operator(_) | Token::At | Token::MatchRegex | Token::MatchNotRegex => {
                format!("<op:{text}>")
            }
            Token::Aggregator(_) => format!("<aggr:{text}>"),
            _ => shortened(text),
        }
    }
}

/// Quoted, and cut after ten characters.
fn shortened(text: &str) -> String {
    /// How much of a long item Prometheus shows.
    const SHOWN: usize = 10;
    if text.len() <= SHOWN {
        return quote(text);
    }
    let head: String = text.chars().take(SHOWN).collect();
    format!("{}...", quote(&head))
}

/// The token of a word outside braces, if the word is not a plain identifier. Words are case-insensitive.
pub(crate) fn keyword(word: &str) -> Option<Token> {
    /// The longest keyword; anything longer is an identifier and need not be lowered.
    const LONGEST: usize = 12;
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    if let Some(op) = AggregateOp::from_name(&lower) {
        return Some(Token::Aggregator(op));
    }
    Some(match lower.as_str() {
        "and" => Token::Operator(BinaryOp::And),
        "or" => Token::Operator(BinaryOp::Or),
        "unless" => Token::Operator(BinaryOp::Unless),
        "atan2" => Token::Operator(BinaryOp::Atan2),
        "anchored" => Token::Keyword(Keyword::Anchored),
        "bool" => Token::Keyword(Keyword::Bool),
        "by" => Token::Keyword(Keyword::By),
        "fill" => Token::Keyword(Keyword::Fill),
        "fill_left" => Token::Keyword(Keyword::FillLeft),
        "fill_right" => Token::Keyword(Keyword::FillRight),
        "group_left" => Token::Keyword(Keyword::GroupLeft),
        "group_right" => Token::Keyword(Keyword::GroupRight),
        "ignoring" => Token::Keyword(Keyword::Ignoring),
        "offset" => Token::Keyword(Keyword::Offset),
        "on" => Token::Keyword(Keyword::On),
        "smoothed" => Token::Keyword(Keyword::Smoothed),
        "without" => Token::Keyword(Keyword::Without),
        "start" => Token::Preprocessor(Preprocessor::Start),
        "end" => Token::Preprocessor(Preprocessor::End),
        "step" => Token::Preprocessor(Preprocessor::Step),
        "range" => Token::Preprocessor(Preprocessor::Range),
        "inf" | "nan" => Token::Number,
        _ => return None,
    })
}
