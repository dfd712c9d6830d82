//! Checks that do not run in windows of a schedule, in simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod engine;

use std::time::Duration;

use breakwatch::recovery::{Span, figures};
use breakwatch_alerts::config::Recurrence;
use breakwatch_model::{Clock as _, Status, Timestamp};
use engine::{BAD, Engine, OK, Scripted, settings};

const HOUR: Duration = Duration::from_secs(3600);

fn window(schedule: &str, duration: Duration, zone: &str) -> Vec<Recurrence> {
    vec![Recurrence::new(schedule, duration, zone).unwrap()]
}

/// When no attempt began for more than a minute: the last one before, and the first one after.
fn silences(check: &Scripted, start: Timestamp) -> Vec<(String, String)> {
    let begun = check.begun();
    let at = |since: Duration| (start + since).to_rfc3339()[..16].to_owned();
    let gaps = begun.windows(2).filter(|pair| pair[1] - pair[0] > Duration::from_secs(60));
    gaps.map(|pair| (at(pair[0]), at(pair[1]))).collect()
}

#[tokio::test(start_paused = true)]
async fn windows_follow_the_clocks_of_their_zone_when_those_are_changed() {
    // In Berlin the clocks go back an hour in the night to the 27th, while the check is paused.
    let start = Timestamp::parse_rfc3339("2024-10-25T22:00:00Z").unwrap();
    let mut engine = Engine::starting_at(start);
    let (check, unit) = engine.add("http/a", settings(), |_| OK);
    unit.pause.set_windows(window("0 2 * * *", HOUR, "Europe/Berlin"));
    engine.start();
    engine.pass(53 * 3600).await;
    let silent = silences(&check, start);
    let expected = [
        ("2024-10-25T23:59", "2024-10-26T01:00"),
        ("2024-10-26T23:59", "2024-10-27T01:00"),
        ("2024-10-28T00:59", "2024-10-28T02:00"),
    ];
    assert_eq!(silent, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_paused_check_is_neither_healthy_nor_down_and_its_breaker_hears_nothing() {
    let start = Timestamp::parse_rfc3339("2024-01-01T01:30:00Z").unwrap();
    let mut engine = Engine::starting_at(start);
    // Down for the whole hour in which it is paused, and for nothing else.
    let down = |at: Duration| if (30 * 60..90 * 60).contains(&at.as_secs()) { BAD } else { OK };
    let (_, unit) = engine.add("http/a", settings(), down);
    unit.pause.set_windows(window("0 2 * * *", HOUR, "UTC"));
    engine.start();
    engine.pass(29 * 60).await;
    assert_eq!(engine.status(&unit), Status::Healthy);
    engine.pass(60 + 10).await;
    assert_eq!(engine.status(&unit), Status::Unknown, "ten seconds into the window");
    engine.pass(30 * 60).await;
    assert_eq!(engine.status(&unit), Status::Unknown);
    let samples = engine.samples("probe_success", "http/a");
    assert_eq!(samples.last().expect("samples").1, None, "its series has ended");
    engine.pass(60 * 60).await;
    assert_eq!(engine.status(&unit), Status::Healthy);
    assert_eq!(engine.breaker_path("http/a"), []);
    assert_eq!(Engine::runs(&unit).keys().copied().collect::<Vec<_>>(), [Status::Healthy]);
    let now = engine.clock.now();
    let span = Span { start, end: now };
    let figures =
        engine.runner.observer.chronicle.look(now, |pasts, blind| figures(&pasts["http/a"], blind, span));
    assert_eq!(figures.availability, Some(1.0));
    let measured = figures.measured_seconds;
    assert!((3590.0..3720.0).contains(&measured), "an hour of two was paused: {measured} s");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_starts_inside_a_window_does_not_look_before_its_end() {
    let start = Timestamp::parse_rfc3339("2024-01-01T02:30:00Z").unwrap();
    let mut engine = Engine::starting_at(start);
    let (check, unit) = engine.add("http/a", settings(), |_| OK);
    unit.pause.set_windows(window("0 2 * * *", HOUR, "UTC"));
    engine.start();
    engine.pass(29 * 60).await;
    assert_eq!((check.begun().len(), engine.status(&unit)), (0, Status::Unknown));
    assert_eq!(engine.run_now("http/a").await, Some(Status::Healthy), "who asks for a run gets one");
    assert_eq!(engine.status(&unit), Status::Unknown, "and it stays paused");
    engine.pass(2 * 60).await;
    assert_eq!(engine.status(&unit), Status::Healthy);
}
