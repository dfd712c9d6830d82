//! Label matchers: `=`, `!=`, `=~`, `!~`, anchored and linear in time as in PromQL.

use std::fmt;

use regex::Regex;

use crate::Labels;

/// How a matcher compares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A regular expression in a matcher that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression {pattern:?}: {reason}")]
pub struct MatcherError {
    /// The expression as written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The largest compiled program allowed for one pattern; bounds memory for hostile patterns.
const REGEX_SIZE_LIMIT: usize = 1 << 20;

/// One condition on one label. An absent label counts as the empty value.
#[derive(Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Pattern>,
}

/// A compiled pattern; alternatives of plain words (`a|b|c`, what dashboards send) skip the regex engine.
#[derive(Clone)]
enum Pattern {
    Words(Vec<String>),
    Regex(Regex),
}

impl Matcher {
    /// Builds a matcher; patterns are anchored at both ends and may match line breaks with `.`.
    ///
    /// # Errors
    /// A pattern that does not compile or would grow too large.
    pub fn new(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::compile(&value)?),
        };
        Ok(Self { name, op, value, pattern })
    }

    /// `name="value"`, which cannot fail.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The comparison.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or pattern as written.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label of this value matches; pass `""` for an absent label.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match (&self.pattern, self.op) {
            (Some(pattern), MatchOp::NotRegex) => !pattern.is_match(value),
            (Some(pattern), _) => pattern.is_match(value),
            (None, MatchOp::NotEqual) => self.value != value,
            (None, _) => self.value == value,
        }
    }

    /// Whether a label set matches.
    #[must_use]
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }

    /// For `=~` with plain alternatives, the complete set of values that match.
    #[must_use]
    pub fn set_matches(&self) -> Option<&[String]> {
        match &self.pattern {
            Some(Pattern::Words(words)) if self.op == MatchOp::Regex => Some(words),
            _ => None,
        }
    }
}

impl Pattern {
    fn compile(pattern: &str) -> Result<Self, MatcherError> {
        const META: &[char] = &['\\', '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$', '#'];
        if !pattern.contains(META) {
            return Ok(Self::Words(pattern.split('|').map(str::to_owned).collect()));
        }
        regex::RegexBuilder::new(&format!("^(?s:{})$", crate::from_go_regex(pattern)))
            .size_limit(REGEX_SIZE_LIMIT)
            .build()
            .map(Self::Regex)
            .map_err(|error| MatcherError { pattern: pattern.to_owned(), reason: reason(&error) })
    }

    fn is_match(&self, value: &str) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|word| word == value),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// The last line of a regex error says what is wrong; the lines before it draw our anchored form.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl std::hash::Hash for Matcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_and_words_are_exact() {
        let words = Matcher::new(MatchOp::Regex, "a", "foo|bar").unwrap();
        assert!(words.matches("foo") && words.matches("bar") && !words.matches("foobar"));
        assert_eq!(words.set_matches().unwrap(), ["foo", "bar"]);
        let regex = Matcher::new(MatchOp::NotRegex, "a", "fo+").unwrap();
        assert!(!regex.matches("foo") && regex.matches("xfoo"));
        assert!(Matcher::new(MatchOp::Regex, "a", ".*").unwrap().matches("a\nb"));
        assert!(Matcher::new(MatchOp::Regex, "a", "").unwrap().matches(""));
    }

    #[test]
    fn a_bad_pattern_says_why() {
        let error = Matcher::new(MatchOp::Regex, "a", "fo(").unwrap_err();
        assert_eq!(error.to_string(), r#"invalid regular expression "fo(": unclosed group"#);
    }
}
