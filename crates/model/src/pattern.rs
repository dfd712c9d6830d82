//! Regular expressions as Prometheus' users write them.
//!
//! Their dialect is Go's RE2. The engine here understands nearly the same language; what it reads differently
//! is put into its own spelling first, so that a pattern means the same in a rule file whichever program
//! loads it.

use std::borrow::Cow;

/// A pattern in Go's dialect as this engine writes it. Differences: a brace that repeats nothing is an ordinary
/// character, brackets and `&&`, `--`, `~~` inside a character class are ordinary characters, and `\Q…\E`
/// quotes.
#[must_use]
pub fn from_go_regex(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains(['{', '[']) && !pattern.contains("\\Q") {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\\' if after.starts_with('Q') => quoted(&after[1..], &mut out),
            '\\' => {
                let length = after.chars().next().map_or(0, char::len_utf8);
                out.push('\\');
                out.push_str(&after[..length]);
                after[length..]
                    .strip_prefix('{')
                    .filter(|_| matches!(&after[..length], "p" | "P" | "x"))
                    .map_or(&after[length..], |braced| {
                        // `\p{Greek}` and `\x{10ffff}` are not repetitions.
                        let end = braced.find('}').map_or(braced.len(), |end| end + 1);
                        out.push('{');
                        out.push_str(&braced[..end]);
                        &braced[end..]
                    })
            }
            '{' if !is_repetition(after) => {
                out.push_str("\\{");
                after
            }
            '[' => class(after, &mut out),
            _ => {
                out.push(c);
                after
            }
        };
    }
    Cow::Owned(out)
}

/// Whether what follows a brace makes it a repetition: `2}`, `2,}`, `2,5}`.
fn is_repetition(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    !least.is_empty() && (least.bytes().chain(most.bytes())).all(|byte| byte.is_ascii_digit())
}

/// Writes the text up to `\E` as literal characters; gives what follows.
fn quoted<'p>(text: &'p str, out: &mut String) -> &'p str {
    let (literal, after) = text.split_once("\\E").unwrap_or((text, ""));
    out.push_str(&regex::escape(literal));
    after
}

/// Writes a character class whose opening bracket has been read; gives what follows it.
fn class<'p>(text: &'p str, out: &mut String) -> &'p str {
    out.push('[');
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            ']' if !first => {
                out.push(']');
                return after;
            }
            '\\' => {
                let length = after.chars().next().map_or(0, char::len_utf8);
                out.push('\\');
                out.push_str(&after[..length]);
                &after[length..]
            }
            // `[:alpha:]` is a class of its own in both dialects.
            '[' if after.starts_with(':') && after.contains(":]") => {
                let end = after.find(":]").map_or(after.len(), |end| end + 2);
                out.push('[');
                out.push_str(&after[..end]);
                &after[end..]
            }
            '[' | ']' => {
                out.push('\\');
                out.push(c);
                after
            }
            '&' | '~' => {
                out.push('\\');
                out.push(c);
                after
            }
            // A range that ends in a hyphen.
            '-' if after.starts_with('-') => {
                out.push_str("-\\-");
                &after[1..]
            }
            _ => {
                out.push(c);
                after
            }
        };
        first = false;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::from_go_regex;

    fn matches(pattern: &str, text: &str) -> bool {
        regex::Regex::new(&format!("^(?s:{})$", from_go_regex(pattern))).unwrap().is_match(text)
    }

    #[test]
    fn what_means_the_same_stays() {
        for same in ["a|b", "a{2}", "a{2,}b{1,3}", "[a-z0-9_.-]+", "\\d+\\.\\{", "[^]x]", "\\p{Greek}\\x{41}"]
        {
            let kept = from_go_regex(same).replace("[^\\]x]", "[^]x]");
            assert_eq!(kept, same);
        }
        assert!(matches("[[:alpha:]]{2}", "ab") && !matches("[[:alpha:]]{2}", "a1"));
    }

    #[test]
    fn what_differs_is_respelled() {
        assert!(matches("demo{_x", "demo{_x") && matches("{a}", "{a}") && matches("a{,2}", "a{,2}"));
        assert!(matches("[[]", "[") && matches("[a&&b]+", "a&b") && matches("[]]", "]"));
        assert!(matches("\\Qa.b*\\Ec", "a.b*c") && !matches("\\Qa.b\\E", "axb"));
        assert!(matches("[+--]+", "+,-"), "a range that ends in a hyphen");
    }

    #[test]
    fn broken_patterns_stay_broken() {
        for broken in ["(", "[a", "a**", "*", "a{2"] {
            let translated = from_go_regex(broken);
            let valid = regex::Regex::new(&format!("^(?s:{translated})$")).is_ok();
            assert_eq!(valid, matches!(broken, "a{2" | "a**"), "{broken}");
        }
    }
}
