//! `printf`: reads the format and hands each verb its argument.

use super::Spec;
use super::print::Printer;
use crate::limits::{Exceeded, Text};
use crate::value::Value;

/// Larger widths and precisions are refused, as Go does.
const MAX_NUMBER: i64 = 1_000_000;

/// `fmt.Sprintf`
pub(crate) fn printf(format: &str, args: &[Value], out: &mut Text) -> Result<(), Exceeded> {
    let mut reader = Reader { format, at: 0, args, next: 0, reordered: false, good: true };
    loop {
        let rest = &format[reader.at..];
        let Some(length) = rest.find('%') else {
            out.push_str(rest)?;
            break;
        };
        out.push_str(&rest[..length])?;
        reader.at += length + 1;
        if !reader.verb(out)? {
            break;
        }
    }
    reader.extra(out)
}

struct Reader<'f> {
    format: &'f str,
    at: usize,
    args: &'f [Value],
    /// The argument the next verb takes.
    next: usize,
    /// Whether an explicit index was used; then left-over arguments are not complained about.
    reordered: bool,
    /// Whether the indexes of this verb make sense.
    good: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.as_bytes().get(self.at).copied()
    }

    /// One verb, its percent sign already read. `false` when the format ended inside it.
    fn verb(&mut self, out: &mut Text) -> Result<bool, Exceeded> {
        self.good = true;
        let mut spec = self.flags();
        let mut after_index = self.index();
        after_index = self.width(&mut spec, after_index, out)?;
        // A point at the very end of the format is taken for the verb.
        if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
            self.at += 1;
            after_index = self.precision(&mut spec, after_index, out)?;
        }
        if !after_index {
            self.index();
        }
        let Some(verb) = self.format[self.at..].chars().next() else {
            out.push_str("%!(NOVERB)")?;
            return Ok(false);
        };
        self.at += verb.len_utf8();
        if verb == '%' {
            out.push('%')?;
        } else if !self.good {
            out.push_str(&format!("%!{verb}(BADINDEX)"))?;
        } else if let Some(value) = self.args.get(self.next) {
            self.next += 1;
            if matches!(verb, 'v' | 'w') {
                spec.go_syntax = std::mem::take(&mut spec.sharp);
                spec.names = std::mem::take(&mut spec.plus);
            }
            Printer::new(out, spec).argument(value, verb)?;
        } else {
            out.push_str(&format!("%!{verb}(MISSING)"))?;
        }
        Ok(true)
    }

    fn flags(&mut self) -> Spec {
        let mut spec = Spec::default();
        while let Some(flag) = self.peek() {
            match flag {
                b'#' => spec.sharp = true,
                b'0' => spec.zero = true,
                b'+' => spec.plus = true,
                b'-' => spec.minus = true,
                b' ' => spec.space = true,
                _ => break,
            }
            self.at += 1;
        }
        spec
    }

    /// A width: a number or, for `*`, an argument. Returns whether an index still applies to the verb.
    fn width(&mut self, spec: &mut Spec, after_index: bool, out: &mut Text) -> Result<bool, Exceeded> {
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.int_argument() {
                Some(width) => {
                    spec.minus |= width < 0;
                    spec.zero &= width >= 0;
                    spec.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => out.push_str("%!(BADWIDTH)")?,
            }
            return Ok(false);
        }
        spec.width = self.number();
        if after_index && spec.width.is_some() {
            self.good = false;
        }
        Ok(after_index)
    }

    /// A precision, its point already read.
    fn precision(&mut self, spec: &mut Spec, after_index: bool, out: &mut Text) -> Result<bool, Exceeded> {
        if after_index {
            self.good = false;
        }
        let after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            spec.precision = self.int_argument().and_then(|p| usize::try_from(p).ok());
            if spec.precision.is_none() {
                out.push_str("%!(BADPREC)")?;
            }
            return Ok(false);
        }
        spec.precision = Some(self.number().unwrap_or(0));
        Ok(after_index)
    }

    /// Digits at this place. A number too large ends the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let mut value: i64 = 0;
        let start = self.at;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if value > MAX_NUMBER {
                self.at = self.format.len();
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        (self.at > start).then(|| usize::try_from(value).unwrap_or(0))
    }

    /// An integer argument for `*`.
    fn int_argument(&mut self) -> Option<i64> {
        let value = self.args.get(self.next)?;
        self.next += 1;
        match value {
            Value::Int(n) | Value::Duration(n) if n.unsigned_abs() <= MAX_NUMBER.unsigned_abs() => Some(*n),
            _ => None,
        }
    }

    /// An explicit argument index, `[2]`. Returns whether a well-formed one was there.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let Some(close) = rest.find(']').filter(|_| rest.len() >= 3) else {
            self.at += 1;
            self.good = false;
            return false;
        };
        self.at += close + 1;
        let digits = &rest[1..close];
        let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse::<usize>().ok().filter(|n| valid && *n as i64 <= MAX_NUMBER * 10);
        match number {
            Some(n) if (1..=self.args.len()).contains(&n) => self.next = n - 1,
            _ => self.good = false,
        }
        number.is_some()
    }

    /// Complains about arguments no verb took.
    fn extra(&self, out: &mut Text) -> Result<(), Exceeded> {
        let left = self.args.get(self.next..).unwrap_or_default();
        if self.reordered || left.is_empty() {
            return Ok(());
        }
        out.push_str("%!(EXTRA ")?;
        for (i, value) in left.iter().enumerate() {
            out.push_str(if i > 0 { ", " } else { "" })?;
            if matches!(value, Value::Nil) {
                out.push_str("<nil>")?;
            } else {
                out.push_str(value.type_name())?;
                out.push('=')?;
                Printer::new(out, Spec::default()).argument(value, 'v')?;
            }
        }
        out.push(')')
    }
}
