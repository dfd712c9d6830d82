use breakwatch_model::{Cursor, Follower, IndexStatistics};

use super::*;
use crate::disk::CrashMode;
use crate::incident::Unit;

#[test]
fn samples_are_seen_at_once_and_survive_a_power_cut_after_a_tick() {
    let bench = Bench::new();
    let up = bench.series(&labels("up", "a"));
    bench.push(up, START, 1.0);
    assert_eq!(dump(&*bench.history, all()), [(labels("up", "a"), vec![(START, 1.0_f64.to_bits())])]);
    bench.history.tick().unwrap();
    bench.push(up, START + 1000, 0.0);
    bench.disk.crash(CrashMode::Nothing);
    let bench = bench.reopen();
    assert_eq!(dump(&*bench.history, all()), [(labels("up", "a"), vec![(START, 1.0_f64.to_bits())])]);
    assert_eq!(bench.dir.incidents().since(0), []);
    // The series keeps its number and goes on.
    assert_eq!(bench.series(&labels("up", "a")), up);
    bench.push(up, START + 2000, 1.0);
}

#[test]
fn order_is_kept_as_prometheus_keeps_it() {
    let bench = Bench::new();
    let up = bench.series(&labels("up", "a"));
    let append = |t: i64, v: f64| bench.history.append(&[(up, Sample::new(Timestamp(t), v))]).unwrap();
    assert_eq!(append(START, 1.0).accepted, 1);
    assert_eq!(append(START, 1.0).accepted, 1, "the very same sample is no error");
    assert_eq!(append(START, 2.0).duplicate, 1);
    assert_eq!(append(START - 1, 2.0).out_of_order, 1);
    assert_eq!(append(START + 601_000, 2.0).too_far_ahead, 1);
    assert_eq!(dump(&*bench.history, all())[0].1.len(), 1);
    let stats = bench.history.stats();
    assert_eq!((stats.accepted, stats.duplicate, stats.out_of_order, stats.too_far_ahead), (2, 1, 1, 1));
}

#[test]
fn a_clock_that_was_wrong_does_not_stop_a_series() {
    let bench = Bench::new();
    let year = 365 * 86_400_000;
    let up = bench.series(&labels("up", "a"));
    bench.set(START + year);
    bench.push(up, START + year, 1.0);
    bench.set(START);
    bench.push(up, START, 1.0);
    bench.push(up, START + 1000, 0.0);
    assert_eq!(bench.history.stats().clock_jumps, 1);
    let now = TimeRange::new(Timestamp(START), Timestamp(START + 1000));
    assert_eq!(dump(&*bench.history, now)[0].1.len(), 2);
}

#[test]
fn sealed_samples_leave_memory_and_the_log_and_stay_readable() {
    let bench = Bench::new();
    let series: Vec<SeriesRef> = (0..40).map(|n| bench.series(&labels(&format!("m{n}"), "a"))).collect();
    for n in 0..3000 {
        let t = START + n * 5_000;
        bench.set(t);
        let batch: Vec<_> = series.iter().map(|s| (*s, Sample::new(Timestamp(t), (n / 7) as f64))).collect();
        bench.history.append(&batch).unwrap();
        bench.history.tick().unwrap();
        if n % 20 == 0 {
            bench.history.maintain().unwrap();
        }
    }
    let stats = bench.history.stats();
    assert!(stats.hot_chunks >= 10 && stats.head_samples < 40 * 600, "{stats:?}");
    let before = dump(&*bench.history, all());
    assert!(before.iter().all(|(_, samples)| samples.len() == 3000));
    bench.disk.crash(CrashMode::Nothing);
    let bench = bench.reopen();
    assert!(dump(&*bench.history, all()) == before);
    assert!(bench.history.stats().head_samples < 40 * 600, "what is stored is not replayed");
    assert_eq!(bench.dir.incidents().since(0), []);
}

#[test]
fn a_lost_chunk_store_is_rebuilt_from_the_log() {
    let bench = Bench::new();
    let up = bench.series(&labels("up", "a"));
    for n in 0..1000 {
        bench.set(START + n * 5_000);
        bench.push(up, START + n * 5_000, n as f64);
        bench.history.tick().unwrap();
        bench.history.maintain().unwrap();
    }
    assert!(bench.history.stats().hot_chunks > 0);
    let before = dump(&*bench.history, all());
    for (path, _) in bench.disk.files().into_iter().filter(|(path, _)| path.starts_with("/data/hot")) {
        bench.disk.damage(&path, Vec::clear);
    }
    let bench = bench.reopen();
    assert!(dump(&*bench.history, all()) == before);
    assert_eq!(bench.dir.incidents().since(0)[0].unit, Unit::Hot);
}

#[test]
fn followers_read_everything_once_across_restarts() {
    let mut bench = Bench::new();
    let series: Vec<SeriesRef> = (0..5).map(|n| bench.series(&labels(&format!("m{n}"), "a"))).collect();
    let mut cursor = Cursor::default();
    let mut read = Vec::new();
    let mut written = 0;
    for n in 0..500 {
        let t = START + n * 1000;
        bench.set(t);
        for reference in &series {
            bench.push(*reference, t, n as f64);
            written += 1;
        }
        if n % 3 == 0 {
            bench.history.tick().unwrap();
        }
        if n % 7 == 0 {
            let followed = bench.history.follow(cursor, 12).unwrap();
            cursor = followed.next;
            read.extend(followed.samples);
        }
        if n == 250 {
            bench.history.close().unwrap();
            bench = bench.reopen();
        }
    }
    bench.history.tick().unwrap();
    loop {
        let followed = bench.history.follow(cursor, 100).unwrap();
        cursor = followed.next;
        read.extend(followed.samples);
        if followed.caught_up {
            break;
        }
    }
    assert_eq!(read.len(), written);
    assert_eq!(cursor.frame, bench.history.end().frame);
    let first: Vec<f64> = read.iter().filter(|(s, _)| *s == series[0]).map(|(_, s)| s.v).collect();
    assert!(first.iter().enumerate().all(|(n, v)| *v == n as f64));
    assert!(bench.history.follow(cursor, 10).unwrap().samples.is_empty());
    assert_eq!(bench.history.series_info(series[3]).unwrap().labels, labels("m3", "a"));
}

#[test]
fn a_full_disk_loses_nothing_it_can_hold_and_recovers_by_itself() {
    let bench = Bench::new();
    let up = bench.series(&labels("up", "a"));
    bench.push(up, START, 1.0);
    bench.history.tick().unwrap();
    bench.disk.set_capacity(Some(bench.disk.used()));
    for n in 1..2000 {
        bench.set(START + n * 1000);
        bench.push(up, START + n * 1000, n as f64);
        assert!(bench.history.tick().is_err());
        let _ = bench.history.maintain();
    }
    assert!(bench.history.is_degraded());
    assert_eq!(dump(&*bench.history, all())[0].1.len(), 2000, "queries go on");
    assert_eq!(bench.dir.incidents().total(), 1, "{:?}", bench.dir.incidents().since(0));
    bench.disk.set_capacity(None);
    bench.history.tick().unwrap();
    bench.history.maintain().unwrap();
    assert!(!bench.history.is_degraded());
    bench.disk.crash(CrashMode::Nothing);
    let bench = bench.reopen();
    assert_eq!(dump(&*bench.history, all())[0].1.len(), 2000);
    assert_eq!(bench.dir.incidents().since(0), []);
}

#[test]
fn on_the_real_disk_with_sled_and_threads() {
    let place = tempfile::tempdir().unwrap();
    let clock = Arc::new(breakwatch_model::SystemClock);
    let now = breakwatch_model::Clock::now(&*clock).0;
    for round in 0..3 {
        let dir = DataDir::open(place.path(), clock.clone()).unwrap();
        let history = History::open(&dir, HistoryOptions::default()).unwrap();
        let up = history.resolve(&labels("up", "a"), &Metadata::default());
        for n in 0..600 {
            let t = now - 3_600_000 + round * 600_000 + n * 1000;
            history.append(&[(up, Sample::new(Timestamp(t), 1.0))]).unwrap();
        }
        history.tick().unwrap();
        history.shared.seal(Timestamp(now), true).unwrap();
        let samples: usize = dump(&*history, all()).iter().map(|(_, samples)| samples.len()).sum();
        assert_eq!(samples, 600 * (round as usize + 1));
        history.close().unwrap();
        drop(history);
        assert_eq!(dir.incidents().since(0), []);
    }
}

#[test]
fn a_store_that_dies_while_running_is_rebuilt_from_the_log() {
    let bench = Bench::new();
    let up = bench.series(&labels("up", "a"));
    for n in 0..1500 {
        bench.set(START + n * 5_000);
        bench.push(up, START + n * 5_000, n as f64);
        bench.history.tick().unwrap();
        bench.history.maintain().unwrap();
    }
    let (before, chunks) = (dump(&*bench.history, all()), bench.history.stats().hot_chunks);
    assert!(chunks > 1);
    bench.history.shared.hot.lose(START / 86_400_000, "a test");
    bench.history.shared.cache.clear();
    assert!(dump(&*bench.history, all()) != before);
    bench.history.shared.rebuild_day(START / 86_400_000).unwrap();
    assert!(dump(&*bench.history, all()) == before);
    assert_eq!(bench.history.stats().hot_chunks, chunks);
}

#[test]
fn a_disk_that_hangs_holds_up_nobody_but_the_tick() {
    use crate::{StateLog, StateOptions};
    use breakwatch_model::{Batch, Follower, StateStore, Table};
    let bench = Bench::new();
    let state =
        StateLog::open(&bench.dir, StateOptions { reserve: 8 << 10, ..StateOptions::default() }).unwrap();
    let up = bench.series(&labels("up", "a"));
    bench.push(up, START, 1.0);
    bench.history.tick().unwrap();
    bench.push(up, START + 1000, 1.0);
    bench.disk.hold_syncs(true);
    std::thread::scope(|scope| {
        let tick = scope.spawn(|| bench.history.tick());
        let commit = scope.spawn(|| {
            let mut batch = Batch::new();
            batch.put(Table::Alerts, "a", b"1".to_vec());
            state.commit(batch)
        });
        // Everything a check, a rule, a scrape and a page ask for is answered meanwhile.
        for n in 2..50 {
            bench.push(up, START + n * 1000, n as f64);
            let new = bench.series(&labels("up", &format!("b{n}")));
            bench.push(new, START + n * 1000, 1.0);
            let lasts = select(&*bench.history, &[Matcher::equal("check", "a")], all());
            assert_eq!(lasts[0].1.len() as i64, n + 1);
            assert_eq!(bench.history.stats().series as i64, n);
            assert_eq!(state.get(Table::Alerts, "a"), None);
            let _ = (state.stats(), bench.history.end(), bench.history.is_degraded());
        }
        bench.disk.hold_syncs(false);
        tick.join().unwrap().unwrap();
        commit.join().unwrap().unwrap();
    });
    assert_eq!(state.get(Table::Alerts, "a"), Some(b"1".to_vec()));
}

#[test]
fn statistics_from_the_index_are_those_of_a_scan() {
    let bench = Bench::new();
    for n in 0..60 {
        let reference = bench.series(&labels(&format!("m{}", n % 7), &format!("c{}", n % 11)));
        bench.push(reference, START + n * 1000, 1.0);
    }
    let cancel = CancelToken::new();
    let recent = TimeRange::new(Timestamp(START), Timestamp(START + 3_600_000));
    for limit in [1, 5, 100] {
        let found = bench.history.statistics(recent, limit, &cancel).unwrap();
        let expected = IndexStatistics::scan(&*bench.history, recent, limit, &cancel).unwrap();
        assert_eq!(found, expected);
        assert_eq!((found.series, found.pairs), (60, 7 + 11));
    }
    let later = TimeRange::new(Timestamp(START + 7_200_000), Timestamp::MAX);
    assert_eq!(bench.history.statistics(later, 1, &cancel).unwrap().times, None);
}
