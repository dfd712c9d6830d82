//! Text to a positioned tree.
//!
//! Built on a YAML *event* parser, because the tree needs what a value tree has thrown away: the place of
//! every key and value, and whether a scalar was quoted. Only this module and its children know the parser.
//!
//! What goes beyond YAML 1.2: duplicate keys are errors with both places, `<<` merges mappings as in YAML 1.1,
//! and everything is bounded (bytes, values, nesting, what aliases expand to), so that no file can exhaust the
//! daemon.

mod builder;
mod limits;
mod syntax;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use breakwatch_plugin_api::{Diagnostics, Node, NodeKind, Place};
use granit_parser::{Event, Options, Parser, Span};

use builder::Builder;

/// The largest file that is read, in bytes. Generated rule files reach a few MiB.
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Reads the first document of a YAML text. An empty text is a null node; more documents are a warning.
/// `None` after an error; every error is in `diagnostics` at its line and column. Nothing is substituted.
#[must_use]
pub fn load_text(file_name: &str, text: &str, diagnostics: &Diagnostics) -> Option<Node> {
    let file: Arc<str> = file_name.into();
    let start = Place { file: Arc::clone(&file), line: 1, column: 1, path: "".into() };
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES / (1024 * 1024));
        diagnostics.error(&start, message);
        return None;
    }
    let found_before = diagnostics.error_count();
    let mut builder = Builder::new(file, text, diagnostics);
    let completed = feed(&mut builder, text);
    if !completed || diagnostics.error_count() > found_before {
        return None;
    }
    Some(builder.into_root().unwrap_or(Node { place: start, kind: NodeKind::Null, sensitive: false }))
}

/// Hands events to the builder until the first document ends. Whether reading got that far.
fn feed(builder: &mut Builder<'_>, text: &str) -> bool {
    let mut last = 0..0;
    for step in Parser::new_from_str_with_options(text, options()) {
        let (event, span) = match step {
            Ok(step) => step,
            Err(error) => {
                builder.syntax_error(&error, &last);
                return false;
            }
        };
        last = span.byte_range().unwrap_or(last);
        if let Event::DocumentStart(..) = event
            && !builder.begin_document(&place_of(builder, span))
        {
            return true;
        }
        if builder.event(event, span).is_break() {
            return false;
        }
    }
    true
}

fn place_of(builder: &Builder<'_>, span: Span) -> Place {
    builder.place(span.start.line(), span.start.col() + 1, "".into())
}

/// The parser's own limits stand at ours, so that it stops before a deep file costs anything.
fn options() -> Options {
    let mut options = granit_parser::options! {
        flow_nesting_limit: limits::MAX_DEPTH,
        block_nesting_limit: limits::MAX_DEPTH,
    };
    options.set_emit_comments(false);
    options
}
