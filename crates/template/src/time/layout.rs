//! Go's time layouts: a reference time spelled in the wanted form.

use super::Moment;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From Sunday, as Go counts.
pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A recognised piece of a layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    /// An offset; `z` writes `Z` for UTC.
    Offset {
        z: bool,
        form: OffsetForm,
    },
    /// Digits of the second; `nines` drops trailing zeros.
    Fraction {
        digits: usize,
        nines: bool,
    },
}

/// How an offset is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OffsetForm {
    Hours,
    Minutes,
    ColonMinutes,
    Seconds,
    ColonSeconds,
}

/// Spellings that always mean their piece, the longer ones first.
const SPELLINGS: [(&str, Piece); 30] = {
    use OffsetForm::{ColonMinutes, ColonSeconds, Hours, Minutes, Seconds};
    [
        ("January", Piece::LongMonth),
        ("Monday", Piece::LongWeekday),
        ("MST", Piece::ZoneName),
        ("002", Piece::ZeroYearDay),
        ("01", Piece::ZeroMonth),
        ("02", Piece::ZeroDay),
        ("03", Piece::ZeroHour12),
        ("04", Piece::ZeroMinute),
        ("05", Piece::ZeroSecond),
        ("06", Piece::Year),
        ("15", Piece::Hour),
        ("1", Piece::NumMonth),
        ("2006", Piece::LongYear),
        ("2", Piece::Day),
        ("__2", Piece::UnderYearDay),
        ("_2", Piece::UnderDay),
        ("3", Piece::Hour12),
        ("4", Piece::Minute),
        ("5", Piece::Second),
        ("PM", Piece::UpperPm),
        ("pm", Piece::LowerPm),
        ("-070000", Piece::Offset { z: false, form: Seconds }),
        ("-07:00:00", Piece::Offset { z: false, form: ColonSeconds }),
        ("-0700", Piece::Offset { z: false, form: Minutes }),
        ("-07:00", Piece::Offset { z: false, form: ColonMinutes }),
        ("-07", Piece::Offset { z: false, form: Hours }),
        ("Z070000", Piece::Offset { z: true, form: Seconds }),
        ("Z07:00:00", Piece::Offset { z: true, form: ColonSeconds }),
        ("Z0700", Piece::Offset { z: true, form: Minutes }),
        ("Z07:00", Piece::Offset { z: true, form: ColonMinutes }),
    ]
};

/// Splits a layout at its first piece: the text before, the piece, how it is spelled, and the rest.
pub(super) fn next_piece(layout: &str) -> (&str, Option<(Piece, &str)>, &str) {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some((piece, length)) = piece_at(rest) {
            return (&layout[..at], Some((piece, &rest[..length])), &rest[length..]);
        }
    }
    (layout, None, "")
}

fn piece_at(text: &str) -> Option<(Piece, usize)> {
    // The underscore before a year is text.
    if text.starts_with("_2006") {
        return None;
    }
    if let Some((spelling, piece)) = SPELLINGS.iter().find(|(spelling, _)| text.starts_with(spelling)) {
        return Some((*piece, spelling.len()));
    }
    let whole_word = |word: &str| {
        text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    if whole_word("Jan") {
        return Some((Piece::Month, 3));
    }
    if whole_word("Mon") {
        return Some((Piece::Weekday, 3));
    }
    if text.starts_with("Z07") {
        return Some((Piece::Offset { z: true, form: OffsetForm::Hours }, 3));
    }
    let digit = text.strip_prefix(['.', ','])?.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = text[1..].chars().take_while(|c| *c == digit).count();
    // A longer number is not a fraction.
    let ends = !text[1 + digits..].starts_with(|c: char| c.is_ascii_digit());
    ends.then_some((Piece::Fraction { digits, nines: digit == '9' }, 1 + digits))
}

/// Writes the time in the layout.
pub(super) fn format(time: &Moment, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    loop {
        let (text, piece, tail) = next_piece(rest);
        out.push_str(text);
        let Some((piece, spelled)) = piece else { return out };
        write_piece(time, piece, spelled, &mut out);
        rest = tail;
    }
}

fn write_piece(time: &Moment, piece: Piece, spelled: &str, out: &mut String) {
    let civil = time.civil();
    let month = MONTHS.get(usize::from(civil.month().unsigned_abs()).wrapping_sub(1)).copied().unwrap_or("");
    let day_name = DAYS.get(usize::from(civil.weekday().to_sunday_zero_offset().unsigned_abs()));
    let day_name = day_name.copied().unwrap_or("");
    let hour12 = (civil.hour() + 11) % 12 + 1;
    let text = match piece {
        Piece::LongMonth => month.to_owned(),
        Piece::Month => first_three(month),
        Piece::NumMonth => civil.month().to_string(),
        Piece::ZeroMonth => format!("{:02}", civil.month()),
        Piece::LongWeekday => day_name.to_owned(),
        Piece::Weekday => first_three(day_name),
        Piece::Day => civil.day().to_string(),
        Piece::UnderDay => format!("{:2}", civil.day()),
        Piece::ZeroDay => format!("{:02}", civil.day()),
        Piece::UnderYearDay => format!("{:3}", civil.day_of_year()),
        Piece::ZeroYearDay => format!("{:03}", civil.day_of_year()),
        Piece::Hour => format!("{:02}", civil.hour()),
        Piece::Hour12 => hour12.to_string(),
        Piece::ZeroHour12 => format!("{hour12:02}"),
        Piece::Minute => civil.minute().to_string(),
        Piece::ZeroMinute => format!("{:02}", civil.minute()),
        Piece::Second => civil.second().to_string(),
        Piece::ZeroSecond => format!("{:02}", civil.second()),
        Piece::LongYear if civil.year() < 0 => format!("-{:04}", civil.year().unsigned_abs()),
        Piece::LongYear => format!("{:04}", civil.year()),
        Piece::Year => format!("{:02}", civil.year().rem_euclid(100)),
        Piece::UpperPm => if civil.hour() >= 12 { "PM" } else { "AM" }.to_owned(),
        Piece::LowerPm => if civil.hour() >= 12 { "pm" } else { "am" }.to_owned(),
        Piece::ZoneName => zone_name(time),
        Piece::Offset { z, form } => offset(time.offset().seconds(), z, form),
        Piece::Fraction { digits, nines } => fraction(civil.subsec_nanosecond(), spelled, digits, nines),
    };
    out.push_str(&text);
}

fn first_three(name: &str) -> String {
    name.chars().take(3).collect()
}

fn zone_name(time: &Moment) -> String {
    let name = time.abbreviation();
    // Without a name, the offset stands for one.
    if name.is_empty() { offset(time.offset().seconds(), false, OffsetForm::Minutes) } else { name }
}

fn offset(seconds: i32, z: bool, form: OffsetForm) -> String {
    if z && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
    match form {
        OffsetForm::Hours => format!("{sign}{hours:02}"),
        OffsetForm::Minutes => format!("{sign}{hours:02}{minutes:02}"),
        OffsetForm::ColonMinutes => format!("{sign}{hours:02}:{minutes:02}"),
        OffsetForm::Seconds => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
        OffsetForm::ColonSeconds => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

fn fraction(nanos: i32, spelled: &str, digits: usize, nines: bool) -> String {
    let separator = &spelled[..1];
    let mut text = format!("{nanos:09}");
    // More digits than nanoseconds have are not written.
    text.truncate(digits.min(9));
    if nines {
        text.truncate(text.trim_end_matches('0').len());
        if text.is_empty() {
            return String::new();
        }
    }
    format!("{separator}{text}")
}
