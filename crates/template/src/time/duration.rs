//! Durations: Go's text form, and Prometheus' `1d2h3m`.

use crate::fmt::quoted;

/// Nanoseconds as seconds, as Go's `Duration.Seconds` rounds them.
pub(crate) fn seconds(nanos: i64) -> f64 {
    in_units(nanos, 1_000_000_000)
}

/// Nanoseconds in a larger unit: whole units and the rest apart, so that precision is kept.
pub(super) fn in_units(nanos: i64, unit: i64) -> f64 {
    (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64
}

/// `1h2m3.5s`, `1.5ms`, `0s`
pub(crate) fn to_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let text = match size {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{size}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(size, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(size, 1_000_000)),
        _ => {
            let minutes = size / 60_000_000_000;
            let rest = format!("{}s", fraction(size % 60_000_000_000, 1_000_000_000));
            match (minutes / 60, minutes % 60) {
                (0, 0) => rest,
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    };
    format!("{sign}{text}")
}

/// A decimal number of units without trailing zeros.
fn fraction(size: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", size / unit, size % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Units of Prometheus' durations, largest first, in milliseconds; they must come in this order.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// `1d2h`, `-5m`, `0` in seconds.
pub(crate) fn parse_prometheus_duration(text: &str) -> Result<f64, String> {
    let (sign, body) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    match body {
        "0" => return Ok(0.0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let invalid = || format!("not a valid duration string: {}", quoted(body));
    let mut rest = body;
    let mut smaller = &UNITS[..];
    let mut millis: i64 = 0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, tail) = tail.split_at(tail.bytes().take_while(|b| !b.is_ascii_digit()).count());
        if number.is_empty() || unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(format!("unknown unit {} in duration {}", quoted(unit), quoted(body)));
        }
        // Each unit at most once, from large to small.
        let at = smaller.iter().position(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let part = i64::try_from(number).ok().and_then(|n| n.checked_mul(smaller[at].1));
        // Go's durations are nanoseconds in 64 bits.
        let sum = part.and_then(|part| millis.checked_add(part)).filter(|sum| *sum <= i64::MAX / 1_000_000);
        millis = sum.ok_or("duration out of range")?;
        smaller = &smaller[at + 1..];
        rest = tail;
    }
    Ok(sign * (millis * 1_000_000) as f64 / 1e9)
}
