//! Says in plain words, at the place to correct, what the YAML parser could not read.
//!
//! The parser reports where it gave up. For the commonest mistakes (a tab, a quote that is never closed, an
//! unquoted special character) the place to correct is earlier, and is looked for here.

use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};

/// What is told to the user.
pub(super) struct Report {
    /// Line, from 1.
    pub(super) line: usize,
    /// Column, from 1, in characters.
    pub(super) column: usize,
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

/// Turns a parser's error into a report. `last` is where the last readable piece stands, in bytes.
pub(super) fn explain(error: &ScanError, text: &str, last: &Range<usize>) -> Report {
    use ErrorKind as K;
    let at = error.marker().byte_offset().unwrap_or(last.end).min(text.len());
    let (message, help, at) = match error.kind() {
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabInIndentation
        | K::TabInPlainScalar
        | K::TabAtBlockScalarStart => {
            (Some("a tab is used for indentation"), Some("YAML takes only spaces"), tab(text, at))
        }
        K::UnclosedQuotedScalar | K::InvalidQuotedScalarIndent | K::DocumentIndicatorInQuotedScalar => {
            (Some("a quoted text is not closed"), None, quote(text, last.end).unwrap_or(at))
        }
        K::UnknownQuotedScalarEscape => (
            Some("unknown escape in a text in double quotes"),
            Some("write `\\\\` for a backslash, or use single quotes"),
            escape(text, at),
        ),
        K::MappingValueNotAllowed if text_runs_on(text, last) => (
            Some("this text runs on into the next line, which looks like a key"),
            Some("is a `:` missing here, or is the next line indented too far?"),
            last.start,
        ),
        kind => {
            let (message, help) = words(kind);
            (message, help, at)
        }
    };
    let (line, column) = position(text, at);
    Report { line, column, message: message.map_or_else(|| plain(error), str::to_owned), help }
}

/// What is wrong (`None`: the parser's own words will do) and what to do about it.
fn words(kind: &ErrorKind) -> (Option<&'static str>, Option<&'static str>) {
    use ErrorKind as K;
    match kind {
        K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
            (Some("something follows a quoted text"), Some("quote all of the value or none of it"))
        }
        K::MappingValueNotAllowed => (
            Some("a `:` stands where no key can be"),
            Some("quote values that hold `: `, and check the indentation"),
        ),
        K::InvalidColonPlacement => {
            (Some("a `:` stands where no key can be"), Some("is a `]` or `}` missing before it?"))
        }
        K::SimpleKeyExpected => (Some("expected `key: value`"), Some("is the `:` or its space missing?")),
        K::ExpectedBlockMappingKey => (
            Some("expected a key here"),
            Some("check the indentation: the keys of a mapping begin in the same column"),
        ),
        K::ExpectedBlockSequenceEntry => {
            (Some("expected another `- item` of the list here"), Some("check the indentation"))
        }
        K::BlockSequenceEntryNotAllowed => {
            (Some("a list cannot begin here"), Some("put `- item` on a line of its own"))
        }
        K::UnexpectedCharacter { .. } => {
            (None, Some("quote values that begin with a special character such as `@`, `%` or a backquote"))
        }
        K::UnknownAnchor => (Some("this alias (`*name`) has no anchor (`&name`) before it"), None),
        K::UnclosedFlowCollection { .. }
        | K::ExpectedFlowMappingSeparator
        | K::ExpectedFlowSequenceSeparator => {
            (None, Some("each `{` and `[` needs its closing bracket and commas between the items"))
        }
        K::RecursionLimitExceeded => (Some("nested too deep"), None),
        _ => (None, None),
    }
}

/// Whether the last piece is a text over several lines.
fn text_runs_on(text: &str, last: &Range<usize>) -> bool {
    text.get(last.clone()).is_some_and(|piece| piece.trim_end().contains('\n'))
}

/// The parser's own words, without its story of what it was doing.
fn plain(error: &ScanError) -> String {
    let words = error.info();
    match words.split_once(", ") {
        Some((story, rest)) if story.starts_with("while ") => rest.to_owned(),
        _ => words,
    }
}

/// The first tab at or after `from`, else `from`.
fn tab(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find('\t')).map_or(from, |offset| from + offset)
}

/// The first quote at or after `from`.
fn quote(text: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(['"', '\'']).map(|offset| from + offset)
}

/// The escape the parser stumbled over, which is the first unknown one after `from`.
fn escape(text: &str, from: usize) -> usize {
    let mut after_backslash = false;
    for (offset, c) in text.get(from..).unwrap_or_default().char_indices() {
        if after_backslash {
            if !"0abt\tnvfre \"/\\N_LPxuU\n\r".contains(c) {
                return from + offset - 1;
            }
            after_backslash = false;
        } else {
            after_backslash = c == '\\';
        }
    }
    from
}

/// Line and column (both from 1, columns in characters) of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[line_start..].chars().filter(|c| *c != '\u{feff}').count();
    (before.matches('\n').count() + 1, column + 1)
}
