//! Numbers for people: Prometheus' `humanize` family.

use super::CallError;
use crate::fmt::shortest;
use crate::time::Moment;
use crate::value::Value;

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

/// A number, a string that holds one, or a duration in seconds.
pub(super) fn to_float(value: &Value) -> Result<f64, CallError> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Duration(nanos) => Ok(crate::time::seconds(*nanos)),
        Value::Str(text) => parse_float(text).ok_or_else(|| {
            format!("strconv.ParseFloat: parsing {}: invalid syntax", crate::fmt::quoted(text)).into()
        }),
        other => Err(format!("can't convert {} to float", other.type_name()).into()),
    }
}

/// Go's spelling of numbers; what is too large is infinite there and an error to its callers.
fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let special = matches!(unsigned.to_ascii_lowercase().as_str(), "inf" | "infinity" | "nan");
    let plain = unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let number = text.parse::<f64>().ok().filter(|_| special || plain)?;
    (special || number.is_finite()).then_some(number)
}

/// `%.4g`
fn four(value: f64) -> String {
    crate::fmt::general_text(value, 4)
}

/// `1234567` as `1.235M`
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four(value);
    }
    if value.abs() >= 1.0 { scaled(value, 1000.0, &LARGE) } else { small(value) }
}

/// `1048576` as `1Mi`
pub(super) fn humanize1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four(value);
    }
    scaled(value, 1024.0, &BINARY)
}

fn scaled(mut value: f64, base: f64, prefixes: &[&str]) -> String {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < base {
            break;
        }
        prefix = next;
        value /= base;
    }
    four(value) + prefix
}

fn small(mut value: f64) -> String {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    four(value) + prefix
}

/// `899.99` as `14m 59s`; under a second with four digits and a prefix.
pub(super) fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return four(value);
    }
    if value == 0.0 || value.abs() < 1.0 {
        let number = if value == 0.0 { four(value) } else { small(value) };
        return number + "s";
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    // What does not fit becomes the smallest integer, as on the processors Prometheus mostly runs on.
    let whole = if size < i64::MAX as f64 { size as i64 } else { i64::MIN };
    let (days, hours, minutes, seconds) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four(size))
    }
}

/// `0.1234` as `12.34%`
pub(super) fn humanize_percentage(value: f64) -> String {
    four(value * 100.0) + "%"
}

/// Unix seconds as a date.
pub(super) fn humanize_timestamp(value: f64) -> Result<String, CallError> {
    if !value.is_finite() {
        return Ok(four(value));
    }
    Ok(to_time(value)?.to_string())
}

/// Unix seconds as a time in UTC.
pub(super) fn to_time(value: f64) -> Result<Moment, CallError> {
    if !value.is_finite() {
        return Err("value is NaN or Inf".into());
    }
    let nanos = value * 1e9;
    if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
        return Err(format!(
            "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
            shortest(value)
        )
        .into());
    }
    // Prometheus' times have milliseconds, rounded toward zero.
    Ok(Moment::from_timestamp(breakwatch_model::Timestamp((nanos as i64) / 1_000_000)))
}
