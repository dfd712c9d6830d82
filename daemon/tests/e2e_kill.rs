//! kill -9 at random moments: state and history open each time, and nothing that was acknowledged is lost.
//!
//! `BREAKWATCH_KILL_ROUNDS` sets the number of rounds (20 by default; the soak run takes 200), `BREAKWATCH_SEED` the
//! seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::time::Duration;

use common::Bench;

const CONFIG: &str = "
defaults: { interval: 100ms, timeout: 100ms }
checks: { memory: {}, load: {} }
store: { path: data, tick: 100ms }
";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let rounds = number("BREAKWATCH_KILL_ROUNDS", 20);
    let seed = number("BREAKWATCH_SEED", fastrand::u64(..));
    println!("seed {seed}, {rounds} rounds");
    let mut rng = fastrand::Rng::with_seed(seed);
    let bench = Bench::new(CONFIG);
    let (mut held, mut oldest) = (false, None);
    for round in 0..rounds {
        let daemon = bench.start();
        let state = daemon.json("/api/resilience/circuit-breakers/load");
        assert_eq!(
            state["data"]["held"],
            held,
            "round {round}: an acknowledged change is gone\n{}",
            daemon.log()
        );
        assert!(!daemon.log().contains("store_damage"), "round {round}:\n{}", daemon.log());
        let first = daemon.query("min_over_time(timestamp(probe_success{check=\"memory\"})[1h:1s])");
        if let (Some(oldest), Some(first)) = (oldest, first) {
            assert!(first <= oldest + 1.5, "round {round}: history begins at {first}, it began at {oldest}");
        }
        oldest = oldest.or(first);
        if rng.bool() {
            let action = if held { "release" } else { "hold" };
            let (status, body) = daemon
                .post(&format!("/api/resilience/circuit-breakers/load/{action}"), r#"{"reason":"drill"}"#);
            assert_eq!(status, 200, "{body}");
            // A hold is acknowledged once it is answered for; see that it is durable before the kill.
            held = !held;
        }
        std::thread::park_timeout(Duration::from_millis(rng.u64(1..400)));
        daemon.kill();
    }
}
