//! Accepted status codes: `301`, `200-204`, `2xx`.

use std::ops::RangeInclusive;

/// A set of status codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusSet(Vec<(String, RangeInclusive<u16>)>);

impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![("2xx".to_owned(), 200..=299)])
    }
}

impl StatusSet {
    /// Reads the list as written.
    ///
    /// # Errors
    /// What was expected of the first entry that is wrong, and that entry's index.
    pub(super) fn read(entries: &[String]) -> Result<Self, (usize, String)> {
        let mut ranges = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let range = read_range(entry).ok_or_else(|| {
                (index, "a status code (`301`), a range (`200-204`) or a class (`2xx`)".to_owned())
            })?;
            ranges.push((entry.trim().to_owned(), range));
        }
        Ok(Self(ranges))
    }

    /// Whether `code` is in the set.
    pub(super) fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|(_, range)| range.contains(&code))
    }

    /// As written, for messages.
    pub(super) fn describe(&self) -> String {
        let parts: Vec<&str> = self.0.iter().map(|(text, _)| text.as_str()).collect();
        parts.join(" or ")
    }
}

fn read_range(entry: &str) -> Option<RangeInclusive<u16>> {
    let entry = entry.trim();
    if let Some(class) = entry.strip_suffix("xx").or_else(|| entry.strip_suffix("XX")) {
        let class: u16 = class.parse().ok()?;
        return (1..=5).contains(&class).then(|| class * 100..=class * 100 + 99);
    }
    let (from, to) = entry.split_once('-').unwrap_or((entry, entry));
    let (from, to): (u16, u16) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to && (100..=999).contains(&from) && to <= 999).then_some(from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[&str]) -> Result<StatusSet, (usize, String)> {
        StatusSet::read(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn codes_ranges_and_classes() {
        let set = set(&["2xx", "301", "400 - 404"]).unwrap();
        for (code, inside) in [(199, false), (200, true), (299, true), (301, true), (302, false), (404, true)]
        {
            assert_eq!(set.contains(code), inside, "{code}");
        }
        assert_eq!(set.describe(), "2xx or 301 or 400 - 404");
    }

    #[test]
    fn nonsense_is_refused_with_its_index() {
        for bad in ["", "ok", "6xx", "0xx", "20", "204-200", "200-", "99-200", "xx"] {
            assert_eq!(set(&["200", bad]).unwrap_err().0, 1, "{bad}");
        }
    }
}
