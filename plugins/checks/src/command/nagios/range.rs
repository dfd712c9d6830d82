//! A threshold range: `[@][start:]end`, where `~` is minus infinity and a missing end is infinity.

/// A range as a plugin writes it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Range {
    /// As written.
    pub(super) text: String,
    start: f64,
    end: f64,
}

impl Range {
    /// Reads a range; nothing if it is empty or not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('@').unwrap_or(text);
        if bare.is_empty() {
            return None;
        }
        let (start, end) = bare.split_once(':').unwrap_or(("", bare));
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let start = match start {
            "" => 0.0,
            "~" => f64::NEG_INFINITY,
            start => number(start)?,
        };
        let end = if end.is_empty() { f64::INFINITY } else { number(end)? };
        Some(Self { text: text.to_owned(), start, end })
    }

    /// The ends that are numbers, by name. The start of 0 that nobody wrote is not one.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let written = self.text.contains(':');
        let start = (written && self.start.is_finite()).then_some(("start", self.start));
        let end = self.end.is_finite().then_some(("end", self.end));
        start.into_iter().chain(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_guidelines() {
        for (text, ends) in [
            ("10", vec![("end", 10.0)]),
            ("10:", vec![("start", 10.0)]),
            ("~:10", vec![("end", 10.0)]),
            ("10:20", vec![("start", 10.0), ("end", 20.0)]),
            ("@10:20", vec![("start", 10.0), ("end", 20.0)]),
            (":5", vec![("start", 0.0), ("end", 5.0)]),
            ("-5:-1", vec![("start", -5.0), ("end", -1.0)]),
        ] {
            let range = Range::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(range.ends().collect::<Vec<_>>(), ends, "{text}");
        }
        for bad in ["", "@", "x", "1:x", "1e400", "~", "10:20:30"] {
            assert_eq!(Range::parse(bad), None, "{bad}");
        }
    }
}
