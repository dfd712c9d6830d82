//! Reads a time interval: `monday:friday`, `-3:-1`, `09:00` to `17:00`.

use breakwatch_plugin_api::{Diagnostics, Node, Section};
use jiff::tz::TimeZone;

use super::{Range, TimeInterval};

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    /// Reads one element of `time_intervals:`; every mistake is reported.
    #[must_use]
    pub fn read(node: &Node, diagnostics: &Diagnostics) -> Option<Self> {
        let mut section = Section::open(node, diagnostics)?;
        let before = diagnostics.len();
        let interval = Self {
            times: section.get("times").map(|list| times(list, diagnostics)).unwrap_or_default(),
            weekdays: ranges(&mut section, "weekdays", weekday_range),
            days_of_month: ranges(&mut section, "days_of_month", day_range),
            months: ranges(&mut section, "months", month_range),
            years: ranges(&mut section, "years", |text| number_range(text, 0..=9999, "a year")),
            zone: section.parse("location", location).unwrap_or(TimeZone::UTC),
        };
        section.finish();
        (diagnostics.len() == before).then_some(interval)
    }
}

/// A time zone by its name in the IANA database; `Local` is the machine's, `UTC` or nothing is UTC.
pub(crate) fn location(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::system()),
        name => TimeZone::get(name).map_err(|_| "a time zone such as `Europe/Berlin`".to_owned()),
    }
}

fn ranges(
    section: &mut Section<'_>,
    key: &'static str,
    read: fn(&str) -> Result<Range, String>,
) -> Vec<Range> {
    let Some(node) = section.get(key) else { return Vec::new() };
    let diagnostics = section.diagnostics();
    let Some(items) = node.as_list() else {
        let message = format!("expected a list of ranges such as `- 'a:b'`, found {}", node.describe());
        diagnostics.error(&node.place, message);
        return Vec::new();
    };
    let read_item = |item: &Node| {
        let result =
            item.as_str().map_or_else(|| Err("a range".to_owned()), |text| read(&text.to_lowercase()));
        result.map_err(|expected| {
            diagnostics.error(&item.place, format!("expected {expected}, found {}", item.describe()));
        })
    };
    items.iter().filter_map(|item| read_item(item).ok()).collect()
}

/// `a:b` or a single value, each side read by `side`.
fn span(text: &str, side: impl Fn(&str) -> Option<i32>, expected: &str) -> Result<Range, String> {
    let (begin, end) = text.split_once(':').unwrap_or((text, text));
    match (side(begin.trim()), side(end.trim())) {
        (Some(begin), Some(end)) => Ok((begin, end)),
        _ => Err(expected.to_owned()),
    }
}

fn ordered(range: Range, what: &str) -> Result<Range, String> {
    if range.0 <= range.1 {
        Ok(range)
    } else {
        Err(format!("a range of {what} that does not end before it starts"))
    }
}

fn weekday_range(text: &str) -> Result<Range, String> {
    let side =
        |word: &str| WEEKDAYS.iter().position(|day| *day == word).and_then(|at| i32::try_from(at).ok());
    ordered(
        span(text, side, "a day of the week such as `monday` or `monday:friday`")?,
        "days (a week starts on sunday)",
    )
}

fn month_range(text: &str) -> Result<Range, String> {
    let side = |word: &str| {
        let by_name =
            MONTHS.iter().position(|month| *month == word).and_then(|at| i32::try_from(at + 1).ok());
        by_name.or_else(|| word.parse().ok().filter(|month| (1..=12).contains(month)))
    };
    ordered(span(text, side, "a month such as `january`, `1` or `june:august`")?, "months")
}

fn number_range(text: &str, allowed: std::ops::RangeInclusive<i32>, what: &str) -> Result<Range, String> {
    let side = |word: &str| word.parse().ok().filter(|number| allowed.contains(number));
    ordered(span(text, side, &format!("{what} or a range such as `a:b`"))?, "years")
}

fn day_range(text: &str) -> Result<Range, String> {
    let side = |word: &str| word.parse().ok().filter(|day: &i32| *day != 0 && (-31..=31).contains(day));
    let (begin, end) =
        span(text, side, "a day of the month from 1 to 31 or from -31 to -1, or a range of them")?;
    if begin < 0 && end > 0 {
        return Err("an end day counted from the month's end, as its start is".to_owned());
    }
    // Counted in the longest month: a range that is empty there is empty in every month.
    let in_longest = |day: i32| if day < 0 { 32 + day } else { day };
    if in_longest(begin) > in_longest(end) {
        return Err("a range of days that does not end before it starts".to_owned());
    }
    Ok((begin, end))
}

fn times(list: &Node, diagnostics: &Diagnostics) -> Vec<Range> {
    let Some(items) = list.as_list() else {
        let message =
            format!("expected a list of `{{ start_time: …, end_time: … }}`, found {}", list.describe());
        diagnostics.error(&list.place, message);
        return Vec::new();
    };
    items.iter().filter_map(|item| time_range(item, diagnostics)).collect()
}

fn time_range(node: &Node, diagnostics: &Diagnostics) -> Option<Range> {
    let mut section = Section::open(node, diagnostics)?;
    let before = diagnostics.len();
    section.required("start_time");
    section.required("end_time");
    let start = section.parse("start_time", clock_time);
    let end = section.parse("end_time", clock_time);
    section.finish();
    let (start, end) = (start?, end?);
    if start >= end {
        diagnostics.error(&node.place, "start time must be before end time");
    }
    (diagnostics.len() == before).then_some((start, end))
}

/// `HH:MM` as minutes of the day; `24:00` is the end of the day.
fn clock_time(text: &str) -> Result<i32, String> {
    let expected = || "a time of day such as `09:30`, at most `24:00`".to_owned();
    let (hours, minutes) = text.split_once(':').ok_or_else(expected)?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return Err(expected());
    }
    let (hours, minutes): (i32, i32) =
        (hours.parse().map_err(|_| expected())?, minutes.parse().map_err(|_| expected())?);
    let total = hours * 60 + minutes;
    if minutes < 60 && total <= 24 * 60 { Ok(total) } else { Err(expected()) }
}
