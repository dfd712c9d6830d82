//! `Retry-After` (RFC 9110 section 10.2.3): seconds or an HTTP date.

use std::time::Duration;

use breakwatch_model::Timestamp;

/// Nobody may put a page off for longer than this.
const CAP: Duration = Duration::from_secs(15 * 60);

/// How long to wait. A date counts from the answer's own `Date` if it has one, so that a clock that is wrong on
/// either side does no harm.
pub(super) fn parse(value: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(capped(value.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(value)?;
    let from = date.and_then(http_date).unwrap_or(now);
    Some(until.since(from).min(CAP))
}

/// So many seconds, but not more than the cap.
pub(crate) fn capped(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(CAP)
}

fn http_date(text: &str) -> Option<Timestamp> {
    // A wrong day of the week is the sender's slip and changes nothing.
    let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let time = parser.parse_timestamp(text.trim()).ok()?;
    Some(Timestamp(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_up_to_the_cap() {
        let now = Timestamp::parse_rfc3339("1994-11-06T08:49:37Z").unwrap();
        let parse = |value| parse(value, None, now).map(|wait| wait.as_secs());
        assert_eq!(parse("120"), Some(120));
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("99999999999999999999999"), Some(900));
        assert_eq!(parse("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30));
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "a date that has passed");
        assert_eq!(parse("Sun, 06 Nov 2094 08:00:00 GMT"), Some(900));
        for bad in ["", "soon", "-5", "1.5"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_date_counts_from_the_answers_own() {
        let (value, date) = ("Sun, 06 Nov 1994 08:50:07 GMT", "Sun, 06 Nov 1994 08:49:57 GMT");
        let wait = parse(value, Some(date), Timestamp(0));
        assert_eq!(wait, Some(Duration::from_secs(10)));
    }
}
