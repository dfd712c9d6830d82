//! Parts of a date in UTC, for any 64-bit number of seconds: samples may hold what no calendar library takes.

use crate::functions::FunctionId as F;

/// The first second Go's calendar knows: 1 January of the year -292277022399. It counts in 64 bits from there, so
/// earlier times, and NaN, which becomes the smallest integer, come out at the far end, as in Prometheus.
const GO_ORIGIN: i128 = -9_223_372_028_715_321_600;

/// The part of the date `seconds` after the epoch that a function asks for.
pub(super) fn date(function: F, seconds: i64) -> f64 {
    let mut seconds = i128::from(seconds);
    if seconds < GO_ORIGIN {
        seconds += 1 << 64;
    }
    let (days, second) = (seconds.div_euclid(86_400) as i64, seconds.rem_euclid(86_400) as i64);
    match function {
        F::Hour => (second / 3600) as f64,
        F::Minute => (second / 60 % 60) as f64,
        // The epoch was a Thursday.
        F::DayOfWeek => (days + 4).rem_euclid(7) as f64,
        _ => {
            let (year, month, day) = civil(days);
            match function {
                F::Year => year as f64,
                F::Month => month as f64,
                F::DayOfMonth => day as f64,
                F::DaysInMonth => days_in_month(year, month) as f64,
                _ => (days - days_before_year(year) + 1) as f64,
            }
        }
    }
}

/// Year, month and day of a day counted from the epoch, by counting 400-year cycles from 1 March of year 0.
fn civil(days: i64) -> (i64, i64, i64) {
    const CYCLE: i64 = 146_097;
    let days = days + 719_468;
    let (cycle, day_of_cycle) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_cycle + cycle * 400 + i64::from(month <= 2), month, day)
}

/// The first day of a year, counted from the epoch.
fn days_before_year(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(seconds: i64) -> [f64; 8] {
        [F::Year, F::Month, F::DayOfMonth, F::DayOfWeek, F::DayOfYear, F::DaysInMonth, F::Hour, F::Minute]
            .map(|part| date(part, seconds))
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(parts(0), [1970.0, 1.0, 1.0, 4.0, 1.0, 31.0, 0.0, 0.0]);
        // 2024-02-29T23:59:59Z, a Thursday.
        assert_eq!(parts(1_709_251_199), [2024.0, 2.0, 29.0, 4.0, 60.0, 29.0, 23.0, 59.0]);
        // 1900-12-31T12:30:00Z, a Monday.
        assert_eq!(parts(-2_177_494_200), [1900.0, 12.0, 31.0, 1.0, 365.0, 31.0, 12.0, 30.0]);
        // 0000-01-01T00:00:00Z, a Saturday.
        assert_eq!(parts(-62_167_219_200), [0.0, 1.0, 1.0, 6.0, 1.0, 31.0, 0.0, 0.0]);
    }

    #[test]
    fn no_number_is_too_large() {
        assert_eq!(parts(i64::MIN), [292_277_026_596.0, 12.0, 4.0, 0.0, 339.0, 31.0, 15.0, 30.0]);
        for seconds in [i64::MIN, i64::MAX] {
            assert!(parts(seconds).iter().all(|part| part.is_finite()));
        }
    }
}
