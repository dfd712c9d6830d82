//! Warnings and infos: what a query's author should know although the query has a value.

use crate::span::{Span, line_and_column};

/// The annotations of a query, in the order they arose, each text once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// The value may be wrong.
    pub warnings: Vec<String>,
    /// The value may not mean what it seems to.
    pub infos: Vec<String>,
}

impl Annotations {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.warnings.is_empty() && self.infos.is_empty()
    }
}

/// How grave an annotation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Severity {
    Warning,
    Info,
}

/// Collects annotations while a query runs.
#[derive(Debug, Default)]
pub(super) struct Collected {
    found: Vec<(Severity, String, Span)>,
}

impl Collected {
    /// Adds an annotation unless its text is known; the place of the first one stays.
    pub(super) fn add(&mut self, severity: Severity, text: String, span: Span) {
        if !self.found.iter().any(|(_, known, _)| *known == text) {
            self.found.push((severity, text, span));
        }
    }

    /// The annotations with their places in the query text.
    pub(super) fn finish(self, query: &str) -> Annotations {
        let mut annotations = Annotations::default();
        for (severity, text, span) in self.found {
            let (line, column) = line_and_column(query, span.start);
            match severity {
                Severity::Warning => {
                    annotations.warnings.push(format!("PromQL warning: {text} ({line}:{column})"));
                }
                Severity::Info => annotations.infos.push(format!("PromQL info: {text} ({line}:{column})")),
            }
        }
        annotations
    }
}
