//! The order of `sort_by_label`: runs of digits compare as numbers.

/// Whether `a` comes before `b`.
pub(super) fn comes_before(a: &str, b: &str) -> bool {
    let (a, b) = (chunks(a), chunks(b));
    for (index, (left, right)) in a.iter().zip(&b).enumerate() {
        let same = match (left.parse::<i64>(), right.parse::<i64>()) {
            (Ok(left), Ok(right)) if left != right => return left < right,
            (Ok(_), Ok(_)) => true,
            _ if left != right => return left < right,
            _ => true,
        };
        if same && index + 1 == a.len() {
            return true;
        }
        if same && index + 1 == b.len() {
            return false;
        }
    }
    false
}

/// Runs of digits and runs of everything else.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (chunk, after) = rest.split_at(end);
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::comes_before;

    #[test]
    fn numbers_inside_text_compare_as_numbers() {
        for (a, b) in [("4", "10"), ("abc5", "abc12"), ("a", "b"), ("1.2.9", "1.2.10"), ("a1", "a1b")] {
            assert!(comes_before(a, b), "{a} < {b}");
            assert!(!comes_before(b, a), "{b} > {a}");
        }
    }
}
