//! Matchers as Alertmanager writes them: `{severity="page", job=~"api|web"}`, braces and quotes optional.
//!
//! There are two grammars. The newer one allows any UTF-8 in names and values when they are quoted with Go's
//! escapes; the classic one is a regular expression per comma-separated piece and is laxer about unquoted values
//! and escapes. As in Alertmanager's default mode both are tried: where they disagree the classic reading wins,
//! because that is what a configuration written for it meant.

mod classic;
mod utf8;

use breakwatch_model::{MatchOp, Matcher};

/// Why a list of matchers cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct MatcherSyntaxError(pub String);

/// The longest text that is read, in bytes: far above any real selector, far below what could hurt.
const MAX_BYTES: usize = 64 * 1024;

/// Reads a list of matchers, with or without braces. An empty list is no error.
///
/// # Errors
/// What is wrong and where, in the words of the newer grammar.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, MatcherSyntaxError> {
    if text.len() > MAX_BYTES {
        return Err(MatcherSyntaxError(format!("longer than {MAX_BYTES} bytes")));
    }
    match (utf8::parse(text), classic::parse(text)) {
        (Ok(new), Ok(old)) => Ok(if same(&new, &old) { new } else { old }),
        (Ok(new), Err(_)) => Ok(new),
        (Err(_), Ok(old)) => Ok(old),
        (Err(error), Err(_)) => Err(error),
    }
}

/// Reads exactly one matcher.
///
/// # Errors
/// As [`parse_matchers`], or when there is none or more than one.
pub fn parse_matcher(text: &str) -> Result<Matcher, MatcherSyntaxError> {
    let mut list = parse_matchers(text)?;
    match (list.pop(), list.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(MatcherSyntaxError("expected a matcher such as `severity=\"page\"`".to_owned())),
        _ => Err(MatcherSyntaxError("expected one matcher, found several".to_owned())),
    }
}

/// Sorts as Alertmanager sorts the matchers of a route: by name, then value, then operator.
pub(crate) fn sort(matchers: &mut [Matcher]) {
    let rank = |op: MatchOp| match op {
        MatchOp::Equal => 0,
        MatchOp::NotEqual => 1,
        MatchOp::Regex => 2,
        MatchOp::NotRegex => 3,
    };
    matchers.sort_by(|a, b| (a.name(), a.value(), rank(a.op())).cmp(&(b.name(), b.value(), rank(b.op()))));
}

/// Whether every matcher holds.
pub(crate) fn all_match(matchers: &[Matcher], labels: &breakwatch_model::Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches_labels(labels))
}

fn same(a: &[Matcher], b: &[Matcher]) -> bool {
    let sorted = |list: &[Matcher]| {
        let mut list = list.to_vec();
        sort(&mut list);
        list
    };
    sorted(a) == sorted(b)
}

fn build(op: MatchOp, name: String, value: String) -> Result<Matcher, MatcherSyntaxError> {
    Matcher::new(op, name, value).map_err(|error| MatcherSyntaxError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse_matchers(text).map_or_else(|e| format!("error: {e}"), |list| crate::text::matchers(&list))
    }

    #[test]
    fn both_grammars_read_what_people_write() {
        for (text, expected) in [
            ("", "{}"),
            ("{}", "{}"),
            ("foo=bar", "{foo=\"bar\"}"),
            ("{foo=\"bar\", baz!~\"q.*\",}", "{foo=\"bar\",baz!~\"q.*\"}"),
            (" foo = \"b,}ar\" ", "{foo=\"b,}ar\"}"),
            ("foo=bar,baz=~qux|x", "{foo=\"bar\",baz=~\"qux|x\"}"),
            ("\"a b\"=\"\\u00e9\"", "{\"a b\"=\"é\"}"),
            ("foo=\"a\\\"b\\nc\"", "{foo=\"a\\\"b\\nc\"}"),
            ("🙂=\"x\"", "{🙂=\"x\"}"),
            // Only the classic grammar takes an unquoted value with blanks or signs in it, or an odd escape.
            ("foo=bar baz", "{foo=\"bar baz\"}"),
            ("foo=~.*\\.bar", "{foo=~\".*\\\\.bar\"}"),
            ("foo=", "{foo=\"\"}"),
            ("foo!=\"\"", "{foo!=\"\"}"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, part) in [
            ("foo", "expected one of"),
            ("{\"a b\"=\"c\"", "expected close brace"),
            ("foo=\"bar", "missing end \""),
            ("=bar", "expected label name"),
            ("foo=~\"(\"", "invalid regular expression"),
            ("foo=\"a\" bar=\"b\"", "expected a comma"),
        ] {
            let error = parse_matchers(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse_matcher("a=b,c=d").is_err() && parse_matcher("").is_err());
    }

    #[test]
    fn hostile_texts_do_not_panic() {
        for text in
            ["{{{{", "\\\\\\", "a=\"\\", "\u{0}=\u{0}", "a=~\"[\\\"", "}}}}", ",,,,", "\"", "'", "{,}"]
        {
            let _ = parse_matchers(text);
        }
        assert!(parse_matchers(&"a".repeat(MAX_BYTES + 1)).is_err());
    }
}
