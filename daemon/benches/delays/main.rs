//! How late checks start: while Slack, a host with 200 checks and a database hang; while every second check hangs; and
//! with ten thousand checks that only have to be started.
//!
//! The first two drive the release binary with real sockets and see the delays from outside, at the target. The third
//! runs the scheduler alone. `cargo bench -p breakwatch --bench delays [-- incident|half|many]`.
#![allow(clippy::print_stdout, reason = "a bench prints")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench may be blunt")]
#![allow(clippy::disallowed_methods, reason = "what is measured is the real world")]
#![allow(unreachable_pub, reason = "shared with tests")]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/hung/mod.rs"]
mod hung;
mod many;

use std::time::{Duration, Instant};

use common::Bench;
use hung::{Targets, delays, every_second_hangs, incident, quantile};

/// The goal of both: a check that works starts at most this late, or 99 in 100 of them.
const GOAL: Duration = Duration::from_secs(1);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs: [(&str, fn()); 3] = [("incident", run_incident), ("half", run_half), ("many", many::run)];
    for (name, run) in runs {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            run();
        }
    }
}

fn run_incident() {
    let targets = Targets::start();
    let bench = Bench::new(&incident(&targets, 200, 200, Duration::from_secs(30)));
    let daemon = bench.start();
    daemon.wait("everything that hangs", |_| {
        let [host, slack, database] = [2, 3, 4].map(|last| targets.held([127, 0, 0, last]));
        host >= 32 && slack >= 1 && database >= 1
    });
    let what = "200 healthy checks at 1s beside a hung host with 200, a hung database and a hung Slack";
    report(what, &targets, Duration::from_secs(1), Duration::from_secs(30), "http/fine-");
}

fn run_half() {
    let (targets, interval) = (Targets::start(), Duration::from_secs(5));
    let bench = Bench::new(&every_second_hangs(&targets, 2000, interval));
    let daemon = bench.start();
    daemon.wait("a thousand that hang", |_| targets.open() >= 990);
    report(
        "1000 of 2000 checks at 5s hang all the time",
        &targets,
        interval,
        Duration::from_secs(40),
        "http/c-",
    );
    drop(daemon);
}

/// Waits, and prints how late the healthy checks started meanwhile; `stem` is what their names have before the number.
fn report(what: &str, targets: &Targets, interval: Duration, span: Duration, stem: &str) {
    // The first run of a check is off its grid.
    std::thread::sleep(interval);
    targets.take_arrivals();
    let began = Instant::now();
    let mut open = Vec::new();
    while began.elapsed() < span {
        std::thread::sleep(Duration::from_millis(100));
        open.push(targets.open());
    }
    let hanging = open.iter().sum::<usize>() / open.len().max(1);
    let arrivals = targets.take_arrivals();
    let late = delays(&arrivals, interval, |path| format!("{stem}{}", &path[1..]));
    let expected = arrivals.len() as f64 * span.as_secs_f64() / interval.as_secs_f64();
    println!("{what}:");
    println!(
        "  {} checks, {} starts (expected about {expected:.0}), {hanging} hanging",
        arrivals.len(),
        late.len()
    );
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| quantile(&late, share));
    println!("  start delay p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?} (goal {GOAL:?})");
}
