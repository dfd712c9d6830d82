//! Damage to a real directory, sled's files included: it always opens, shows no value that was never written,
//! and says what was lost.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod common;

use std::path::{Path, PathBuf};

use breakwatch_model::{Appender, Batch, Labels, Metadata, Sample, SeriesRef, StateStore, Table, Timestamp};
use common::{START, Samples, open, samples};

const QUARTER: i64 = 900_000;
const STEPS: i64 = 160;

/// How many mutations; the soak run takes a thousand.
fn mutations() -> u64 {
    std::env::var("BREAKWATCH_STORE_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

/// A store with state, blocks, chunks in sled and a log.
fn fill(path: &Path) -> Samples {
    let store = open(path, START);
    let mut written = Samples::new();
    let names: Vec<Labels> = (0..6)
        .map(|n| Labels::from_pairs([("__name__", format!("m{}", n % 3)), ("check", format!("c{}", n / 3))]))
        .collect();
    let series: Vec<SeriesRef> =
        names.iter().map(|labels| store.history.resolve(labels, &Metadata::default())).collect();
    for step in 0..STEPS {
        let now = START + step * QUARTER;
        store.clock.set(now);
        for (labels, reference) in names.iter().zip(&series) {
            let value = (now % 1013) as f64 / 8.0;
            written.insert((labels.clone(), now), value.to_bits());
            store.history.append(&[(*reference, Sample::new(Timestamp(now), value))]).unwrap();
        }
        store.history.tick().unwrap();
        store.history.maintain().unwrap();
        let mut batch = Batch::new();
        batch.put(Table::Alerts, step.to_string(), vec![b'a'; 100]);
        batch.append(Table::Events, Timestamp(now), vec![b'e'; 100]);
        store.state.commit(batch).unwrap();
    }
    let stats = store.history.stats();
    assert!(stats.blocks >= 2 && stats.hot_chunks > 0 && stats.head_samples > 0, "{stats:?}");
    written
}

fn files(path: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if !path.ends_with("lock") {
            out.push(path);
        }
    }
}

fn mutate(path: &Path, rng: &mut fastrand::Rng) -> &'static str {
    let what = ["flip", "truncate", "zero", "delete"][rng.usize(0..4)];
    if what == "delete" {
        std::fs::remove_file(path).unwrap();
        return what;
    }
    let mut bytes = std::fs::read(path).unwrap();
    if bytes.is_empty() {
        return "nothing";
    }
    let at = rng.usize(0..bytes.len());
    match what {
        "flip" => bytes[at] ^= 1 << rng.u32(0..8),
        "truncate" => bytes.truncate(at),
        _ => {
            let end = (at + rng.usize(1..4096)).min(bytes.len());
            bytes[at..end].fill(0);
        }
    }
    std::fs::write(path, bytes).unwrap();
    what
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_damaged_directory_always_opens() {
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    let written = fill(&whole);
    let now = START + STEPS * QUARTER;
    let first: u64 = std::env::var("BREAKWATCH_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..first.saturating_add(mutations()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let path = place.path().join(format!("copy-{seed}"));
        copy(&whole, &path);
        let mut all = Vec::new();
        // Every other time into sled's files, which are few.
        files(&if seed % 2 == 0 { path.join("hot") } else { path.clone() }, &mut all);
        all.sort();
        let file = all[rng.usize(0..all.len())].clone();
        let what = mutate(&file, &mut rng);
        let context = format!("seed {seed}: {what} {}", file.display());
        let store = open(&path, now);
        let found = samples(&store.history);
        let wrong = found.iter().find(|(key, value)| written.get(key) != Some(value));
        assert_eq!(wrong, None, "{context}: a value that was never written");
        let incidents = store.dir.incidents().total() + store.history.stats().damaged_chunks;
        if found.len() < written.len() {
            assert!(incidents > 0, "{context}: a loss was not reported");
            assert!(found.len() * 4 > written.len(), "{context}: {} of {} left", found.len(), written.len());
        }
        let alerts = store.state.table(Table::Alerts).len();
        assert!(alerts as i64 == STEPS || incidents > 0, "{context}: {alerts} records");
        // Life goes on.
        let fresh = store.history.resolve(&Labels::from_pairs([("__name__", "fresh")]), &Metadata::default());
        store.history.append(&[(fresh, Sample::new(Timestamp(now), 1.0))]).unwrap();
        store.history.tick().unwrap();
        store.history.maintain().unwrap();
        let before = samples(&store.history);
        drop(store);
        let store = open(&path, now);
        assert!(samples(&store.history) == before, "{context}: the second opening differs");
        drop(store);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
