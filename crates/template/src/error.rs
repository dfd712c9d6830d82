//! What went wrong in a template, and where.
//!
//! The text is worded as Go's `text/template` words it, because users search the web for these messages and
//! because Prometheus shows them in the very annotation that failed to expand. Position and reason are also
//! kept apart, so that a configuration check can point into the user's file.

use std::fmt;
use std::sync::Arc;

/// When a template failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// While reading its text: the template can never run.
    Parse,
    /// While running it on data.
    Execute,
    /// It ran into one of its [`Limits`](crate::Limits).
    Limit,
}

/// A template that could not be read or run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateError {
    pub(crate) stage: Stage,
    /// Name of the text the position belongs to.
    pub(crate) source: Arc<str>,
    pub(crate) line: u32,
    /// Bytes from the start of the line, as Go counts columns.
    pub(crate) byte_column: u32,
    /// Characters from the start of the line, counted from 1.
    pub(crate) column: u32,
    /// The template that was running and the piece of it, as Go prints it.
    pub(crate) executing: Option<(Arc<str>, String)>,
    pub(crate) reason: String,
}

impl TemplateError {
    /// An error at byte `offset` of `text`, the source called `source`.
    pub(crate) fn new(stage: Stage, source: &Arc<str>, text: &str, offset: usize, reason: String) -> Self {
        let (line, byte_column, column) = position(text, offset);
        Self { stage, source: Arc::clone(source), line, byte_column, column, executing: None, reason }
    }

    /// An error that belongs to no place in a text, such as a template that does not exist.
    pub(crate) fn unplaced(stage: Stage, source: &str, reason: String) -> Self {
        Self { stage, source: source.into(), line: 0, byte_column: 0, column: 0, executing: None, reason }
    }

    /// When it failed.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The name of the file or text the position belongs to.
    #[must_use]
    pub fn source_name(&self) -> &str {
        &self.source
    }

    /// The line, counted from 1; 0 when the error belongs to no place.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column in characters, counted from 1; 0 when the error belongs to no place.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }

    /// What went wrong, without the place.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The same error as seen in a text that has `bytes` more on its first line, as Prometheus' prelude of
    /// variable declarations adds them.
    pub(crate) fn shifted(mut self, bytes: usize) -> Self {
        if self.line == 1 {
            self.byte_column = self.byte_column.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
        self
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {}:", self.source)?;
        match &self.executing {
            Some((name, piece)) => write!(
                f,
                "{}:{}: executing {} at <{piece}>: {}",
                self.line,
                self.byte_column,
                crate::fmt::quoted(name),
                self.reason
            ),
            None if self.line == 0 => write!(f, " {}", self.reason),
            None => write!(f, "{}: {}", self.line, self.reason),
        }
    }
}

impl std::error::Error for TemplateError {}

/// Line, byte column from 0 and character column from 1 of a byte offset.
fn position(text: &str, offset: usize) -> (u32, u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = 1 + before.bytes().filter(|b| *b == b'\n').count();
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (small(line), small(end - start), small(before[start..].chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_bytes_and_characters() {
        assert_eq!(position("ab", 1), (1, 1, 2));
        assert_eq!(position("é\nüb{{", 5), (2, 2, 2));
        assert_eq!(position("x", 99), (1, 1, 2));
    }
}
