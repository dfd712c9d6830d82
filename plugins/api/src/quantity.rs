//! Durations, sizes and shares as users write them.

use std::fmt::Write as _;
use std::time::Duration;

/// Units of Prometheus' durations with their milliseconds, in the order in which they may appear.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a duration in Prometheus' form: `1h30m`, `500ms`, `0`; units at most once and from large to small.
/// A fraction of one unit (`1.5s`) is accepted too, rounded to the millisecond.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if let Some(duration) = parse_fraction(text) {
        return Some(duration);
    }
    let (mut rest, mut millis, mut next_unit) = (text, 0u64, 0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let at = UNITS.iter().position(|(unit, _)| *unit == &rest[..letters])?;
        if at < next_unit {
            return None;
        }
        next_unit = at + 1;
        millis = millis.checked_add(number.checked_mul(UNITS[at].1)?)?;
        rest = &rest[letters..];
    }
    Some(Duration::from_millis(millis))
}

/// One number with a decimal point and one unit.
fn parse_fraction(text: &str) -> Option<Duration> {
    let letters = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(letters);
    if !number.contains('.') || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let total = number.parse::<f64>().ok()? * *millis as f64;
    Duration::try_from_secs_f64(total.round() / 1000.0).ok()
}

/// Writes a duration as Prometheus does: the largest units first, `0s` for nothing.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, millis) in UNITS {
        // Years and weeks only when nothing is left over, as Prometheus prints them.
        let exact_only = matches!(unit, "y" | "w" | "d");
        if rest >= millis && (!exact_only || rest.is_multiple_of(millis)) {
            let _ = write!(text, "{}{unit}", rest / millis);
            rest %= millis;
        }
    }
    text
}

/// Reads a size: a whole or decimal number with `B`, `kB`/`KB`, `MB`, `GB`, `TB` (powers of 1000), `KiB`, `MiB`,
/// `GiB`, `TiB` (powers of 1024) or no unit (bytes).
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let letters = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(letters);
    let factor: f64 = match unit {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    let total = number * factor;
    (total.is_finite() && (0.0..=9e15).contains(&total)).then_some(total.round() as u64)
}

/// Writes a size with a binary unit and one decimal.
#[must_use]
pub fn format_bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1024.0 {
            return if unit == "B" { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Reads a share: `85%` or `0.85`.
///
/// # Errors
/// What was expected.
pub fn parse_ratio(text: &str) -> Result<f64, String> {
    let expected = || "a share such as `85%` or `0.85`".to_owned();
    let ratio = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map_err(|_| expected())? / 100.0,
        None => text.trim().parse::<f64>().map_err(|_| expected())?,
    };
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("a share from 0 to 1 (0% to 100%)".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_prometheus_reads_and_writes_them() {
        for (text, millis) in
            [("1h30m", 5_400_000), ("500ms", 500), ("0", 0), ("1.5s", 1500), ("2w", 1_209_600_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "5", "m5", "30m1h", "1s1s", "-5s", "soon", "5 s", "1.s5"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(format_duration(Duration::from_millis(5_400_500)), "1h30m500ms");
        assert_eq!(format_duration(Duration::from_secs(86_400)), "1d");
        assert_eq!(format_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn sizes_and_shares() {
        assert_eq!(parse_bytes("1.5MiB"), Some(1_572_864));
        assert_eq!(parse_bytes("5GB"), Some(5_000_000_000));
        assert_eq!(parse_bytes("5 parsecs"), None);
        assert_eq!(parse_ratio("85%"), Ok(0.85));
        assert!(parse_ratio("185%").is_err() && parse_ratio("NaN").is_err());
    }
}
