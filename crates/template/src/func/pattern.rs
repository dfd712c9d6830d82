//! `match` and `reReplaceAll`: Go's regular expressions on Rust's engine.
//!
//! Both engines are linear in time. Their syntaxes differ little: Go's `\d`, `\w`, `\s` and `\b` know ASCII only,
//! Go takes a `{` that begins no repetition for itself, and knows `\Q…\E`, `\C` and `\z` where Rust has only the last.

use std::fmt::Write as _;

use regex::{Captures, Regex, RegexBuilder};

use super::{Call, CallError};
use crate::limits::{Exceeded, Text};
use crate::value::Value;

/// How large a compiled pattern may grow, in bytes, and what a byte of text then costs, in quarters of a step. The engine's
/// worst case is the product of the two sizes; a pattern is compiled to the least size that holds it, so that usual ones
/// stay cheap. The dearest that fits compiles in 2 ms (11 ms unoptimised) and reads 16 KiB in 0.25 s.
const SIZES: [(usize, u64); 4] = [(4 << 10, 1), (16 << 10, 4), (64 << 10, 12), (256 << 10, 48)];
/// Compiling is far dearer than a step: a run may compile a hundred patterns.
const COMPILE_STEPS: u64 = 10_000;
/// Patterns are written by people; a longer one was computed and is not worth translating.
const LONGEST: usize = 16 << 10;
/// A template uses a handful of patterns; one that computes them gets no cache for more.
const CACHED: usize = 64;

/// The patterns a run has compiled, because a range often uses one again and again.
#[derive(Default)]
pub(crate) struct Patterns {
    compiled: Vec<Compiled>,
}

struct Compiled {
    pattern: Box<str>,
    regex: Regex,
    /// Quarters of a step for each byte of text.
    weight: u64,
}

impl Patterns {
    /// The compiled pattern, and the steps it costs to look through `text`, and to compile it if it was not known. Lent,
    /// not cloned: a clone of a `Regex` starts without its scratch memory.
    fn get(&mut self, pattern: &str, text: &str) -> Result<(&Regex, u64), CallError> {
        let known = self.compiled.iter().position(|known| *known.pattern == *pattern);
        if known.is_none() {
            if self.compiled.len() >= CACHED {
                self.compiled.remove(0);
            }
            self.compiled.push(compile(pattern)?);
        }
        let at = known.unwrap_or(self.compiled.len() - 1);
        let Some(found) = self.compiled.get(at) else { return Err("error parsing regexp".into()) };
        let looking = 1 + text.len() as u64 * found.weight / 4;
        Ok((&found.regex, looking + if known.is_none() { COMPILE_STEPS } else { 0 }))
    }
}

fn compile(pattern: &str) -> Result<Compiled, String> {
    if pattern.len() > LONGEST {
        return Err(format!("error parsing regexp: expression is longer than {LONGEST} bytes"));
    }
    let translated = translate(pattern);
    let mut refused = None;
    for (size, weight) in SIZES {
        match RegexBuilder::new(&translated).size_limit(size).dfa_size_limit(size.max(64 << 10)).build() {
            Ok(regex) => return Ok(Compiled { pattern: pattern.into(), regex, weight }),
            Err(error @ regex::Error::CompiledTooBig(_)) => refused = Some(error),
            Err(error) => return Err(message(pattern, &error)),
        }
    }
    Err(refused.map_or_else(String::new, |error| message(pattern, &error)))
}

/// The engine's complaint, in Go's words where users would search for them.
fn message(pattern: &str, error: &regex::Error) -> String {
    const SHOWN: usize = 80;
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    let reason = match last.trim_start_matches("error: ") {
        "unclosed group" => "missing closing )",
        "unopened group" => "unexpected )",
        "unclosed character class" => "missing closing ]",
        "repetition operator missing expression" => "missing argument to repetition operator",
        other => other,
    };
    let pattern: String = pattern.chars().take(SHOWN).collect();
    format!("error parsing regexp: {reason}: `{pattern}`")
}

/// `match pattern text`, not anchored.
pub(super) fn is_match(call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    let (pattern, text) = (call.str(0), call.str(1));
    let (regex, cost) = call.patterns.get(pattern, text)?;
    call.budget.spend(cost)?;
    Ok(regex.is_match(text).into())
}

/// `reReplaceAll pattern replacement text`
pub(super) fn replace_all(call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    let (pattern, replacement, text) = (call.str(0), call.str(1), call.str(2));
    let mut out = call.text();
    let (regex, cost) = call.patterns.get(pattern, text)?;
    call.budget.spend(cost)?;
    let mut copied = 0;
    for captures in regex.captures_iter(text) {
        call.budget.spend(1)?;
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(text.get(copied..whole.start()).unwrap_or_default())?;
        expand(replacement, &captures, &mut out)?;
        copied = whole.end();
    }
    out.push_str(text.get(copied..).unwrap_or_default())?;
    Ok(out.into_string().into())
}

/// Writes the replacement with `$1`, `$name`, `${1}` and `$$` filled in. The longest possible name counts.
fn expand(replacement: &str, captures: &Captures<'_>, out: &mut Text) -> Result<(), Exceeded> {
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at])?;
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$')?;
            rest = tail;
            continue;
        }
        let Some((name, tail)) = group_name(rest) else {
            // Not a reference: the dollar stands for itself.
            out.push('$')?;
            continue;
        };
        rest = tail;
        let group = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        out.push_str(group.map_or("", |found| found.as_str()))?;
    }
    out.push_str(rest)
}

/// The name behind a dollar sign, braced or not, and what follows it.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let body = braced.unwrap_or(text);
    let end = body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len());
    let (name, tail) = body.split_at(end);
    let tail = if braced.is_some() { tail.strip_prefix('}')? } else { tail };
    (!name.is_empty()).then_some((name, tail))
}

/// Go's pattern in Rust's syntax.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        rest = tail;
        match c {
            '\\' => rest = escape(tail, in_class, &mut out),
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                rest = class_start(tail, &mut out);
            }
            // A named class such as [:alpha:] is the only thing a bracket means inside a class.
            '[' if tail.starts_with(':') && tail.contains(":]") => {
                let end = tail.find(":]").map_or(0, |at| at + 2);
                out.push('[');
                out.push_str(&tail[..end]);
                rest = &tail[end..];
            }
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            '-' if in_class && tail.starts_with('-') => out.push_str("\\-"),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '{' if !in_class && !is_repetition(tail) => out.push_str("\\{"),
            _ => out.push(c),
        }
    }
    out
}

/// What may stand at the front of a class without its usual meaning: `^` first, then a literal `]`.
fn class_start<'p>(tail: &'p str, out: &mut String) -> &'p str {
    let mut rest = tail;
    if let Some(tail) = rest.strip_prefix('^') {
        out.push('^');
        rest = tail;
    }
    if let Some(tail) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = tail;
    }
    rest
}

/// One escape, its backslash already read; returns what follows it.
fn escape<'p>(tail: &'p str, in_class: bool, out: &mut String) -> &'p str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    let rest = &tail[c.len_utf8()..];
    match (c, in_class) {
        ('d', true) => out.push_str("0-9"),
        ('w', true) => out.push_str("0-9A-Za-z_"),
        ('s', true) => out.push_str("\\t\\n\\f\\r "),
        ('d', false) => out.push_str("[0-9]"),
        ('w', false) => out.push_str("[0-9A-Za-z_]"),
        ('s', false) => out.push_str("[\\t\\n\\f\\r ]"),
        ('D', _) => out.push_str("[^0-9]"),
        ('W', _) => out.push_str("[^0-9A-Za-z_]"),
        ('S', _) => out.push_str("[^\\t\\n\\f\\r ]"),
        ('b', false) => out.push_str("(?-u:\\b)"),
        ('C', false) => out.push_str("(?s:.)"),
        ('Q', false) => {
            let (literal, after) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(literal));
            return after;
        }
        ('E', false) => {}
        // Octal, which Rust reads as a back reference.
        ('0'..='7', _) => {
            let digits = tail.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            let code = u32::from_str_radix(&tail[..digits], 8).unwrap_or(0);
            let _ = write!(out, "\\x{{{code:x}}}");
            return &tail[digits..];
        }
        // Any punctuation may be escaped in Go.
        _ if c.is_ascii_punctuation() => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        _ => out.extend(['\\', c]),
    }
    rest
}

/// Whether what follows a brace makes it a repetition: `n}`, `n,}` or `n,m}`.
fn is_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else { return false };
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && number(low) && number(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Patterns::default().get(pattern, text).unwrap().0.is_match(text)
    }

    #[test]
    fn go_syntax_in_rust() {
        for (pattern, yes, no) in [
            (r"^\d+$", "12", "٣"),
            (r"^\w$", "_", "é"),
            (r"^[\w-]+$", "a-b", "a b"),
            (r"^[^\W]$", "a", "-"),
            (r"^{a}$", "{a}", "a"),
            (r"^a{2}$", "aa", "a{2}"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^\Qa.b\E$", "a.b", "axb"),
            (r"^[]a]$", "]", "b"),
            (r"^[[a]$", "[", "b"),
            (r"^[a&&b]+$", "&", "c"),
            (r"^[[:alpha:]]$", "x", "1"),
            (r"\bfoo\b", "a foo b", "afoo"),
            (r"^\101$", "A", "B"),
            (r#"^\"\/$"#, "\"/", "x"),
            (r"(?i)^STRASSE$", "strasse", "x"),
        ] {
            assert!(matches(pattern, yes), "{pattern} should match {yes}");
            assert!(!matches(pattern, no), "{pattern} should not match {no}");
        }
        assert!(Patterns::default().get("a(", "").is_err());
        assert!(Patterns::default().get(r"\pL{1000}{1000}", "").is_err());
    }

    #[test]
    fn replacements_name_their_groups() {
        let regex = Regex::new("(?P<host>[a-z]+):([0-9]+)").unwrap();
        let captures = regex.captures("db:5432").unwrap();
        for (replacement, want) in [
            ("$1", "db"),
            ("$host/$2", "db/5432"),
            ("${1}x", "dbx"),
            ("$1x", ""),
            ("$$1", "$1"),
            ("$", "$"),
            ("${1", "${1"),
            ("$9", ""),
            ("$0!", "db:5432!"),
        ] {
            let mut out = Text::new(100);
            expand(replacement, &captures, &mut out).unwrap();
            assert_eq!(out.as_str(), want, "{replacement}");
        }
    }
}
