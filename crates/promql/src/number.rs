//! Numbers as Go reads and prints them: in queries, in printed expressions and in the API's answers.

/// Why a text is not a number, in the words of Go's `strconv.ParseFloat`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not of the form of a number.
    #[error("strconv.ParseFloat: parsing {}: invalid syntax", crate::quote::quote(.0))]
    Syntax(String),
    /// Larger than any finite number.
    #[error("strconv.ParseFloat: parsing {}: value out of range", crate::quote::quote(.0))]
    Range(String),
}

/// Reads a number of the query language: decimal, hexadecimal (`0x`), octal (`0o`, leading `0`), binary
/// (`0b`), `Inf`, `NaN`, digits separated by `_`.
///
/// # Errors
/// See [`NumberError`].
pub fn parse_number(text: &str) -> Result<f64, NumberError> {
    let syntax = || NumberError::Syntax(text.to_owned());
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.starts_with(['+', '-']) {
        return Err(syntax());
    }
    if let Some(integer) = parse_integer(digits) {
        return Ok(if negative { -integer } else { integer });
    }
    let lower = digits.to_ascii_lowercase();
    let value = match lower.as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" if text.len() == 3 => f64::NAN,
        _ => {
            let plain = without_underscores(&lower).ok_or_else(syntax)?;
            let shaped = plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
            let value: f64 = if shaped { plain.parse().map_err(|_| syntax())? } else { return Err(syntax()) };
            if value.is_infinite() {
                return Err(NumberError::Range(text.to_owned()));
            }
            value
        }
    };
    Ok(if negative { -value } else { value })
}

/// Reads a number as Go's `strconv.ParseFloat` does: like [`parse_number`], but only decimal.
#[must_use]
pub fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    if unsigned.starts_with(['+', '-']) {
        return None;
    }
    let value = match lower.as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" if text.len() == 3 => f64::NAN,
        _ => {
            let shaped = lower.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
            lower.parse().ok().filter(|value: &f64| shaped && value.is_finite())?
        }
    };
    Some(if text.starts_with('-') { -value } else { value })
}

/// A whole number with an optional prefix for its base, if it fits 64 bits.
fn parse_integer(digits: &str) -> Option<f64> {
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    // A separator may stand right after a prefix.
    let body = if radix == 10 { body } else { body.strip_prefix('_').unwrap_or(body) };
    let plain = without_underscores(body)?;
    if plain.is_empty() || plain.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&plain, radix).ok().map(|integer| integer as f64)
}

/// The text without `_`, which may only stand between two digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let between = |at: usize| {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        at > 0 && digit(at - 1) && digit(at + 1)
    };
    let fine = (0..bytes.len()).all(|at| bytes[at] != b'_' || between(at));
    fine.then(|| text.replace('_', ""))
}

/// A value as the HTTP API writes it: shortest digits that read back the same, an exponent only below 1e-6
/// or from 1e21 on, `NaN`, `+Inf`, `-Inf`.
#[must_use]
pub fn format_value(value: f64) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// Appends what [`format_value`] gives.
pub fn write_value(out: &mut String, value: f64) {
    use std::fmt::Write;
    let magnitude = value.abs();
    if !value.is_finite() {
        out.push_str(special(value));
    } else if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        out.push_str(&go_exponent(value));
    } else {
        // Writing to a string cannot fail.
        let _ = write!(out, "{value}");
    }
}

/// A value as Go's `%f`-like shortest form: never an exponent (`strconv.FormatFloat(v, 'f', -1, 64)`).
#[must_use]
pub fn go_shortest_fixed(value: f64) -> String {
    if value.is_finite() { format!("{value}") } else { special(value).to_owned() }
}

/// A value with a fixed number of decimals (`%.3f`).
#[must_use]
pub fn go_fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { special(value).to_owned() }
}

/// The shortest form Go chooses for `%g` and `%v`: an exponent below 1e-4 or from 1e21 on.
#[must_use]
pub fn go_shortest(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return special(value).to_owned();
    }
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        go_exponent(value)
    } else {
        format!("{value}")
    }
}

/// `1e-07`, `1.5e+21`: at least two digits in the exponent (`strconv.FormatFloat(v, 'e', -1, 64)`).
#[must_use]
pub fn go_exponent(value: f64) -> String {
    if !value.is_finite() {
        return special(value).to_owned();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn special(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, value) in [
            ("1", 1.0),
            ("017", 15.0),
            ("08", 8.0),
            ("0x1F", 31.0),
            ("0x_1f", 31.0),
            ("0b101", 5.0),
            ("0o17", 15.0),
            ("1_000", 1000.0),
            ("1_000.5e1", 10005.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("Inf", f64::INFINITY),
            ("-iNf", f64::NEG_INFINITY),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
        ] {
            assert_eq!(parse_number(text), Ok(value), "{text}");
        }
        assert!(parse_number("NaN").unwrap().is_nan());
        for bad in ["", "_1", "1_", "1__0", "1e", "0x", "1x", "e1", "--1", "infinit"] {
            assert!(parse_number(bad).is_err(), "{bad}");
        }
        assert!(matches!(parse_number("1e999"), Err(NumberError::Range(_))));
    }

    #[test]
    fn writes_what_the_api_writes() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (1.25e21, "1.25e+21"),
            (1e20, "100000000000000000000"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(format_value(value), text);
        }
        assert_eq!(go_exponent(1.0), "1e+00");
        assert_eq!(go_shortest(0.00001), "1e-05");
    }
}
