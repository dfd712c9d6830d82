//! Numeric constants. Go keeps a constant under every type that can hold it exactly and lets its use decide;
//! so does this.

use crate::fmt::quoted;
use crate::parse::unquote::unquote_char;

/// A numeric constant as every type that can hold it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Number {
    pub(crate) written: Box<str>,
    pub(crate) int: Option<i64>,
    /// Also set for integers that only fit without a sign.
    pub(crate) float: Option<f64>,
    /// Whether the syntax says floating point, for use where nothing else decides.
    pub(crate) looks_float: bool,
}

impl Number {
    /// A character constant, quotes included.
    pub(crate) fn from_char(written: &str) -> Result<Self, String> {
        let inner = written.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).ok_or("invalid syntax")?;
        let (value, rest) = unquote_char(inner, '\'').ok_or("invalid syntax")?;
        if !rest.is_empty() {
            return Err(format!("malformed character constant: {written}"));
        }
        let int = i64::from(value.code());
        Ok(Self { written: written.into(), int: Some(int), float: Some(int as f64), looks_float: false })
    }

    /// A number in Go's syntax, without an imaginary part.
    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        if written.ends_with('i') && !is_hex(written) {
            return Err(format!("complex numbers are not supported: {}", quoted(written)));
        }
        let looks_float = !is_hex_int(written) && written.contains(['.', 'e', 'E', 'p', 'P']);
        let (int, float) = match parse_int(written) {
            Some(wide) => (i64::try_from(wide).ok(), Some(wide as f64)),
            None => {
                let float = parse_float(written)
                    .ok_or_else(|| format!("illegal number syntax: {}", quoted(written)))?;
                if !written.contains(['.', 'e', 'E', 'p', 'P']) {
                    return Err(format!("integer overflow: {}", quoted(written)));
                }
                (whole(float), Some(float))
            }
        };
        Ok(Self { written: written.into(), int, float, looks_float })
    }
}

fn is_hex(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with("0x") || digits.starts_with("0X")
}

/// Go only looks for the prefix at the very start, so a signed one is not a hexadecimal integer to it.
fn is_hex_int(text: &str) -> bool {
    text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P'])
}

/// An integer in any of Go's bases; wider than 64 bits is no integer.
fn parse_int(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // An underscore may follow a prefix.
    let digits = if radix == 10 { digits } else { digits.strip_prefix('_').unwrap_or(digits) };
    let value = i128::from_str_radix(&without_underscores(digits)?, radix).ok().filter(|v| *v >= 0)?;
    let signed = if negative { -value } else { value };
    let fits = if text.starts_with(['+', '-']) {
        i64::try_from(signed).is_ok()
    } else {
        u64::try_from(signed).is_ok()
    };
    fits.then_some(signed)
}

/// `None` unless every underscore stands between two digits.
fn without_underscores(digits: &str) -> Option<String> {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    let signed = digits.starts_with(['+', '-']);
    (!misplaced && !signed && !digits.is_empty()).then(|| digits.replace('_', ""))
}

fn parse_float(text: &str) -> Option<f64> {
    if is_hex(text) {
        return parse_hex_float(text);
    }
    let bytes = text.as_bytes();
    let lonely = |i: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        !digit(i.checked_sub(1)) || !digit(Some(i + 1))
    };
    if bytes.iter().enumerate().any(|(i, b)| *b == b'_' && lonely(i)) {
        return None;
    }
    let plain = text.replace('_', "");
    if !plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e' | b'E')) {
        return None;
    }
    // Go refuses a constant that rounds to infinity.
    plain.parse().ok().filter(|v: &f64| v.is_finite())
}

/// `0x1.8p3`: a hexadecimal mantissa and a binary exponent, which must be there.
fn parse_hex_float(text: &str) -> Option<f64> {
    let negative = text.starts_with('-');
    let body = text.trim_start_matches(['+', '-']).get(2..)?.replace('_', "");
    let (mantissa, exponent) = body.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    // Two steps, so that a small result is not lost to an intermediate zero.
    let half = shift / 2;
    let value = value * 2.0_f64.powi(half) * 2.0_f64.powi(shift - half);
    value.is_finite().then_some(if negative { -value } else { value })
}

/// The integer a float equals, if it equals one that fits.
fn whole(float: f64) -> Option<i64> {
    let int = float as i64;
    (int as f64 == float && int != i64::MAX).then_some(int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_every_base() {
        for (text, want) in [
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("0x1F", 31),
            ("-0xff", -255),
            ("0b101", 5),
            ("0o17", 15),
            ("017", 15),
            ("1_000", 1000),
            ("0x_ff", 255),
            ("1e3", 1000),
        ] {
            assert_eq!(Number::parse(text).map(|n| n.int), Ok(Some(want)), "{text}");
        }
        assert_eq!(Number::parse("18446744073709551615").map(|n| n.int), Ok(None));
    }

    #[test]
    fn floats_and_refusals() {
        for (text, want) in [("1.5", 1.5), (".5", 0.5), ("1e-3", 0.001), ("0x1.8p1", 3.0), ("1_0.5", 10.5)] {
            assert_eq!(Number::parse(text).map(|n| n.float), Ok(Some(want)), "{text}");
        }
        for text in ["089", "1__0", "0x", "1_", "18446744073709551616", "1e999", "1i", "."] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
    }
}
