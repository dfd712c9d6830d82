//! Durations as PromQL writes them: `1h30m`, `5m`, `250ms`.
//!
//! Units are `y` (365 days), `w`, `d`, `h`, `m`, `s`, `ms`, each at most once and in that order, as
//! Prometheus' configuration and query language define them.

use std::time::Duration;

/// Units from large to small, with their length in milliseconds and whether printing may use them only when
/// they divide the duration evenly (a year or a week that does not fit is printed in smaller units).
const UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * 24 * 3600 * 1000, true),
    ("w", 7 * 24 * 3600 * 1000, true),
    ("d", 24 * 3600 * 1000, false),
    ("h", 3600 * 1000, false),
    ("m", 60 * 1000, false),
    ("s", 1000, false),
    ("ms", 1, false),
];

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was written.
    #[error("empty duration string")]
    Empty,
    /// Not of the form described above.
    #[error("not a valid duration string: {}", crate::quote::quote(.0))]
    Invalid(String),
    /// A unit that does not exist.
    #[error("unknown unit {} in duration {}", crate::quote::quote(.unit), crate::quote::quote(.text))]
    UnknownUnit {
        /// What stands where a unit should.
        unit: String,
        /// The whole duration.
        text: String,
    },
    /// Longer than about 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

/// The longest duration: what Prometheus can hold, 2^63 - 1 nanoseconds.
const MAX_MILLIS: u64 = i64::MAX as u64 / 1_000_000;

/// Reads a PromQL duration. `0` needs no unit.
///
/// # Errors
/// See [`DurationError`].
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let invalid = || DurationError::Invalid(text.to_owned());
    let (mut rest, mut units, mut millis) = (text, &UNITS[..], 0u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() || unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, ..)| *name == unit) {
            return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
        }
        let at = units.iter().position(|(name, ..)| *name == unit).ok_or_else(invalid)?;
        let count: u64 = number.parse().map_err(|_| DurationError::OutOfRange)?;
        millis = count
            .checked_mul(units[at].1)
            .and_then(|part| millis.checked_add(part))
            .filter(|sum| *sum <= MAX_MILLIS)
            .ok_or(DurationError::OutOfRange)?;
        units = &units[at + 1..];
        rest = after;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration as Prometheus prints it: `0s`, `1h30m`, `1d12h`; parts below a millisecond are dropped.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, length, exact) in UNITS {
        if exact && !millis.is_multiple_of(length) {
            continue;
        }
        let count = millis / length;
        if count > 0 {
            out.push_str(&count.to_string());
            out.push_str(unit);
            millis -= count * length;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in ["0s", "324ms", "3s", "5m", "1h", "4d", "4d1h", "14d", "3w", "3w2d1h", "10y", "1m30s"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{text}");
        }
        assert_eq!(format_duration(parse_duration("14d").unwrap()), "2w");
        assert_eq!(format_duration(parse_duration("3w2d1h").unwrap()), "23d1h");
        assert_eq!(format_duration(parse_duration("8w2d").unwrap()), "58d");
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for bad in ["1", "1y1m1d", "-1w", "1.5d", "d", "294y", "200y10400w", "107675d", "2584200h", ""] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("1x").unwrap_err().to_string(), "unknown unit \"x\" in duration \"1x\"");
        assert_eq!(parse_duration("1m1h").unwrap_err().to_string(), "not a valid duration string: \"1m1h\"");
    }
}
