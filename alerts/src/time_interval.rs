//! Recurring times: when a route is muted or active.
//!
//! The fields and their text forms are Alertmanager's. A moment lies inside an interval when every field that is
//! given holds it, judged in the interval's own time zone (UTC unless `location` says otherwise).

mod parse;
#[cfg(test)]
mod tests;

use breakwatch_model::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;

pub(crate) use parse::location;

/// Both ends included.
pub type Range = (i32, i32);

/// One element of a named time interval; empty fields hold always.
#[derive(Clone, Debug)]
pub struct TimeInterval {
    /// Minutes of the day, start included and end excluded; 1440 is midnight at the end of the day.
    pub times: Vec<Range>,
    /// Days of the week, Sunday is 0.
    pub weekdays: Vec<Range>,
    /// Days of the month, negative ones counted from its end (-1 is the last).
    pub days_of_month: Vec<Range>,
    /// Months, January is 1.
    pub months: Vec<Range>,
    /// Years.
    pub years: Vec<Range>,
    /// The zone in which all of it is judged.
    pub zone: TimeZone,
}

impl TimeInterval {
    /// Whether the moment lies inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let Ok(time) = jiff::Timestamp::from_millisecond(at.millis()) else { return false };
        let time = time.to_zoned(self.zone.clone());
        self.holds_time_of_day(&time)
            && self.holds_day_of_month(&time)
            && any(&self.months, i32::from(time.month()))
            && any(&self.weekdays, i32::from(time.weekday().to_sunday_zero_offset()))
            && any(&self.years, i32::from(time.year()))
    }

    fn holds_time_of_day(&self, time: &Zoned) -> bool {
        let minute = i32::from(time.hour()) * 60 + i32::from(time.minute());
        self.times.is_empty() || self.times.iter().any(|(start, end)| *start <= minute && minute < *end)
    }

    fn holds_day_of_month(&self, time: &Zoned) -> bool {
        let (day, last) = (i32::from(time.day()), i32::from(time.days_in_month()));
        let from_start = |day: i32| if day < 0 { last + day + 1 } else { day };
        self.days_of_month.is_empty()
            || self.days_of_month.iter().any(|(begin, end)| {
                let (begin, end) = (from_start(*begin), from_start(*end));
                // A range that starts behind the month's end is not moved into it.
                begin <= last && begin.max(-last) <= day && day <= end.clamp(-last, last)
            })
    }
}

fn any(ranges: &[Range], value: i32) -> bool {
    ranges.is_empty() || ranges.iter().any(|(begin, end)| (*begin..=*end).contains(&value))
}

/// Whether any element of a named interval holds the moment.
#[must_use]
pub fn any_contains(intervals: &[TimeInterval], at: Timestamp) -> bool {
    intervals.iter().any(|interval| interval.contains(at))
}
