//! Days become blocks, blocks go, rollups stay.

use std::time::Duration;

use breakwatch_model::Clock;

use super::*;
use crate::disk::{CrashMode, Disk};
use crate::history::Retention;
use crate::incident::Unit;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Fills `days` days with two checks every minute.
fn filled(bench: &Bench, days: i64) {
    let a = bench.series(&labels("up", "a"));
    let b = bench.series(&labels("up", "b"));
    let begin = bench.clock.now().0;
    for n in 0..days * 1440 {
        let t = begin + n * 60_000;
        bench.set(t);
        bench.push(a, t, (n % 10) as f64);
        bench.push(b, t + 7, n as f64 / 1e3);
        if n % 10 == 0 {
            bench.history.tick().unwrap();
            bench.history.maintain().unwrap();
        }
    }
    bench.set(begin + days * DAY + HOUR);
    bench.history.tick().unwrap();
    bench.history.maintain().unwrap();
}

fn rollups(bench: &Bench, range: TimeRange) -> usize {
    let cancel = CancelToken::new();
    let selector = bench.history.prepare(&[Matcher::equal("check", "a")], &cancel).unwrap();
    let hints = SelectHints { rollups: true, ..SelectHints::default() };
    let mut set = bench.history.select(&selector, range, &hints, &cancel).unwrap();
    let mut samples = Vec::new();
    while set.next_series().unwrap().is_some() {
        while set.next_chunk(&mut samples).unwrap() {}
    }
    samples.len()
}

#[test]
fn a_finished_day_is_a_block_and_reads_the_same() {
    let bench = Bench::new();
    filled(&bench, 3);
    let stats = bench.history.stats();
    assert_eq!((stats.blocks, stats.hot_chunks), (6, 0), "{stats:?}");
    assert!(!bench.disk.exists("/data/hot/19676".as_ref()));
    let samples = dump(&*bench.history, all());
    assert!(samples.iter().all(|(_, samples)| samples.len() == 3 * 1440));
    bench.disk.crash(CrashMode::Nothing);
    let bench = bench.reopen();
    assert!(dump(&*bench.history, all()) == samples);
    assert_eq!(bench.dir.incidents().since(0), []);
    // What belongs to a finished day comes too late.
    let a = bench.series(&labels("up", "a"));
    let late = bench.history.append(&[(a, Sample::new(Timestamp(START + 3 * DAY - 1), 5.0))]).unwrap();
    assert_eq!(late.out_of_order, 1);
}

#[test]
fn retention_gives_days_back_and_rollups_answer_for_them() {
    let bench = Bench::new();
    filled(&bench, 4);
    let before = bench.disk.used();
    let first_day = TimeRange::new(Timestamp(START), Timestamp(START + DAY - 1));
    assert_eq!(rollups(&bench, first_day), 1440, "raw while there is raw");
    let day = Duration::from_secs(86_400);
    bench.history.set_retention(Retention { raw: 2 * day, ..Retention::default() }).unwrap();
    assert!(bench.disk.used() < before);
    assert_eq!(bench.history.stats().blocks, 6);
    assert_eq!(dump(&*bench.history, first_day), []);
    assert_eq!(rollups(&bench, first_day), 288);
    assert_eq!(rollups(&bench, all()), 2 * 288 + 2 * 1440);
    let a = bench.series(&labels("up", "a"));
    let figures = bench.history.rollups(a, first_day).unwrap();
    // Minutes 5 to 9 of the day: values 5 to 9.
    let expected = crate::Rollup {
        t: Timestamp(START + 9 * 60_000),
        min: 5.0,
        max: 9.0,
        sum: 35.0,
        count: 5.0,
        last: 9.0,
    };
    assert_eq!((figures.len(), figures[1]), (288, expected));
    bench.history.set_retention(Retention { raw_bytes: Some(0), ..Retention::default() }).unwrap();
    assert_eq!(bench.history.stats().raw_bytes, 0);
    assert_eq!(rollups(&bench, all()), 4 * 288);
    assert_eq!(bench.history.stats().series, 2, "rollups keep their series");
    bench.set(bench.clock.now().0 + 3 * DAY);
    bench.history.set_retention(Retention { rollups: day, ..Retention::default() }).unwrap();
    assert_eq!(bench.history.stats().series, 0);
    let bench = bench.reopen();
    assert_eq!(bench.dir.incidents().since(0), []);
    assert_eq!(bench.history.stats().series, 0);
    let again = bench.series(&labels("up", "a"));
    assert_eq!(again, SeriesRef(2), "numbers are not used twice");
}

#[test]
fn damaged_blocks_cost_what_is_damaged_and_are_reported() {
    let bench = Bench::new();
    filled(&bench, 3);
    let whole = dump(&*bench.history, all());
    let blocks: Vec<_> = bench.disk.files().into_iter().map(|(p, _)| p).collect();
    let raw = |n: usize| {
        let mut raw = blocks.iter().filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with("raw-"));
        raw.nth(n).unwrap().clone()
    };
    bench.disk.damage(&raw(0), |bytes| bytes[100] ^= 1);
    bench.disk.damage(&raw(1), |bytes| bytes.truncate(bytes.len() - 1));
    bench.disk.remove_file(&raw(2)).unwrap();
    let bench = bench.reopen();
    let left = dump(&*bench.history, all());
    let count = |dump: &[(Labels, Vec<(i64, u64)>)]| dump.iter().map(|(_, s)| s.len()).sum::<usize>();
    assert!(count(&left) < count(&whole) / 3 && count(&left) > count(&whole) / 6, "{}", count(&left));
    let units: Vec<Unit> = bench.dir.incidents().since(0).iter().map(|incident| incident.unit).collect();
    assert_eq!(units, [Unit::Block, Unit::Block, Unit::Chunk]);
    let bench = bench.reopen();
    assert_eq!(bench.dir.incidents().since(0), [], "told once");
}

#[test]
fn a_lost_registry_is_mended_from_blocks_and_log() {
    for damage in 0..3 {
        let bench = Bench::new();
        filled(&bench, 2);
        let c = bench.series(&labels("up", "c"));
        bench.push(c, bench.clock.now().0, 1.0);
        bench.history.tick().unwrap();
        let whole = dump(&*bench.history, all());
        assert_eq!(whole.len(), 3);
        let registry = std::path::Path::new("/data/series.log");
        match damage {
            0 => bench.disk.remove_file(registry).unwrap(),
            1 => bench.disk.damage(registry, |bytes| bytes[45] ^= 4),
            _ => bench.disk.damage(registry, |bytes| bytes.truncate(40)),
        }
        let bench = bench.reopen();
        assert!(dump(&*bench.history, all()) == whole, "damage {damage}");
        assert!(bench.dir.incidents().total() > 0, "damage {damage}");
        assert_eq!(bench.series(&labels("up", "c")), c);
        let fresh = bench.series(&labels("up", "d"));
        assert!(fresh.0 > c.0);
        let bench = bench.reopen();
        assert!(dump(&*bench.history, all()) == whole);
        assert_eq!(bench.dir.incidents().since(0), []);
    }
}

#[test]
fn a_follower_that_was_away_too_long_goes_on_by_time() {
    use breakwatch_model::{Cursor, Follower};
    let bench = Bench::new();
    filled(&bench, 2);
    let reach = bench.history.follow(bench.history.end(), 1).unwrap();
    assert!(reach.caught_up && reach.samples.is_empty());
    let mut cursor = Cursor::default();
    let mut read = std::collections::BTreeMap::new();
    let mut twice = 0;
    for _ in 0..100_000 {
        let followed = bench.history.follow(cursor, 500).unwrap();
        for (reference, sample) in followed.samples {
            twice += usize::from(read.insert((reference, sample.t), sample.v.to_bits()).is_some());
        }
        cursor = followed.next;
        if followed.caught_up {
            break;
        }
    }
    assert_eq!((read.len(), twice), (2 * 2 * 1440, 0));
    assert_eq!(cursor.frame & !(1 << 63), bench.history.end().frame);
}

#[test]
fn days_that_are_filled_in_late_stay_open_while_samples_come() {
    let bench = Bench::new();
    let now = START + 10 * DAY;
    bench.set(now);
    let a = bench.series(&labels("up", "a"));
    // Two past days arrive within two minutes.
    for n in 0..2 * 1440 {
        bench.set(now + n * 40);
        bench.push(a, START + n * 60_000, n as f64);
        if n % 20 == 0 {
            bench.history.tick().unwrap();
            // A round of maintenance that began before the last sample came in.
            bench.set(now + n * 40 - 1);
            bench.history.maintain().unwrap();
        }
    }
    assert_eq!(bench.history.stats().out_of_order, 0);
    assert_eq!(bench.history.stats().blocks, 0);
    bench.history.tick().unwrap();
    bench.set(now + 2 * HOUR);
    bench.history.maintain().unwrap();
    bench.set(now + 3 * HOUR);
    bench.history.maintain().unwrap();
    assert_eq!(bench.history.stats().blocks, 4);
    assert_eq!(dump(&*bench.history, all())[0].1.len(), 2 * 1440);
}
