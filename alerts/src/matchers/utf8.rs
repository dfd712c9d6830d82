//! The newer grammar: words or quoted texts on both sides of the operator, any UTF-8 when quoted.

use breakwatch_model::{MatchOp, Matcher};

use super::{MatcherSyntaxError, build};
use crate::text::is_reserved;

/// Reads a list, with both braces or with none; a comma may stand behind the last matcher.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, MatcherSyntaxError> {
    let mut scanner = Scanner { text, at: 0 };
    let braces = scanner.eat('{');
    let mut matchers = Vec::new();
    loop {
        if scanner.done() || scanner.peek() == Some('}') {
            break;
        }
        matchers.push(scanner.matcher()?);
        if !scanner.eat(',') {
            break;
        }
    }
    let closed = scanner.eat('}');
    match (braces, closed) {
        (true, false) if scanner.done() => Err(scanner.error("expected close brace")),
        (false, true) => Err(scanner.error("expected opening brace")),
        _ if !scanner.done() => Err(scanner.error("expected a comma or the end")),
        _ => Ok(matchers),
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_blanks();
        self.rest().chars().next()
    }

    fn done(&mut self) -> bool {
        self.peek().is_none()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn error(&mut self, expected: &str) -> MatcherSyntaxError {
        let found = match self.peek() {
            Some(c) => format!("found {c:?}"),
            None => "found the end".to_owned(),
        };
        MatcherSyntaxError(format!("{}: {expected}, {found}", self.at))
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherSyntaxError> {
        let name = self.word("expected label name")?;
        let op = self.operator()?;
        let value = self.word("expected label value")?;
        build(op, name, value)
    }

    fn operator(&mut self) -> Result<MatchOp, MatcherSyntaxError> {
        const OPERATORS: [(&str, MatchOp); 4] = [
            ("=~", MatchOp::Regex),
            ("!=", MatchOp::NotEqual),
            ("!~", MatchOp::NotRegex),
            ("=", MatchOp::Equal),
        ];
        self.skip_blanks();
        let found = OPERATORS.iter().find(|(sign, _)| self.rest().starts_with(sign));
        match found {
            Some((sign, op)) => {
                self.at += sign.len();
                Ok(*op)
            }
            None => Err(self.error("expected one of '=~', '!=', '!~' or '='")),
        }
    }

    /// A quoted text, or everything up to the next reserved character.
    fn word(&mut self, expected: &str) -> Result<String, MatcherSyntaxError> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let rest = self.rest();
        let end = rest.find(is_reserved).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.error(expected));
        }
        let word = rest[..end].to_owned();
        self.at += end;
        Ok(word)
    }

    /// A text in double quotes with Go's escapes.
    fn quoted(&mut self) -> Result<String, MatcherSyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let mut chars = self.rest().chars();
            match chars.next() {
                None | Some('\n') => {
                    return Err(MatcherSyntaxError(format!("{start}: missing end \"")));
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some('\\') => {
                    self.at += 1;
                    let (c, length) = escape(self.rest())
                        .ok_or_else(|| MatcherSyntaxError(format!("{}: invalid escape", self.at)))?;
                    value.push(c);
                    self.at += length;
                }
                Some(c) => {
                    value.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }
}

/// The character an escape (without its backslash) stands for, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let simple = match text.chars().next()? {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        '"' => '"',
        'x' => return hex(text, 2).filter(|(c, _)| c.is_ascii()),
        'u' => return hex(text, 4),
        'U' => return hex(text, 8),
        _ => return None,
    };
    Some((simple, 1))
}

fn hex(text: &str, digits: usize) -> Option<(char, usize)> {
    let number = text.get(1..=digits)?;
    if !number.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((char::from_u32(u32::from_str_radix(number, 16).ok()?)?, digits + 1))
}
