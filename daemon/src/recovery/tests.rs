//! Figures against tables computed by hand.

use super::*;
use crate::events::{Event, EventKind};

/// A day of one check, in minutes since its beginning:
/// healthy from 0; failing from 100, open at 102, a failed probe at 103, closed at 112; degraded 200 to 260;
/// failing from 600, open at 604, closed at 614; unknown 700 to 760; failing from 1380, open at 1384, and so on.
fn day() -> Past {
    let minute = |n: i64| Timestamp::from_secs(n * 60);
    let statuses = [
        (0, Status::Healthy),
        (100, Status::Unhealthy),
        (110, Status::Healthy),
        (200, Status::Degraded),
        (260, Status::Healthy),
        (600, Status::Unhealthy),
        (612, Status::Healthy),
        (700, Status::Unknown),
        (760, Status::Healthy),
        (1380, Status::Unhealthy),
    ];
    let steps = [
        (102, State::Open),
        (103, State::HalfOpen),
        (103, State::Open),
        (105, State::HalfOpen),
        (112, State::Closed),
        (604, State::Open),
        (612, State::HalfOpen),
        (614, State::Closed),
        (1384, State::Open),
    ];
    Past {
        component: "check".to_owned(),
        statuses: statuses.into_iter().map(|(at, status)| (minute(at), status)).collect(),
        steps: steps.into_iter().map(|(at, to)| Step { at: minute(at), to }).collect(),
        flapping: false,
    }
}

fn span(from: i64, to: i64) -> Span {
    Span { start: Timestamp::from_secs(from * 60), end: Timestamp::from_secs(to * 60) }
}

#[test]
fn a_day_computed_by_hand() {
    let figures = figures(&day(), &[], span(0, 1440));
    // Measured: 1440 - 60 unknown = 1380 min; down: 10 + 12 + 60 = 82 min.
    assert_eq!(figures.measured_seconds, 1380.0 * 60.0);
    assert_eq!(figures.availability, Some(1298.0 / 1380.0));
    assert_eq!((figures.episodes, figures.recovered), (3, 2));
    assert_eq!(figures.recovery_rate, 2.0 / 3.0);
    // (10 + 10) / 2 min; 1298 min over 3; (2 + 4 + 4) / 3 min; 10 + 10 + 56 min.
    assert_eq!(figures.mttr_seconds, Some(600.0));
    assert_eq!(figures.mtbf_seconds, Some(1298.0 * 60.0 / 3.0));
    assert_eq!(figures.time_to_detect_seconds, Some(200.0));
    assert_eq!(figures.open_seconds, 76.0 * 60.0);
    assert_eq!((figures.probes, figures.probe_success), (3, Some(2.0 / 3.0)));
    assert_eq!(figures.last_failure, Some(Timestamp::from_secs(1380 * 60)));
    assert_eq!(figures.last_recovery, Some(Timestamp::from_secs(614 * 60)));
    assert_eq!(figures.grade, Grade::Unhealthy);
}

#[test]
fn a_window_cuts_what_reaches_into_it() {
    // From minute 108: 2 min down, 4 min open of the first episode; it recovered in the window.
    let figures = figures(&day(), &[], span(108, 168));
    assert_eq!(figures.availability, Some(58.0 / 60.0));
    assert_eq!((figures.episodes, figures.recovered), (1, 1));
    assert_eq!(figures.mttr_seconds, Some(600.0), "the whole episode, not the part in the window");
    assert_eq!(figures.mtbf_seconds, None, "it began before");
    assert_eq!(figures.open_seconds, 240.0);
}

#[test]
fn nobody_is_charged_for_what_was_not_measured() {
    let minute = |n: i64| Timestamp::from_secs(n * 60);
    // The daemon was cut off from 590 to 620: the second episode is its own.
    let figures = figures(&day(), &[(minute(590), minute(620))], span(500, 700));
    assert_eq!(figures.availability, Some(1.0));
    assert_eq!(figures.measured_seconds, 170.0 * 60.0);
    assert_eq!(figures.episodes, 0);
}

#[test]
fn nothing_known_says_nothing() {
    let figures = figures(&Past::default(), &[], span(0, 60));
    assert_eq!(figures.availability, None);
    assert_eq!((figures.recovery_rate, figures.grade), (1.0, Grade::Healthy));
}

#[test]
fn grades_follow_rate_and_state() {
    use Grade::{Critical, Degraded, Healthy, Unhealthy};
    for (rate, state, grade) in [
        (0.9, State::Closed, Healthy),
        (0.89, State::Closed, Degraded),
        (0.7, State::Closed, Degraded),
        (0.5, State::Closed, Unhealthy),
        (0.49, State::Closed, Critical),
        (1.0, State::Open, Unhealthy),
        (1.0, State::HalfOpen, Degraded),
        (0.2, State::Open, Critical),
    ] {
        assert_eq!(Grade::of(rate, state), grade, "{rate} {state}");
    }
}

#[test]
fn a_report_says_what_to_do() {
    let pasts = std::collections::BTreeMap::from([("http/a".to_owned(), day())]);
    let now = Timestamp::from_secs(1440 * 60);
    let report = report(pasts.iter(), &[], &WINDOWS, now);
    assert_eq!(report.overall, Grade::Unhealthy);
    assert_eq!(report.recommendations, ["http/a: takes 10m to recover on average: optimise its recovery"]);
    assert_eq!(report.subjects[0].windows["24h"].episodes, 3);
    assert_eq!(report.subjects[0].windows["1h"].episodes, 1);
}

#[test]
fn kinds_of_events_have_one_name_each() {
    for kind in EventKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let event = Event::new(EventKind::CircuitOpened, Timestamp::from_secs(1), "check", "http/a");
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
}

#[test]
fn metrics_are_bounded_and_speak_of_those_that_failed_first() {
    let now = Timestamp::from_secs(1440 * 60);
    let quiet = |i: usize| (format!("http/site-{i:05}"), Past { steps: VecDeque::new(), ..day() });
    let mut pasts: std::collections::BTreeMap<String, Past> = (0..10_000).map(quiet).collect();
    pasts.insert("tcp/last".to_owned(), day());
    let families = families(&pasts, &[], now);
    let family = |name: &str| families.iter().find(|family| &*family.name == name).unwrap();
    let episodes = family("breakwatch_recovery_episodes");
    assert_eq!(episodes.points.len(), 2 * 1000, "two windows of a thousand");
    let failed = episodes.points.iter().find(|point| point.labels.value("name") == "tcp/last").unwrap();
    assert_eq!(failed.value, 3.0);
    assert_eq!(family("breakwatch_recovery_left_out").points[0].value, 9001.0);
    assert_eq!(family("breakwatch_breaker_flapping").points.len(), 10_001, "every breaker has this one");
}

/// As much as is kept of one check: with a search from the end for each step this would not end.
#[test]
fn a_month_of_flapping_is_computed_in_one_go() {
    let at = |i: i64| Timestamp::from_secs(i * 26);
    let pairs = (0..50_000).flat_map(|i| {
        let down = (at(2 * i), Status::Unhealthy, State::Open);
        [down, (at(2 * i + 1), Status::Healthy, State::Closed)]
    });
    let mut past = Past::default();
    for (at, status, to) in pairs {
        past.statuses.push_back((at, status));
        past.steps.push_back(Step { at, to });
    }
    let figures = figures(&past, &[], Span { start: at(0), end: at(100_000) });
    assert_eq!((figures.episodes, figures.recovered, figures.availability), (50_000, 50_000, Some(0.5)));
    assert_eq!(figures.mttr_seconds, Some(26.0));
}
