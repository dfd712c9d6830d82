//! Text forms that other programs compare byte for byte: label sets and matchers as Alertmanager prints them.

use breakwatch_model::{Labels, Matcher};
use breakwatch_promql::quote::quote_into;

/// `{a="b", c="d"}`, as Alertmanager prints a label set inside a group key.
#[must_use]
pub fn label_set(labels: &Labels) -> String {
    let mut out = String::from("{");
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(name);
        out.push('=');
        quote_into(&mut out, value);
    }
    out.push('}');
    out
}

/// `a="b"`, as Alertmanager prints a matcher: only backslash, line break and quote are escaped in the value,
/// and a name is quoted only if it could not be read back otherwise.
#[must_use]
pub fn matcher(matcher: &Matcher) -> String {
    let mut out = String::new();
    if matcher.name().is_empty() || matcher.name().chars().any(is_reserved) {
        quote_into(&mut out, matcher.name());
    } else {
        out.push_str(matcher.name());
    }
    out.push_str(matcher.op().as_str());
    out.push('"');
    for c in matcher.value().chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `{a="b",c=~"d"}`, as Alertmanager prints a list of matchers.
#[must_use]
pub fn matchers(list: &[Matcher]) -> String {
    let parts: Vec<String> = list.iter().map(matcher).collect();
    format!("{{{}}}", parts.join(","))
}

/// Characters that end an unquoted word in a matcher.
pub(crate) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '!' | '=' | '~' | ',' | '\\' | '"' | '\'' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakwatch_model::MatchOp;

    #[test]
    fn label_sets_and_matchers_as_alertmanager_prints_them() {
        let labels = Labels::from_pairs([("b", "x\"y"), ("a", "1\n\u{1}é")]);
        assert_eq!(label_set(&labels), "{a=\"1\\n\\x01é\", b=\"x\\\"y\"}");
        assert_eq!(label_set(&Labels::empty()), "{}");
        let list = [Matcher::equal("a", "x\ty\"z"), Matcher::new(MatchOp::NotRegex, "b c", "d|e").unwrap()];
        assert_eq!(matchers(&list), "{a=\"x\ty\\\"z\",\"b c\"!~\"d|e\"}");
    }
}
