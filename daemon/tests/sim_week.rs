//! A week in the life of five hundred checks: outages, flapping, a database that takes fifty services along, a
//! maintenance window, a silence, a pause, a receiver that is away, and an outage of the daemon's own link. What the
//! receivers are told must be what the script gives by hand (`week/expected.rs`), and to the second what the golden file
//! says (`week/week.txt`).
//!
//! `BREAKWATCH_SIM_DAYS=365` runs a year; the golden file speaks of the first week.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod engine;
mod week;

use week::estate::WEEK;

const GOLDEN: &str = include_str!("week/week.txt");

#[tokio::test(start_paused = true)]
async fn exactly_what_the_script_gives_is_told() {
    let days = std::env::var("BREAKWATCH_SIM_DAYS").map_or(7, |days| days.parse().expect("a number of days"));
    let weeks = (days / 7_u64).max(1);
    let told = week::run(weeks).await;
    let differences = week::expected::differences(&told, weeks);
    let lines: Vec<String> = told.iter().filter(|told| told.at < WEEK).map(ToString::to_string).collect();
    assert!(differences.is_empty(), "{differences:#?}\nall that was told:\n{}", lines.join("\n"));
    let golden: Vec<&str> =
        GOLDEN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines == golden, "not what the golden file says:\n{}", lines.join("\n"));
}
