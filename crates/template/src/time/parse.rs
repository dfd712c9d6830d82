//! Reads times by Go's layouts: `toDate` and `mustToDate`.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::layout::{DAYS, MONTHS, OffsetForm, Piece, next_piece};
use super::{Moment, Zone};
use crate::fmt::quoted;

/// What the pieces of a layout have set so far.
#[derive(Default)]
struct Fields {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    pm: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    offset: Option<i32>,
    zone_name: Option<String>,
}

/// What a piece made of the text: the rest of it, or why not.
enum Fault {
    /// It does not fit the piece.
    Mismatch,
    /// A number outside of its range.
    Range(&'static str),
}

type Parsed<'t> = Result<&'t str, Fault>;

pub(super) fn parse(layout: &str, text: &str) -> Result<Moment, String> {
    let mut fields = Fields::default();
    let (mut pattern, mut rest) = (layout, text);
    loop {
        let (literal, piece, tail) = next_piece(pattern);
        let cannot = |what: &str, left: &str| {
            format!(
                "parsing time {} as {}: cannot parse {} as {}",
                quoted(text),
                quoted(layout),
                quoted(left),
                quoted(what)
            )
        };
        rest = skip(rest, literal).map_err(|left| cannot(literal, left))?;
        let Some((piece, spelled)) = piece else {
            if !rest.is_empty() {
                return Err(format!("parsing time {}: extra text: {}", quoted(text), quoted(rest)));
            }
            break;
        };
        rest = match fields.read(piece, rest, tail) {
            Ok(after) => after,
            Err(Fault::Mismatch) => return Err(cannot(spelled, rest)),
            Err(Fault::Range(what)) => {
                return Err(format!("parsing time {}: {what} out of range", quoted(text)));
            }
        };
        pattern = tail;
    }
    fields.finish().map_err(|what| format!("parsing time {}: {what} out of range", quoted(text)))
}

/// Steps over the text between two pieces; any run of spaces fits any other. The error is where they part.
fn skip<'t>(mut text: &'t str, mut literal: &str) -> Result<&'t str, &'t str> {
    while let Some(c) = literal.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(text);
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c).ok_or(text)?;
        literal = &literal[c.len_utf8()..];
    }
    Ok(text)
}

/// Between `least` and `most` digits.
fn number(text: &str, least: usize, most: usize) -> Result<(i32, &str), Fault> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return Err(Fault::Mismatch);
    }
    Ok((text[..digits].parse().map_err(|_| Fault::Mismatch)?, &text[digits..]))
}

/// A number within its range, as the small type calendars use.
fn ranged<'t>(
    text: &'t str,
    digits: (usize, usize),
    range: std::ops::RangeInclusive<i32>,
    what: &'static str,
) -> Result<(i8, &'t str), Fault> {
    let (value, rest) = number(text, digits.0, digits.1)?;
    let value = Some(value).filter(|v| range.contains(v)).and_then(|v| i8::try_from(v).ok());
    Ok((value.ok_or(Fault::Range(what))?, rest))
}

/// One of some names, in any case, perhaps by its first letters.
fn name<'t>(text: &'t str, names: &[&str], letters: usize) -> Result<(i8, &'t str), Fault> {
    for (i, name) in names.iter().enumerate() {
        let name = &name[..letters.min(name.len())];
        let head = text.get(..name.len());
        if head.is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            return Ok((i8::try_from(i).unwrap_or(0), &text[name.len()..]));
        }
    }
    Err(Fault::Mismatch)
}

impl Fields {
    fn read<'t>(&mut self, piece: Piece, text: &'t str, tail: &str) -> Parsed<'t> {
        const WHOLE: usize = usize::MAX;
        match piece {
            Piece::LongYear => {
                let (year, rest) = number(text, 4, 4)?;
                self.year = i16::try_from(year).unwrap_or(0);
                Ok(rest)
            }
            Piece::Year => {
                let (year, rest) = number(text, 2, 2)?;
                // As Unix reads two digits: 69 is 1969.
                self.year = i16::try_from(year).unwrap_or(0) + if year >= 69 { 1900 } else { 2000 };
                Ok(rest)
            }
            Piece::Month | Piece::LongMonth => {
                let (index, rest) = name(text, &MONTHS, if piece == Piece::Month { 3 } else { WHOLE })?;
                self.month = Some(index + 1);
                Ok(rest)
            }
            Piece::Weekday => Ok(name(text, &DAYS, 3)?.1),
            Piece::LongWeekday => Ok(name(text, &DAYS, WHOLE)?.1),
            Piece::NumMonth => Self::set(&mut self.month, ranged(text, (1, 2), 1..=12, "month")?),
            Piece::ZeroMonth => Self::set(&mut self.month, ranged(text, (2, 2), 1..=12, "month")?),
            Piece::Day => Self::set(&mut self.day, ranged(text, (1, 2), 0..=99, "day")?),
            Piece::UnderDay => {
                let text = text.strip_prefix(' ').unwrap_or(text);
                Self::set(&mut self.day, ranged(text, (1, 2), 0..=99, "day")?)
            }
            Piece::ZeroDay => Self::set(&mut self.day, ranged(text, (2, 2), 0..=99, "day")?),
            Piece::UnderYearDay | Piece::ZeroYearDay => {
                let padded = piece == Piece::UnderYearDay;
                let text = if padded { text.trim_start_matches(' ') } else { text };
                let (day, rest) = number(text, if padded { 1 } else { 3 }, 3)?;
                self.year_day = i16::try_from(day).ok();
                Ok(rest)
            }
            Piece::Hour => Self::put(&mut self.hour, ranged(text, (1, 2), 0..=23, "hour")?),
            Piece::Hour12 => Self::put(&mut self.hour, ranged(text, (1, 2), 0..=12, "hour")?),
            Piece::ZeroHour12 => Self::put(&mut self.hour, ranged(text, (2, 2), 0..=12, "hour")?),
            Piece::Minute => Self::put(&mut self.minute, ranged(text, (1, 2), 0..=59, "minute")?),
            Piece::ZeroMinute => Self::put(&mut self.minute, ranged(text, (2, 2), 0..=59, "minute")?),
            Piece::Second => self.second(text, 1, tail),
            Piece::ZeroSecond => self.second(text, 2, tail),
            Piece::UpperPm | Piece::LowerPm => self.half(text, piece == Piece::UpperPm),
            Piece::Offset { z, form } => self.offset(text, z, form),
            Piece::ZoneName => self.zone_name(text),
            Piece::Fraction { digits, nines } => self.fraction(text, digits, nines),
        }
    }

    fn set<'t>(field: &mut Option<i8>, (value, rest): (i8, &'t str)) -> Parsed<'t> {
        *field = Some(value);
        Ok(rest)
    }

    fn put<'t>(field: &mut i8, (value, rest): (i8, &'t str)) -> Parsed<'t> {
        *field = value;
        Ok(rest)
    }

    /// Seconds, and a fraction the layout does not name but the text has.
    fn second<'t>(&mut self, text: &'t str, least: usize, tail: &str) -> Parsed<'t> {
        let (second, rest) = ranged(text, (least, 2), 0..=59, "second")?;
        self.second = second;
        let digits = rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        let named = matches!(next_piece(tail), ("", Some((Piece::Fraction { .. }, _)), _));
        if named || !rest.starts_with(['.', ',']) || digits == 0 {
            return Ok(rest);
        }
        self.fraction(rest, digits, false)
    }

    fn fraction<'t>(&mut self, text: &'t str, digits: usize, nines: bool) -> Parsed<'t> {
        let present = text.starts_with(['.', ',']) && text.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if nines && !present {
            return Ok(text);
        }
        let digits = if nines { text.bytes().skip(1).take_while(u8::is_ascii_digit).count() } else { digits };
        let shown = text.get(1..=digits).filter(|d| present && d.bytes().all(|b| b.is_ascii_digit()));
        let nanos: String =
            shown.ok_or(Fault::Mismatch)?.chars().chain("000000000".chars()).take(9).collect();
        self.nanos = nanos.parse().map_err(|_| Fault::Mismatch)?;
        Ok(&text[1 + digits..])
    }

    fn half<'t>(&mut self, text: &'t str, upper: bool) -> Parsed<'t> {
        let (am, pm) = if upper { ("AM", "PM") } else { ("am", "pm") };
        self.pm = Some(text.starts_with(pm));
        text.strip_prefix(am).or_else(|| text.strip_prefix(pm)).ok_or(Fault::Mismatch)
    }

    fn offset<'t>(&mut self, text: &'t str, z: bool, form: OffsetForm) -> Parsed<'t> {
        if let Some(rest) = text.strip_prefix('Z').filter(|_| z) {
            self.offset = Some(0);
            return Ok(rest);
        }
        let sign = match text.bytes().next() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(Fault::Mismatch),
        };
        let (colon, parts) = match form {
            OffsetForm::Hours => (false, 1),
            OffsetForm::Minutes => (false, 2),
            OffsetForm::ColonMinutes => (true, 2),
            OffsetForm::Seconds => (false, 3),
            OffsetForm::ColonSeconds => (true, 3),
        };
        let mut rest = &text[1..];
        let mut seconds = 0;
        for (i, size) in [3600, 60, 1].into_iter().take(parts).enumerate() {
            if i > 0 && colon {
                rest = rest.strip_prefix(':').ok_or(Fault::Mismatch)?;
            }
            let (value, tail) = number(rest, 2, 2)?;
            let (limit, what) = match i {
                0 => (24, "time zone offset hour"),
                1 => (60, "time zone offset minute"),
                _ => (60, "time zone offset second"),
            };
            if value > limit {
                return Err(Fault::Range(what));
            }
            seconds += value * size;
            rest = tail;
        }
        self.offset = Some(sign * seconds);
        Ok(rest)
    }

    /// An abbreviation of three to five capitals. Only `UTC` says where it is; any other names an offset that is given
    /// elsewhere, or none, as in Go.
    fn zone_name<'t>(&mut self, text: &'t str) -> Parsed<'t> {
        let letters = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
        let length = match (text.starts_with("UTC"), letters) {
            (true, _) | (_, 3) => 3,
            // Longer ones end in T, or are Western Indonesia's.
            (_, 4) if text.as_bytes().get(3) == Some(&b'T') || text.starts_with("WITA") => 4,
            (_, 5) if text.as_bytes().get(4) == Some(&b'T') => 5,
            _ => return Err(Fault::Mismatch),
        };
        self.zone_name = Some(text[..length].to_owned());
        Ok(&text[length..])
    }

    fn finish(self) -> Result<Moment, &'static str> {
        let hour = match (self.pm, self.hour) {
            (Some(true), hour) if hour < 12 => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let date = match self.year_day {
            Some(day) => Date::new(self.year, 1, 1)
                .ok()
                .filter(|first| (1..=first.days_in_year()).contains(&day))
                .and_then(|first| first.checked_add(jiff::Span::new().days(day - 1)).ok())
                .ok_or("day-of-year")?,
            None => {
                Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).map_err(|_| "day")?
            }
        };
        let time = jiff::civil::Time::new(hour, self.minute, self.second, self.nanos).map_err(|_| "hour")?;
        let civil = DateTime::from_parts(date, time);
        let seconds = self.offset.unwrap_or(0);
        let name = self.zone_name.unwrap_or_default();
        let offset = Offset::from_seconds(seconds).map_err(|_| "time zone offset")?;
        let is_utc = seconds == 0 && (name.is_empty() || name == "UTC");
        let zone = if is_utc { Zone::Utc } else { Zone::Fixed(offset, name.into()) };
        Ok(Moment::new(offset.to_timestamp(civil).map_err(|_| "year")?, zone))
    }
}
