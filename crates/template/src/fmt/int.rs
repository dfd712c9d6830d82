//! Integers in every base, and as characters.

use super::Spec;
use super::string::{is_printable, pad, quote};
use crate::limits::{Exceeded, Text};

/// An integer verb. `false` when the verb is none for integers.
pub(super) fn write(out: &mut Text, spec: &Spec, value: i64, verb: char) -> Result<bool, Exceeded> {
    match verb {
        'v' | 'd' => digits(out, spec, value, verb, value.unsigned_abs().to_string())?,
        'b' => digits(out, spec, value, verb, format!("{:b}", value.unsigned_abs()))?,
        'o' | 'O' => digits(out, spec, value, verb, format!("{:o}", value.unsigned_abs()))?,
        'x' => digits(out, spec, value, verb, format!("{:x}", value.unsigned_abs()))?,
        'X' => digits(out, spec, value, verb, format!("{:X}", value.unsigned_abs()))?,
        'c' => pad(out, spec, character(value).encode_utf8(&mut [0; 4]))?,
        'q' => pad(out, spec, &quote(character(value).encode_utf8(&mut [0; 4]), '\'', spec.plus))?,
        'U' => unicode(out, spec, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// The character of a code point; what is none becomes U+FFFD.
fn character(value: i64) -> char {
    u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `U+0041`, with `#` also `'A'`.
fn unicode(out: &mut Text, spec: &Spec, value: i64) -> Result<(), Exceeded> {
    // A negative number shows the bits it has.
    let mut text = format!("U+{:01$X}", value as u64, precision(spec).max(4));
    let shown = u32::try_from(value).ok().and_then(char::from_u32).filter(|c| is_printable(*c));
    if let Some(c) = shown.filter(|_| spec.sharp) {
        text.push_str(&format!(" '{c}'"));
    }
    let spaces = Spec { zero: false, ..*spec };
    pad(out, &spaces, &text)
}

/// Rust's formatter takes no larger width; longer zeros are written by [`zeros`].
fn precision(spec: &Spec) -> usize {
    spec.precision.unwrap_or(0).min(usize::from(u16::MAX))
}

/// Sign, prefix and leading zeros around `digits`, then the padding.
fn digits(out: &mut Text, spec: &Spec, value: i64, verb: char, digits: String) -> Result<(), Exceeded> {
    let spaces = Spec { zero: false, ..*spec };
    let sign = match (value < 0, spec.plus, spec.space) {
        (true, _, _) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let wanted = match (spec.precision, spec.width) {
        (Some(0), width) if value == 0 => return out.fill(' ', width.unwrap_or(0)),
        (Some(precision), _) => precision,
        // Zero padding is allowed only to the left, and leaves room for the sign.
        (None, Some(width)) if spec.zero && !spec.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let zeros = zeros(out, wanted.saturating_sub(digits.len()))?;
    let prefix = match verb {
        'O' if spec.sharp && !digits.starts_with('0') && zeros.is_empty() => "0o0",
        'O' => "0o",
        _ if !spec.sharp => "",
        'b' => "0b",
        'o' if digits.starts_with('0') || !zeros.is_empty() => "",
        'o' => "0",
        'x' => "0x",
        'X' => "0X",
        _ => "",
    };
    pad(out, &spaces, &format!("{sign}{prefix}{zeros}{digits}"))
}

/// That many zeros, if there could be room for them.
fn zeros(out: &Text, count: usize) -> Result<String, Exceeded> {
    let mut zeros = Text::new(out.room());
    zeros.fill('0', count)?;
    Ok(zeros.into_string())
}
