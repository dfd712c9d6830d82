//! Mistakes in what a user wrote, each at its place, all of them in one run.

use std::cell::RefCell;
use std::fmt;

use crate::Place;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Severity {
    /// Works, but is probably not what was meant.
    Warning,
    /// Cannot be used.
    Error,
}

/// One mistake: where, what, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// File, line, column and path.
    pub place: Place,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do about it, if that is not plain.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: path: message (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.place.path.is_empty() {
            write!(f, "{}: ", self.place.path)?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// Collects findings while a configuration is read. Shared by reference; reading goes on after a mistake.
#[derive(Default, Debug)]
pub struct Diagnostics(RefCell<Vec<Diagnostic>>);

impl Diagnostics {
    /// Nothing found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    /// Adds a finding unless the same one is there already: a section that several read is at fault once.
    pub fn push_once(&self, diagnostic: Diagnostic) {
        let mut all = self.0.borrow_mut();
        if !all.contains(&diagnostic) {
            all.push(diagnostic);
        }
    }

    /// Adds an error.
    pub fn error(&self, place: &Place, message: impl Into<String>) {
        self.push(Diagnostic {
            severity: Severity::Error,
            place: place.clone(),
            message: message.into(),
            help: None,
        });
    }

    /// Adds an error with what to do about it.
    pub fn error_with_help(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic {
            severity: Severity::Error,
            place: place.clone(),
            message: message.into(),
            help: Some(help.into()),
        });
    }

    /// Adds a warning.
    pub fn warning(&self, place: &Place, message: impl Into<String>) {
        self.push(Diagnostic {
            severity: Severity::Warning,
            place: place.clone(),
            message: message.into(),
            help: None,
        });
    }

    /// Whether an error was found.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    /// How many errors were found; to ask whether a piece of reading found one, compare before and after.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.0.borrow().iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// How many findings there are; to ask whether a piece of reading found something, compare before and after.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The findings in the order of their places.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut all = self.0.into_inner();
        all.sort_by(|a, b| a.place.cmp_position(&b.place));
        all
    }
}

/// The known word most like `given`, for "did you mean": at most a third of its letters may differ.
#[must_use]
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = (given.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (edit_distance(given, word), word))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Optimal string alignment distance: inserts, deletes, replacements and swaps of neighbours each count one.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(nearest("intreval", ["interval", "timeout"]), Some("interval"));
        assert_eq!(nearest("urll", ["url"]), Some("url"));
        assert_eq!(nearest("frequency", ["interval", "timeout"]), None);
    }
}
