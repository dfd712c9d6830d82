//! Data directories as each release left them (`testdata/format-N.tar.gz`): this one opens them, finds every sample
//! and every record, and goes on from there.
//!
//! A release that changes the format adds its own: `BREAKWATCH_WRITE_FIXTURE=1` makes the one of today's version.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use breakwatch_model::{
    Appender, Batch, CancelToken, Labels, Metadata, Queryable, Sample, SeriesRef, StateStore, Table,
    TimeRange, Timestamp,
};
use breakwatch_store::{FORMAT_VERSION, admin};
use common::{START, Samples, Store, open, samples};

/// Milliseconds between samples.
const STEP: i64 = 300_000;
/// A day and a half: a block, chunks of an open day, and the newest in the log.
const STEPS: i64 = 430;
const SERIES: i64 = 4;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn labels(series: i64) -> Labels {
    Labels::from_pairs([("__name__", format!("m{}", series % 2)), ("check", format!("c{}", series / 2))])
}

/// Values of every kind of column.
fn value(step: i64, series: i64) -> f64 {
    match series {
        0 => f64::from(u8::from(step % 50 != 0)),
        1 => ((step * 7919) % 10_007) as f64 / 1e6,
        2 => ((step * 31) % 97) as f64 * 4096.0,
        _ => (step as f64 * 0.1).sin(),
    }
}

fn life(store: &Store, steps: std::ops::Range<i64>) {
    let references: Vec<SeriesRef> =
        (0..SERIES).map(|series| store.history.resolve(&labels(series), &Metadata::default())).collect();
    for step in steps {
        let now = START + step * STEP;
        store.clock.set(now);
        for (series, reference) in (0..).zip(&references) {
            let sample = Sample::new(Timestamp(now), value(step, series));
            store.history.append(&[(*reference, sample)]).unwrap();
        }
        store.history.tick().unwrap();
        store.history.maintain().unwrap();
        let mut batch = Batch::new();
        batch.put(Table::Alerts, (step % 20).to_string(), step.to_string().into_bytes());
        batch.append(Table::Events, Timestamp(now), step.to_string().into_bytes());
        store.state.commit(batch).unwrap();
    }
}

/// Every sample and record of `steps` steps is there, and nothing else.
fn check(store: &Store, steps: i64) {
    let cancel = CancelToken::new();
    let selector = store.history.prepare(&[], &cancel).unwrap();
    assert_eq!(selector.series.len() as i64, SERIES);
    let all = TimeRange::new(Timestamp::MIN, Timestamp::MAX);
    let expected = (0..SERIES).flat_map(|series| {
        (0..steps).map(move |step| ((labels(series), START + step * STEP), value(step, series).to_bits()))
    });
    assert!(samples(&store.history) == expected.collect::<Samples>(), "samples differ");
    for record in store.state.table(Table::Alerts) {
        let step: i64 = String::from_utf8_lossy(&record.value).parse().unwrap();
        assert!(step >= steps - 20 && (step % 20).to_string() == record.key, "{record:?}");
    }
    assert_eq!(store.state.table(Table::Alerts).len(), 20);
    let events = store.state.journal(Table::Events, all, 0).unwrap();
    let events: Vec<i64> =
        events.iter().map(|e| String::from_utf8_lossy(&e.value).parse().unwrap()).collect();
    assert_eq!(events, (0..steps).collect::<Vec<_>>());
    let first = store
        .history
        .rollups(selector.series[0].reference, TimeRange::new(Timestamp(START), Timestamp(START)));
    assert_eq!(first.unwrap().len(), 1, "rollups of the first day");
    assert_eq!(store.dir.incidents().since(0), []);
}

fn tar(args: &[&str], archive: &Path, dir: &Path) {
    let status = Command::new("tar").args(args).arg(archive).arg("-C").arg(dir).arg("data").status().unwrap();
    assert!(status.success(), "tar {args:?}");
}

#[test]
fn directories_of_every_release_open_and_go_on() {
    let archive = |version: u32| testdata().join(format!("format-{version}.tar.gz"));
    if std::env::var_os("BREAKWATCH_WRITE_FIXTURE").is_some() {
        let place = tempfile::tempdir().unwrap();
        let store = open(&place.path().join("data"), START);
        life(&store, 0..STEPS);
        drop(store);
        std::fs::create_dir_all(testdata()).unwrap();
        let owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--exclude=lock"];
        tar(&[&owner[..], &["-czf"]].concat(), &archive(FORMAT_VERSION), place.path());
    }
    for version in 1..=FORMAT_VERSION {
        let place = tempfile::tempdir().unwrap();
        tar(&["-xzf"], &archive(version), place.path());
        let path = place.path().join("data");
        let before = admin::info(&path).unwrap();
        assert_eq!(before.format, format!("breakwatch-store {version}"));
        assert!(!before.blocks.is_empty() && !before.hot_days.is_empty() && before.wal_bytes > 0);
        let store = open(&path, START + STEPS * STEP);
        check(&store, STEPS);
        life(&store, STEPS..STEPS + 300);
        check(&store, STEPS + 300);
        drop(store);
        let report = admin::verify(&path, true).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        assert_eq!(admin::info(&path).unwrap().format, format!("breakwatch-store {FORMAT_VERSION}"));
    }
}
