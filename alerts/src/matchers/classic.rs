//! The classic grammar: pieces between commas, each `name op value`, the value quoted or not.

use breakwatch_model::{MatchOp, Matcher};

use super::{MatcherSyntaxError, build};

/// Reads a list. One leading and one trailing brace are dropped, needed or not.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, MatcherSyntaxError> {
    let text = text.trim();
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    pieces(text).into_iter().map(|piece| parse_one(&piece)).collect()
}

/// Splits at commas that stand outside quotes; a last piece of blanks alone is none.
fn pieces(text: &str) -> Vec<String> {
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            ',' if !quoted => {
                pieces.push(std::mem::take(&mut piece));
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => {}
        }
        if c != '\\' {
            escaped = false;
        }
        piece.push(c);
    }
    if !piece.trim().is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn parse_one(piece: &str) -> Result<Matcher, MatcherSyntaxError> {
    let bad = || MatcherSyntaxError(format!("bad matcher format: {piece}"));
    let trimmed = piece.trim();
    let end = trimmed.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).ok_or_else(bad)?;
    let (name, rest) = trimmed.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let (op, value) = operator(rest.trim_start()).ok_or_else(bad)?;
    build(op, name.to_owned(), unquote(value.trim(), piece)?)
}

fn operator(text: &str) -> Option<(MatchOp, &str)> {
    const OPERATORS: [(&str, MatchOp); 4] =
        [("=~", MatchOp::Regex), ("!=", MatchOp::NotEqual), ("!~", MatchOp::NotRegex), ("=", MatchOp::Equal)];
    OPERATORS.iter().find_map(|(sign, op)| Some((*op, text.strip_prefix(sign)?)))
}

/// Takes the quotes off and reads `\n`, `\"` and `\\`; any other backslash stays as it is.
fn unquote(raw: &str, piece: &str) -> Result<String, MatcherSyntaxError> {
    let quoted = raw.starts_with('"');
    let inner = raw.strip_prefix('"').unwrap_or(raw);
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    let mut closed = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            '"' if quoted && chars.peek().is_none() => closed = true,
            '"' => {
                let message = format!("matcher value contains unescaped double quote: {piece}");
                return Err(MatcherSyntaxError(message));
            }
            c => value.push(c),
        }
    }
    if quoted && !closed {
        return Err(MatcherSyntaxError(format!("matcher value lacks its closing quote: {piece}")));
    }
    Ok(value)
}
