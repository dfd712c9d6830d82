//! Configuration and state in files.
#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

use std::time::Duration;

use breakwatch_breaker::{BucketSnapshot, Config, Preset, SlowCall, Snapshot, Window, WindowSnapshot};

fn read(json: &str) -> Result<Config, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn only_what_differs_from_the_preset_is_written() {
    let config = read(r#"{"preset": "http_api", "failure_threshold": 3, "open_for": "1m30s"}"#).unwrap();
    let expected = Preset::HttpApi.builder().failure_threshold(3).open_for(Duration::from_secs(90));
    assert_eq!(config, expected.build().unwrap());
}

#[test]
fn null_turns_a_rule_off_and_absence_leaves_it() {
    let config = read(r#"{"failure_rate": null, "call_timeout": 2.5}"#).unwrap();
    assert_eq!(config.failure_rate, None);
    assert_eq!(config.failure_threshold, Some(5));
    assert_eq!(config.call_timeout, Some(Duration::from_millis(2500)));
}

#[test]
fn every_preset_survives_the_way_out_and_back() {
    for preset in Preset::ALL {
        let slow = preset.builder().slow_call(Duration::from_millis(250), 0.25).build().unwrap();
        for config in [preset.config(), slow] {
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(read(&json).unwrap(), config, "{json}");
        }
        assert_eq!(preset.as_str().parse(), Ok(preset));
    }
    let error = "http-api".parse::<Preset>().unwrap_err().to_string();
    assert!(error.contains("`http-api`") && error.contains("http_api, database"), "{error}");
}

#[test]
fn what_the_builder_refuses_a_file_cannot_bring_in() {
    let message =
        read(r#"{"failure_rate": 1.5, "backoff_multiplier": 0.5, "half_open_permits": 0}"#).unwrap_err();
    for field in ["`failure_rate`", "`backoff_multiplier`", "`half_open_permits`"] {
        assert!(message.contains(field), "{field} is missing in: {message}");
    }
    assert!(read(r#"{"failure_treshold": 3}"#).unwrap_err().contains("failure_treshold"));
    assert!(read(r#"{"window": {"calls": 5, "time": "60s"}}"#).unwrap_err().contains("either"));
    assert!(read(r#"{"window": {"calls": 5, "buckets": 3}}"#).is_err());
    assert!(read(r#"{"open_for": -5}"#).is_err());
    assert!(read(r#"{"open_for": 1e300}"#).is_err());
}

#[test]
fn windows_are_told_apart_by_their_keys() {
    let count = read(r#"{"window": {"calls": 20}}"#).unwrap();
    assert_eq!(count.window, Window::Count(20));
    let time = read(r#"{"window": {"time": 30}}"#).unwrap();
    assert_eq!(time.window, Window::Time { length: Duration::from_secs(30), buckets: 10 });
}

/// A time in a file, read through a field that is not judged.
fn time(text: &str) -> Option<Duration> {
    let json = serde_json::json!({ "duration": text, "rate": 0.5 });
    serde_json::from_value::<SlowCall>(json).ok().map(|slow| slow.duration)
}

#[test]
fn times_are_read_strictly() {
    let good = [
        ("250ms", Duration::from_millis(250)),
        ("1m30s", Duration::from_secs(90)),
        ("1d2h", Duration::from_secs(26 * 3600)),
        ("0s", Duration::ZERO),
        ("7us5ns", Duration::from_nanos(7005)),
    ];
    for (text, length) in good {
        assert_eq!(time(text), Some(length), "{text}");
    }
    let bad = [
        "",
        "s",
        "5",
        "5 s",
        "1s1m",
        "1s1s",
        "-1s",
        "1.5s",
        "5x",
        "99999999999999999999s",
        "300000000d",
        "5s ",
        "é",
    ];
    for text in bad {
        assert_eq!(time(text), None, "{text}");
    }
}

#[test]
fn times_are_written_without_loss() {
    for nanos in [0, 1, 999, 1_500, 1_000_000, 90_000_000_000, 90_000_000_001] {
        let slow = SlowCall { duration: Duration::from_nanos(nanos), rate: 0.5 };
        let json = serde_json::to_value(slow).unwrap();
        assert_eq!(time(json["duration"].as_str().unwrap()), Some(slow.duration));
    }
}

#[test]
fn a_snapshot_survives_the_way_out_and_back() {
    let saved = Snapshot {
        open_left: Duration::new(5, 7),
        window: WindowSnapshot::Time(vec![BucketSnapshot { calls: 3, ..BucketSnapshot::default() }]),
        ..Snapshot::default()
    };
    let json = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), saved);
}
