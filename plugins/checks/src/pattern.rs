//! Regular expressions of users, with a bound on what a pattern may cost.

use regex::bytes;

/// Memory a compiled pattern may take. The engine is linear in time; this bounds the rest.
const SIZE_LIMIT: usize = 1 << 20;

/// Reads an expression over text.
///
/// # Errors
/// What is wrong with it, on one line.
pub(crate) fn text(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|error| explain(&error))
}

/// Reads an expression over bytes, for bodies and outputs that need not be UTF-8.
///
/// # Errors
/// What is wrong with it, on one line.
pub(crate) fn bytes(pattern: &str) -> Result<bytes::Regex, String> {
    bytes::RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|error| explain(&error))
}

/// The last line of the engine's message says what is wrong; the lines before draw the pattern.
fn explain(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "a smaller regular expression".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("a regular expression ({})", last.trim_start_matches("error: "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_explained_on_one_line() {
        assert_eq!(text("(").unwrap_err(), "a regular expression (unclosed group)");
        assert_eq!(bytes("a{999}{999}{99}").unwrap_err(), "a smaller regular expression");
        assert!(text("^ok$").is_ok());
    }
}
