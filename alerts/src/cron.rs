//! Cron-like schedules for recurring maintenance: `minute hour day-of-month month day-of-week`.
//!
//! Fields take `*`, numbers, names (`jan`, `mon`), ranges, lists and steps (`*/15`). As in cron, when both day
//! fields are restricted a day needs to match only one of them. `@hourly`, `@daily`, `@weekly` and `@monthly` are
//! short forms.

use std::time::Duration;

use breakwatch_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule: each field is a set of bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether both day fields are restricted, so that either suffices.
    either_day: bool,
}

impl Cron {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expanded = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err("a schedule of five fields such as `0 2 * * sun`".to_owned());
        };
        let raw_weekdays = field(weekdays, 0, 7, &DAYS, 0)?;
        Ok(Self {
            minutes: field(minutes, 0, 59, &[], 0)?,
            hours: field(hours, 0, 23, &[], 0)?,
            days: field(days, 1, 31, &[], 0)?,
            months: field(months, 1, 12, &MONTHS, 1)?,
            // Sunday is 0 and 7.
            weekdays: (raw_weekdays & 0x7f) | (raw_weekdays >> 7),
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    /// The latest start at or before `at` and less than `within` ago, judged in `zone`.
    #[must_use]
    pub(crate) fn last_start(&self, at: Timestamp, within: Duration, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(zone.clone()).date();
        // One day more than the span covers: a start may lie on the civil day before.
        let days = within.as_secs() / 86_400 + 2;
        for _ in 0..=days {
            if self.holds_day(date) {
                let starts = self.starts_of(date, zone).filter(|start| *start <= at);
                if let Some(last) = starts.max() {
                    return (at.since(last) < within).then_some(last);
                }
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    fn holds_day(&self, date: Date) -> bool {
        let bit = |set: u64, at: i8| u32::try_from(at).is_ok_and(|at| set >> at & 1 == 1);
        let day = bit(self.days, date.day());
        let weekday = bit(self.weekdays, date.weekday().to_sunday_zero_offset());
        bit(self.months, date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }

    /// The starts of a civil day. A time that the clocks skip is taken as the same distance after the gap.
    fn starts_of<'a>(&'a self, date: Date, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        let set = |bits: u64| (0..60i8).filter(move |at| bits >> at & 1 == 1);
        set(self.hours).flat_map(move |hour| set(self.minutes).map(move |minute| (hour, minute))).filter_map(
            move |(hour, minute)| {
                let zoned = zone.to_zoned(date.at(hour, minute, 0, 0)).ok()?;
                Some(Timestamp(zoned.timestamp().as_millisecond()))
            },
        )
    }
}

/// One field as bits.
fn field(text: &str, low: u32, high: u32, names: &[&str], first_name: u32) -> Result<u64, String> {
    let bad = || format!("a schedule field from {low} to {high}, found {text:?}");
    let value = |word: &str| -> Result<u32, String> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(word));
        let number = match named {
            Some(at) => u32::try_from(at).map_err(|_| bad())? + first_name,
            None => word.parse().map_err(|_| bad())?,
        };
        if (low..=high).contains(&number) { Ok(number) } else { Err(bad()) }
    };
    let mut bits = 0;
    for item in text.split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let (begin, end) = match (range, range.split_once('-')) {
            ("*", _) => (low, high),
            (_, Some((begin, end))) => (value(begin)?, value(end)?),
            // `5/15` runs from 5 to the end, as in cron.
            (single, None) if step.is_some() => (value(single)?, high),
            (single, None) => (value(single)?, value(single)?),
        };
        let step: u32 = step.map_or(Ok(1), |step| step.parse().map_err(|_| bad()))?;
        if begin > end || step == 0 {
            return Err(bad());
        }
        let width = usize::try_from(step).map_err(|_| bad())?;
        bits |= (begin..=end).step_by(width).fold(0, |bits, at| bits | 1u64 << at);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(schedule: &str, at: &str, zone: &str, within_hours: u64) -> Option<String> {
        let zone = if zone == "UTC" { TimeZone::UTC } else { TimeZone::get(zone).unwrap() };
        let at = Timestamp::parse_rfc3339(at).unwrap();
        let within = Duration::from_secs(within_hours * 3600);
        Cron::parse(schedule).unwrap().last_start(at, within, &zone).map(Timestamp::to_rfc3339)
    }

    #[test]
    fn the_last_start_within_a_span() {
        for (schedule, at, zone, hours, expected) in [
            ("0 2 * * sun", "2024-01-07T03:00:00Z", "UTC", 2, Some("2024-01-07T02:00:00.000Z")),
            ("0 2 * * sun", "2024-01-07T04:00:00Z", "UTC", 2, None),
            ("0 2 * * 7", "2024-01-07T02:00:00Z", "UTC", 1, Some("2024-01-07T02:00:00.000Z")),
            ("*/15 * * * *", "2024-01-07T03:14:59Z", "UTC", 1, Some("2024-01-07T03:00:00.000Z")),
            ("30 23 * * *", "2024-01-08T00:10:00Z", "UTC", 1, Some("2024-01-07T23:30:00.000Z")),
            ("0 2 * * *", "2024-07-01T00:30:00Z", "Europe/Berlin", 1, Some("2024-07-01T00:00:00.000Z")),
            // The hour that does not exist on the day of the change: taken an hour later.
            ("30 2 * * *", "2024-03-31T01:40:00Z", "Europe/Berlin", 1, Some("2024-03-31T01:30:00.000Z")),
            // Either day field suffices when both are given.
            ("0 0 13 * fri", "2024-01-05T00:00:00Z", "UTC", 1, Some("2024-01-05T00:00:00.000Z")),
            ("0 0 13 * fri", "2024-01-13T00:00:00Z", "UTC", 1, Some("2024-01-13T00:00:00.000Z")),
            ("0 0 1 jan-mar *", "2024-04-01T00:00:00Z", "UTC", 1, None),
            ("@monthly", "2024-02-20T00:00:00Z", "UTC", 24 * 20, Some("2024-02-01T00:00:00.000Z")),
        ] {
            assert_eq!(last(schedule, at, zone, hours).as_deref(), expected, "{schedule} at {at}");
        }
    }

    #[test]
    fn bad_schedules_are_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
        ] {
            assert!(Cron::parse(text).is_err(), "{text}");
        }
    }
}
