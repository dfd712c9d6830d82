//! Floating point numbers as Go's `strconv.FormatFloat` and `fmt` write them.

use super::Spec;
use super::string::pad;
use crate::limits::{Exceeded, Text};

/// More digits than this behind the point are zeros in every `f64`, and Rust's formatter has a bound.
const MAX_DIGITS: usize = 1100;

/// The shortest text that reads back as the same number: `%v`.
pub(crate) fn shortest(value: f64) -> String {
    let text = format_float(value, 'g', None);
    text.strip_prefix('+').map(str::to_owned).unwrap_or(text)
}

/// A floating point verb. `false` when the verb is none for them.
pub(super) fn write(out: &mut Text, spec: &Spec, value: f64, verb: char) -> Result<bool, Exceeded> {
    let (format, default) = match verb {
        'v' => ('g', None),
        'b' | 'g' | 'G' | 'x' | 'X' => (verb, None),
        'f' | 'e' | 'E' => (verb, Some(6)),
        'F' => ('f', Some(6)),
        _ => return Ok(false),
    };
    let precision = spec.precision.or(default);
    let unsigned = format_float(value.abs(), format, precision);
    let negative = value.is_sign_negative() && !value.is_nan();
    let sign = match (negative, spec.plus, spec.space) {
        (true, _, _) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    if !value.is_finite() {
        // Not a number to pad with zeros; infinity shows its sign only when asked to, as any number.
        let spaces = Spec { zero: false, ..*spec };
        let text = unsigned.trim_start_matches('+');
        let sign = if value.is_infinite() && !negative && sign.is_empty() { "+" } else { sign };
        pad(out, &spaces, &format!("{sign}{text}"))?;
        return Ok(true);
    }
    let number =
        if spec.sharp && format != 'b' { with_point(&unsigned, format, precision) } else { unsigned };
    match spec.width {
        Some(width) if spec.zero && !spec.minus && !sign.is_empty() => {
            out.push_str(sign)?;
            out.fill('0', width.saturating_sub(number.len() + sign.len()))?;
            out.push_str(&number)?;
        }
        _ => pad(out, spec, &format!("{sign}{number}"))?,
    }
    Ok(true)
}

/// `%#g`: a decimal point always, trailing zeros kept.
fn with_point(number: &str, format: char, precision: Option<usize>) -> String {
    let mut wanted = match format {
        'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let marks: &[char] = if matches!(format, 'x' | 'X') { &['p', 'P'] } else { &['e', 'E'] };
    let (mantissa, tail) = number.split_at(number.find(marks).unwrap_or(number.len()));
    let digits = mantissa.chars().filter(|c| *c != '.').skip_while(|c| *c == '0').count();
    wanted = wanted.saturating_sub(digits);
    let mut text = mantissa.to_owned();
    if !mantissa.contains('.') {
        if mantissa == "0" {
            wanted = wanted.saturating_sub(1);
        }
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', wanted.min(MAX_DIGITS)));
    text + tail
}

/// `strconv.FormatFloat(value, format, precision, 64)`; no precision is the shortest that reads back.
fn format_float(value: f64, format: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let size = value.abs();
    let text = match format {
        'f' => fixed(size, precision),
        'e' | 'E' => {
            exponential(&Digits::of(size, precision.map(|p| p.saturating_add(1))), format, precision)
        }
        'g' | 'G' => general(size, format, precision),
        'b' => binary(size),
        _ => hexadecimal(size, format, precision),
    };
    format!("{sign}{text}")
}

/// A number's decimal digits `d1 d2 d3 …`, without trailing zeros, standing for `0.d1d2d3… × 10^point`.
struct Digits {
    digits: String,
    point: i32,
}

impl Digits {
    /// Rounded to `count` digits, or as few as read back as the same number.
    fn of(size: f64, count: Option<usize>) -> Self {
        let text = match count {
            Some(count) => format!("{:.*e}", count.clamp(1, MAX_DIGITS) - 1, size),
            None => format!("{size:e}"),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
        let digits = digits.trim_end_matches('0').to_owned();
        // Zero has no digits and stands at the point.
        let point = if digits.is_empty() { 0 } else { exponent.parse::<i32>().unwrap_or(0) + 1 };
        Self { digits, point }
    }
}

fn fixed(size: f64, precision: Option<usize>) -> String {
    match precision {
        Some(precision) => {
            let exact = precision.min(MAX_DIGITS);
            let mut text = format!("{size:.exact$}");
            text.extend(std::iter::repeat_n('0', precision - exact));
            text
        }
        None => format!("{size}"),
    }
}

/// `d.ddde±dd`
fn exponential(digits: &Digits, format: char, precision: Option<usize>) -> String {
    let mut mantissa = digits.digits.clone();
    if mantissa.is_empty() {
        mantissa.push('0');
    }
    let behind = precision.unwrap_or(mantissa.len() - 1);
    mantissa.extend(std::iter::repeat_n('0', (behind + 1).saturating_sub(mantissa.len())));
    if behind > 0 {
        mantissa.insert(1, '.');
    }
    let exponent = if digits.digits.is_empty() { 0 } else { digits.point - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{format}{sign}{:02}", exponent.unsigned_abs())
}

/// `%g`: exponential for large exponents, fixed otherwise.
fn general(size: f64, format: char, precision: Option<usize>) -> String {
    let digits = Digits::of(size, precision.map(|p| p.max(1)));
    let count = i32::try_from(digits.digits.len()).unwrap_or(i32::MAX);
    let threshold = match precision {
        None => 6,
        Some(precision) => {
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            // All digits there are suffice for the integer part: no reason for an exponent before that.
            if precision > count && count >= digits.point { count } else { precision }
        }
    };
    let exponent = digits.point - 1;
    if exponent < -4 || exponent >= threshold {
        let letter = if format == 'G' { 'E' } else { 'e' };
        return exponential(&digits, letter, None);
    }
    plain(&digits)
}

/// Digits with the point among them and no exponent.
fn plain(digits: &Digits) -> String {
    if digits.digits.is_empty() {
        return "0".to_owned();
    }
    match usize::try_from(digits.point) {
        Ok(0) | Err(_) => {
            let zeros = "0".repeat(digits.point.unsigned_abs() as usize);
            format!("0.{zeros}{}", digits.digits)
        }
        Ok(point) if point >= digits.digits.len() => {
            format!("{}{}", digits.digits, "0".repeat(point - digits.digits.len()))
        }
        Ok(point) => {
            let (whole, fraction) = digits.digits.split_at(point);
            format!("{whole}.{fraction}")
        }
    }
}

/// The bits of a float's mantissa, below the implied one.
const MANTISSA_BITS: u32 = 52;

/// Mantissa as an integer and the binary exponent of its last bit.
fn parts(size: f64) -> (u64, i32) {
    let bits = size.to_bits();
    let biased = ((bits >> MANTISSA_BITS) & 0x7ff) as i32;
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    match biased {
        0 => (fraction, -1074),
        _ => (fraction | 1 << MANTISSA_BITS, biased - 1075),
    }
}

/// `%b`: `4503599627370496p-52`
fn binary(size: f64) -> String {
    let (mantissa, exponent) = parts(size);
    format!("{mantissa}p{exponent:+}")
}

/// `%x`: `0x1.8p+01`
fn hexadecimal(size: f64, format: char, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(size);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // One bit before the point, 60 behind it.
        let shift = mantissa.leading_zeros().saturating_sub(3);
        mantissa <<= shift;
        exponent += 60 - i32::try_from(shift).unwrap_or(0);
    }
    if let Some(precision) = precision.filter(|p| *p < 15) {
        let cut = 4 * (15 - u32::try_from(precision).unwrap_or(15));
        let (half, kept) = (1_u64 << (cut - 1), mantissa >> cut);
        let rest = mantissa & ((1 << cut) - 1);
        let up = rest > half || (rest == half && kept & 1 == 1);
        mantissa = (kept + u64::from(up)) << cut;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(precision) => {
            let mut digits: String = fraction.chars().take(precision).collect();
            digits.extend(std::iter::repeat_n('0', precision.min(MAX_DIGITS).saturating_sub(digits.len())));
            digits
        }
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> 60, exponent.unsigned_abs());
    if format == 'X' { text.to_uppercase() } else { text }
}

/// `%.{precision}g`
pub(crate) fn general_text(value: f64, precision: usize) -> String {
    format_float(value, 'g', Some(precision))
}
