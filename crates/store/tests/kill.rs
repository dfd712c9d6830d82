//! Kill -9 at random moments: whatever was acknowledged is there after the restart, and nothing else is.
//!
//! The child is this same test program, called for one test that works only when it is told a directory. It
//! writes a line for everything that was acknowledged; the parent kills it and compares.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use breakwatch_model::{Appender, Batch, Labels, Metadata, Sample, StateStore, Table, TimeRange, Timestamp};
use breakwatch_store::History;
use common::{START, open, samples};

const DIR: &str = "BREAKWATCH_KILL_DIR";

/// A step is this many milliseconds of the store's time: days pass while the rounds run.
const STEP: i64 = 30_000;
const SERIES: i64 = 12;

fn rounds() -> u64 {
    std::env::var("BREAKWATCH_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

fn time(step: i64) -> i64 {
    START + step * STEP
}

fn value(step: i64, series: i64) -> f64 {
    ((step * 7919 + series * 104_729) % 10_007) as f64 / 16.0
}

fn labels(series: i64) -> Labels {
    Labels::from_pairs([("__name__", format!("m{}", series % 4)), ("check", format!("c{}", series / 4))])
}

fn next_step(history: &History) -> i64 {
    samples(history).keys().map(|(_, t)| (t - START) / STEP + 1).max().unwrap_or(0)
}

/// The child: appends and commits until it is killed.
#[test]
fn child_process() {
    let Some(path) = std::env::var_os(DIR) else { return };
    let first = next_step(&open(Path::new(&path), START + 400 * 86_400_000).history);
    let store = open(Path::new(&path), time(first));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = store.history.maintain();
                std::thread::yield_now();
            }
        });
        let mut out = std::io::stdout().lock();
        for step in first.. {
            store.clock.set(time(step));
            for series in 0..SERIES {
                let reference = store.history.resolve(&labels(series), &Metadata::default());
                let sample = Sample::new(Timestamp(time(step)), value(step, series));
                store.history.append(&[(reference, sample)]).unwrap();
            }
            store.history.tick().unwrap();
            let mut batch = Batch::new();
            batch.put(Table::Alerts, format!("{}", step % 50), step.to_string().into_bytes());
            batch.append(Table::Events, Timestamp(step), step.to_string().into_bytes());
            store.state.commit(batch).unwrap();
            if writeln!(out, "step {step}").and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Runs the child for a while and kills it; gives the steps it acknowledged.
fn run_and_kill(path: &Path, delay: Duration) -> Vec<i64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_process", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.filter_map(|line| line.strip_prefix("step ")?.parse().ok()).collect()
    });
    common::pause(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut place = tempfile::tempdir().unwrap();
    let seed = std::env::var("BREAKWATCH_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut acknowledged: Vec<i64> = Vec::new();
    let mut total = 0;
    for round in 0..rounds() {
        // A store of fifty kills is old enough; comparing takes longer the older it is.
        if round % 50 == 49 {
            place = tempfile::tempdir().unwrap();
            total += std::mem::take(&mut acknowledged).len();
        }
        let delay = Duration::from_millis(rng.u64(100..1500));
        acknowledged.extend(run_and_kill(place.path(), delay));
        let store = open(place.path(), START + 400 * 86_400_000);
        assert_eq!(store.dir.incidents().since(0), [], "round {round}");
        let Some(last) = acknowledged.last().copied() else { continue };
        let found = samples(&store.history);
        for step in 0..=last {
            for series in 0..SERIES {
                let sample = found.get(&(labels(series), time(step)));
                assert_eq!(
                    sample,
                    Some(&value(step, series).to_bits()),
                    "round {round}, step {step} of {last}"
                );
            }
        }
        for ((labels, t), v) in &found {
            let series = (0..SERIES).find(|series| crate::labels(*series) == *labels).unwrap();
            let step = (t - START) / STEP;
            assert_eq!(*v, value(step, series).to_bits(), "round {round}: a wrong value");
            // Besides what was acknowledged, each round may have left a step in flight.
            assert!(step <= last + round as i64 + 1, "round {round}: step {step} of {last}");
        }
        let events =
            store.state.journal(Table::Events, TimeRange::new(Timestamp::MIN, Timestamp::MAX), 0).unwrap();
        let events: Vec<i64> =
            events.iter().map(|e| String::from_utf8_lossy(&e.value).parse().unwrap()).collect();
        assert!(events.windows(2).all(|pair| pair[0] < pair[1]), "round {round}: an event twice");
        let lost = acknowledged.iter().find(|step| events.binary_search(step).is_err());
        assert_eq!(lost, None, "round {round}: an event is gone");
        for record in store.state.table(Table::Alerts) {
            let step: i64 = String::from_utf8_lossy(&record.value).parse().unwrap();
            assert_eq!((step % 50).to_string(), record.key, "round {round}");
            let newest = acknowledged.iter().rev().find(|known| *known % 50 == step % 50);
            assert!(newest.is_none_or(|newest| step >= *newest), "round {round}: a record went back in time");
        }
        drop(store);
    }
    total += acknowledged.len();
    println!("{} rounds, {total} steps acknowledged", rounds());
    assert!(total > 100);
}
