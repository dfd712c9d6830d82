use breakwatch_model::Timestamp;
use breakwatch_plugin_api::Diagnostics;

use super::TimeInterval;
use crate::testing::{findings, node};

fn interval(text: &str) -> TimeInterval {
    let diagnostics = Diagnostics::new();
    let interval = TimeInterval::read(&node(text), &diagnostics);
    interval.unwrap_or_else(|| panic!("{text}: {:?}", findings(diagnostics)))
}

fn holds(text: &str, time: &str) -> bool {
    interval(text).contains(Timestamp::parse_rfc3339(time).expect("a time"))
}

#[test]
fn each_field_and_its_edges() {
    for (text, inside, outside) in [
        ("{}", "2024-02-29T12:00:00Z", ""),
        (
            "times: [{start_time: '09:00', end_time: '17:00'}]",
            "2024-01-01T09:00:00Z 2024-01-01T16:59:59Z",
            "2024-01-01T08:59:59Z 2024-01-01T17:00:00Z",
        ),
        ("times: [{start_time: '23:00', end_time: '24:00'}]", "2024-01-01T23:59:59Z", "2024-01-02T00:00:00Z"),
        (
            "weekdays: ['monday:friday', saturday]",
            "2024-01-01T00:00:00Z 2024-01-06T00:00:00Z",
            "2024-01-07T00:00:00Z",
        ),
        ("weekdays: ['Sunday']", "2024-01-07T23:00:00Z", "2024-01-08T00:00:00Z"),
        (
            "days_of_month: ['1:5', '-3:-1']",
            "2024-02-27T00:00:00Z 2024-02-05T00:00:00Z",
            "2024-02-26T00:00:00Z",
        ),
        ("days_of_month: ['31']", "2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("days_of_month: ['25:-1']", "2023-02-28T00:00:00Z 2024-01-25T00:00:00Z", "2023-02-24T00:00:00Z"),
        ("days_of_month: ['-31:-1']", "2023-02-01T00:00:00Z", ""),
        (
            "months: ['january:march', '12']",
            "2024-03-31T23:59:00Z 2024-12-01T00:00:00Z",
            "2024-04-01T00:00:00Z",
        ),
        ("years: ['2020:2022', '2024']", "2022-12-31T23:59:59Z 2024-01-01T00:00:00Z", "2023-06-01T00:00:00Z"),
        // Berlin is two hours ahead in summer, one in winter.
        (
            "{location: Europe/Berlin, times: [{start_time: '09:00', end_time: '10:00'}]}",
            "2024-07-01T07:30:00Z 2024-01-01T08:30:00Z",
            "2024-07-01T08:30:00Z 2024-01-01T07:30:00Z",
        ),
        (
            "{location: Australia/Sydney, weekdays: [saturday]}",
            "2024-01-05T13:30:00Z",
            "2024-01-06T13:30:00Z",
        ),
    ] {
        for time in inside.split_whitespace() {
            assert!(holds(text, time), "{text} should hold {time}");
        }
        for time in outside.split_whitespace() {
            assert!(!holds(text, time), "{text} should not hold {time}");
        }
    }
}

#[test]
fn a_day_that_the_clocks_change() {
    // 2024-03-31 02:30 does not exist in Berlin; the hour before and after are judged as the wall shows them.
    let night = "{location: Europe/Berlin, times: [{start_time: '02:00', end_time: '03:00'}]}";
    assert!(!holds(night, "2024-03-31T00:59:59Z") && !holds(night, "2024-03-31T01:00:00Z"));
    // On 2024-10-27 that hour happens twice.
    assert!(holds(night, "2024-10-27T00:30:00Z") && holds(night, "2024-10-27T01:30:00Z"));
}

#[test]
fn mistakes_are_named() {
    for (text, part) in [
        ("times: [{start_time: '9:00', end_time: '17:00'}]", "time of day"),
        ("times: [{start_time: '17:00', end_time: '09:00'}]", "start time must be before end time"),
        ("times: [{start_time: '24:01', end_time: '24:02'}]", "time of day"),
        ("times: [{start_time: '10:00'}]", "missing required key `end_time`"),
        ("weekdays: ['friday:monday']", "does not end before it starts"),
        ("weekdays: ['someday']", "day of the week"),
        ("days_of_month: ['0']", "day of the month"),
        ("days_of_month: ['32']", "day of the month"),
        ("days_of_month: ['-3:5']", "counted from the month's end"),
        ("days_of_month: ['10:5']", "does not end before"),
        ("months: ['13']", "a month"),
        ("years: ['2022:2020']", "does not end before"),
        ("location: Mars/Base", "time zone"),
        ("weekday: [monday]", "did you mean `weekdays`"),
    ] {
        let diagnostics = Diagnostics::new();
        assert!(TimeInterval::read(&node(text), &diagnostics).is_none(), "{text}");
        let found = findings(diagnostics).join("\n");
        assert!(found.contains(part) && found.starts_with("test.yml:1:"), "{text}: {found}");
    }
}
