//! A hung Slack endpoint, a hung host with 200 checks and a hung database together delay no other check: a real daemon
//! and real sockets. The bench `delays` gives the figure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]
#![expect(clippy::disallowed_methods, reason = "what is measured is the real world")]

mod common;
mod hung;

use std::time::{Duration, Instant};

use common::Bench;
use hung::{Targets, delays, incident, quantile};

const HEALTHY: usize = 20;
const HUNG: usize = 200;
/// What hangs, hangs for so long; whoever had to wait for it would be late by much more than a busy machine explains.
const HANGS_FOR: Duration = Duration::from_secs(30);
const LOOSE: Duration = Duration::from_secs(10);

#[test]
fn what_hangs_delays_nothing_else() {
    let targets = Targets::start();
    let bench = Bench::new(&incident(&targets, HEALTHY, HUNG, HANGS_FOR));
    let daemon = bench.start();
    daemon.wait("everything that hangs", |_| {
        let [host, slack, database] = [2, 3, 4].map(|last| targets.held([127, 0, 0, last]));
        host >= 32 && slack >= 1 && database >= 1
    });
    targets.take_arrivals();
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(12));
    assert!(targets.open() > 32, "they hang still");
    let arrivals = targets.take_arrivals();
    assert_eq!(arrivals.len(), HEALTHY, "every one of them ran: {:?}", arrivals.keys());
    for (path, times) in &arrivals {
        let ends = [began].into_iter().chain(times.iter().copied()).chain([Instant::now()]);
        let ends: Vec<Instant> = ends.collect();
        let longest = ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest < LOOSE, "{path} did not run for {longest:?}");
    }
    // Not judged: the machine may be busy.
    let late = delays(&arrivals, Duration::from_secs(1), |path| format!("http/fine-{}", &path[1..]));
    println!(
        "p50 {:?}, p99 {:?}, max {:?}",
        quantile(&late, 0.5),
        quantile(&late, 0.99),
        quantile(&late, 1.0)
    );
    let unknown = daemon.metric(r#"breakwatch_bulkhead_active{name="host/127.0.0.2"}"#);
    assert_eq!(unknown, Some(32.0), "the hung host has its own slots and no others");
}
