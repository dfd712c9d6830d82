use std::sync::Arc;

use breakwatch_model::{
    Appender, Batch, CancelToken, Clock, Labels, Metadata, MetricKind, Sample, SeriesRef, StateStore, Table,
    TimeRange, Timestamp,
};

use super::*;
use crate::history::{History, HistoryOptions};
use crate::testing::SetClock;
use crate::{DataDir, StateLog, StateOptions};

const START: i64 = 1_700_006_400_000;
const DAY: i64 = 86_400_000;

struct Store {
    clock: Arc<SetClock>,
    dir: DataDir,
    state: Arc<StateLog>,
    history: Arc<History>,
}

fn open(path: &std::path::Path, now: i64) -> Store {
    let clock = SetClock::at(now);
    let dir = DataDir::open(path, clock.clone()).unwrap();
    let state = StateLog::open(&dir, StateOptions::default()).unwrap();
    let options = HistoryOptions { background: false, ..HistoryOptions::default() };
    let history = History::open(&dir, options).unwrap();
    Store { clock, dir, state, history }
}

fn export(history: &History) -> String {
    let mut out = Vec::new();
    let all = TimeRange::new(Timestamp::MIN, Timestamp::MAX);
    history.export_openmetrics(&[], all, &CancelToken::new(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A store with a finished day in blocks, chunks in the hot tier, samples in the log, state and journals.
fn filled(path: &std::path::Path) -> Store {
    let store = open(path, START + DAY + 1000);
    let meta = Metadata { kind: MetricKind::Counter, ..Metadata::default() };
    let series: Vec<SeriesRef> = (0..5)
        .map(|n| {
            store
                .history
                .resolve(&Labels::from_pairs([("__name__", "c_total".into()), ("n", n.to_string())]), &meta)
        })
        .collect();
    store
        .history
        .load_day(START / DAY, &mut |reference| {
            (0..1440)
                .map(|n| Sample::new(Timestamp(START + n * 60_000), (n + reference.0 as i64) as f64))
                .collect()
        })
        .unwrap();
    for n in 0..150 {
        let t = Timestamp(START + DAY + n * 60_000);
        store.clock.set(t.0);
        let batch: Vec<_> = series.iter().map(|r| (*r, Sample::new(t, n as f64 / 8.0))).collect();
        store.history.append(&batch).unwrap();
        store.history.tick().unwrap();
        store.history.maintain().unwrap();
    }
    for n in 0..50 {
        let mut batch = Batch::new();
        batch.put(Table::Alerts, format!("{n}"), b"{}".to_vec());
        batch.append(Table::Events, Timestamp(n), b"[]".to_vec());
        store.state.commit(batch).unwrap();
    }
    store.state.maintain().unwrap();
    store
}

#[test]
fn a_backup_of_a_running_store_restores_to_the_same() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy, back) =
        (place.path().join("data"), place.path().join("copy"), place.path().join("back"));
    let store = filled(&data);
    assert!(store.history.stats().hot_chunks > 0 && store.history.stats().head_samples > 0);
    let summary = backup(&store.history, &store.state, &copy).unwrap();
    assert!(summary.files.iter().any(|(name, ..)| name.starts_with("blocks/partial-")));
    let before = export(&store.history);
    // Life goes on; the backup stays what it was.
    let reference = SeriesRef(0);
    store.history.append(&[(reference, Sample::new(Timestamp(START + DAY + 9_000_000), 7.0))]).unwrap();
    assert_eq!(verify(&copy, true).unwrap().problems, []);
    restore(&copy, &back).unwrap();
    let restored = open(&back, START + DAY + 3 * 3_600_000);
    assert_eq!(restored.dir.incidents().since(0), []);
    assert!(export(&restored.history) == before);
    assert_eq!(restored.state.table(Table::Alerts), store.state.table(Table::Alerts));
    let all = TimeRange::new(Timestamp::MIN, Timestamp::MAX);
    assert_eq!(restored.state.journal(Table::Events, all, 0).unwrap().len(), 50);
    // The restored store goes on.
    restored.history.append(&[(reference, Sample::new(Timestamp(START + DAY + 9_000_000), 7.0))]).unwrap();
    assert!(export(&restored.history) == export(&store.history));
    assert!(restore(&copy, &back).is_err(), "a directory with data in it is left alone");
}

#[test]
fn a_damaged_or_unfinished_backup_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy) = (place.path().join("data"), place.path().join("copy"));
    let store = filled(&data);
    backup(&store.history, &store.state, &copy).unwrap();
    let mut bytes = std::fs::read(copy.join("series.log")).unwrap();
    bytes[40] ^= 1;
    std::fs::write(copy.join("series.log"), bytes).unwrap();
    assert_eq!(verify(&copy, true).unwrap().problems.len(), 1);
    let back = place.path().join("back");
    assert!(restore(&copy, &back).is_err());
    let refused = DataDir::open(&back, SetClock::at(START)).unwrap_err();
    assert!(refused.to_string().contains("interrupted"), "{refused}");
    std::fs::remove_file(copy.join("BACKUP.json")).unwrap();
    assert!(restore(&copy, &place.path().join("other")).is_err());
}

#[test]
fn info_and_verify_look_without_touching() {
    let place = tempfile::tempdir().unwrap();
    let store = filled(place.path());
    let found = info(place.path()).unwrap();
    assert_eq!(found.format, "breakwatch-store 1");
    assert_eq!(
        found.blocks.iter().map(|b| (b.kind, b.samples)).collect::<Vec<_>>(),
        [("raw", 7200), ("rollup", 1440)]
    );
    assert_eq!((found.hot_days.len(), found.quarantine.len()), (1, 0));
    let report = verify(place.path(), false).unwrap();
    assert_eq!((report.problems.len(), report.skipped.len()), (0, 1));
    store.history.close().unwrap();
    drop(store);
    let report = verify(place.path(), true).unwrap();
    assert_eq!((report.problems, report.skipped.len()), (Vec::new(), 0));
    assert!(report.chunks >= 3);
}

#[test]
fn days_that_are_not_over_are_not_loaded() {
    let place = tempfile::tempdir().unwrap();
    let store = filled(place.path());
    assert!(store.history.load_day(START / DAY, &mut |_| Vec::new()).is_err(), "it has a block");
    assert!(store.history.load_day(START / DAY + 1, &mut |_| Vec::new()).is_err(), "it is today");
    let outside = |_| vec![Sample::new(Timestamp(START), 1.0)];
    assert!(store.history.load_day(START / DAY - 5, &mut { outside }).is_err());
    assert_eq!(info(place.path()).unwrap().blocks.len(), 2);
}

#[test]
fn an_export_is_imported_to_the_same() {
    let place = tempfile::tempdir().unwrap();
    let store = filled(&place.path().join("data"));
    let odd = Labels::from_pairs([("__name__", "odd_seconds"), ("text", "a \"b\" \\ c\nd, {e}")]);
    let meta = Metadata { help: "what \"it\" is".into(), unit: "seconds".into(), ..Metadata::default() };
    let reference = store.history.resolve(&odd, &meta);
    let now = store.clock.now().0;
    for (n, v) in [0.1, f64::NAN, f64::INFINITY, -0.0, 1e300, 123_456_789.125].into_iter().enumerate() {
        store.history.append(&[(reference, Sample::new(Timestamp(now + n as i64), v))]).unwrap();
    }
    let text = export(&store.history);
    let other = open(&place.path().join("other"), now);
    let imported = other.history.import_openmetrics(&mut text.as_bytes()).unwrap();
    assert_eq!((imported.samples, imported.refused), (5 * (1440 + 150) + 6, 0));
    assert!(export(&other.history) == text);
    assert_eq!(other.history.stats().blocks, 2, "the finished day is a block");
    // Once more: what is there is not doubled; the newest sample of each series counts as taken.
    let again = other.history.import_openmetrics(&mut text.as_bytes()).unwrap();
    assert_eq!((again.samples, again.refused), (6, 5 * (1440 + 150)));
    assert!(export(&other.history) == text);
    let wrong = other.history.import_openmetrics(&mut "up 1 1\nup{ 1 1\n".as_bytes()).unwrap_err();
    assert!(wrong.to_string().contains("line 2"), "{wrong}");
}

#[test]
fn what_is_no_data_directory_is_not_taken_for_one() {
    let place = tempfile::tempdir().unwrap();
    let refused = info(place.path()).unwrap_err().to_string();
    assert!(refused.contains("is no data directory"), "{refused}");
    let gone = place.path().join("gone");
    assert!(info(&gone).is_err() && crate::DirLock::take(&gone).is_err() && !gone.exists());
    let store = filled(&place.path().join("data"));
    assert!(crate::DirLock::take(store.dir.path()).is_err(), "it is open");
}
