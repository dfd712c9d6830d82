use std::time::Duration;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// Every night from two to four, UTC.
fn nightly() -> Vec<Recurrence> {
    vec![Recurrence::new("0 2 * * *", HOUR * 2, "").unwrap()]
}

#[test]
fn a_window_opens_and_closes() {
    let switch = PauseSwitch::new(false, None);
    switch.set_windows(nightly());
    assert!(!switch.look(at("2024-01-01T01:59:59Z")) && !switch.is_paused());
    assert!(switch.look(at("2024-01-01T02:00:00Z")) && switch.is_paused());
    let window = "0 2 * * * for 2h UTC".to_owned();
    assert_eq!(switch.by(), Some(PausedBy::Schedule { until: at("2024-01-01T04:00:00Z"), window }));
    assert!(!switch.look(at("2024-01-01T03:00:00Z")) && switch.is_paused());
    assert!(switch.look(at("2024-01-01T04:00:00Z")) && !switch.is_paused());
    assert_eq!((switch.by(), switch.saved()), (None, None));
}

#[test]
fn who_resumes_inside_a_window_resumes_for_the_rest_of_it_across_a_restart() {
    let switch = PauseSwitch::new(false, None);
    switch.set_windows(nightly());
    assert!(switch.look(at("2024-01-01T02:30:00Z")));
    switch.resume(at("2024-01-01T02:31:00Z"));
    switch.resume(at("2024-01-01T02:32:00Z"));
    assert!(!switch.is_paused() && !switch.look(at("2024-01-01T03:59:59Z")));
    let saved = serde_json::to_vec(&switch.saved().unwrap()).unwrap();
    let restarted = PauseSwitch::new(false, Some(serde_json::from_slice(&saved).unwrap()));
    restarted.set_windows(nightly());
    assert!(!restarted.look(at("2024-01-01T03:00:00Z")), "still resumed");
    assert!(
        restarted.look(at("2024-01-02T02:00:00Z")) && restarted.is_paused(),
        "the next night it holds again"
    );
}

#[test]
fn a_person_wins_over_the_configuration_until_that_changes() {
    let switch = PauseSwitch::new(true, None);
    assert!(switch.is_paused() && switch.by() == Some(PausedBy::User));
    switch.resume(at("2024-01-01T00:00:00Z"));
    let saved = switch.saved();
    assert!(!PauseSwitch::new(true, saved).is_paused(), "after a restart");
    let reloaded = PauseSwitch::new(true, None);
    reloaded.inherit(&switch);
    assert!(!reloaded.is_paused(), "after a reload that changes something else");
    let changed = PauseSwitch::new(false, None);
    changed.inherit(&reloaded);
    assert!(!changed.is_paused());
    changed.pause();
    let back = PauseSwitch::new(true, changed.saved());
    assert!(back.is_paused(), "the configuration says so now");
    let off = PauseSwitch::new(false, None);
    off.inherit(&back);
    assert!(!off.is_paused(), "and now the opposite");
    // What an earlier release wrote.
    let earlier: SavedPause = serde_json::from_str(r#"{"paused":true}"#).unwrap();
    assert!(PauseSwitch::new(false, Some(earlier)).is_paused());
}

#[test]
fn a_person_s_pause_outlasts_every_window_and_of_several_windows_the_last_counts() {
    let switch = PauseSwitch::new(false, None);
    let mut windows = nightly();
    windows.push(Recurrence::new("0 3 * * *", HOUR * 3, "").unwrap());
    switch.set_windows(windows);
    switch.look(at("2024-01-01T03:30:00Z"));
    let Some(PausedBy::Schedule { until, .. }) = switch.by() else { panic!("paused by a schedule") };
    assert_eq!(until, at("2024-01-01T06:00:00Z"));
    switch.pause();
    assert!(!switch.look(at("2024-01-01T07:00:00Z")) && switch.is_paused());
    assert_eq!(switch.by(), Some(PausedBy::User));
}
