//! Crashes at every operation, and damage of every kind: what was acknowledged is there, what is there was
//! written, and what is missing was reported.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::disk::{CrashMode, Disk};
use crate::history::Retention;
use crate::incident::Unit;

const HOUR: i64 = 3_600_000;

/// Samples by series and time.
type Samples = BTreeMap<(Labels, i64), u64>;

#[derive(Default)]
struct Journal {
    written: Samples,
    acknowledged: Samples,
    /// Samples before this may have been given back.
    kept_from: i64,
}

fn read(bench: &Bench) -> Samples {
    let mut samples = Samples::new();
    for (labels, series) in dump(&*bench.history, all()) {
        samples.extend(series.into_iter().map(|(t, v)| ((labels.clone(), t), v)));
    }
    samples
}

/// Three days of two checks, an opening in between, blocks, retention: as far as the disk lives.
fn workload(disk: &SimDisk, journal: &mut Journal) -> Result<(), StorageError> {
    let mut now = START;
    for life in 0..3 {
        let bench = Bench::try_on(disk.clone(), now, options())?;
        let names = [labels("up", "a"), labels("x", "a"), labels("up", &format!("b{life}"))];
        let series = names.each_ref().map(|labels| bench.series(labels));
        for step in 0..12 {
            now += 2 * HOUR;
            for row in 0..3 {
                let t = now + row * 1000;
                bench.set(t);
                for (labels, reference) in names.iter().zip(series) {
                    let value = (t % 97) as f64;
                    journal.written.insert((labels.clone(), t), value.to_bits());
                    let _ = bench.history.append(&[(reference, Sample::new(Timestamp(t), value))]);
                }
            }
            bench.history.tick()?;
            journal.acknowledged.clone_from(&journal.written);
            bench.set(now + 70_000);
            if step % 3 == 1 {
                bench.history.maintain()?;
            }
        }
        bench.set(now + HOUR);
        bench.history.maintain()?;
        if life == 2 {
            let day = Duration::from_secs(86_400);
            journal.kept_from = now - 86_400_000;
            bench.history.set_retention(Retention { raw: day, ..Retention::default() })?;
        }
        if life == 1 {
            bench.history.close()?;
        }
    }
    Ok(())
}

#[test]
fn at_every_operation() {
    let whole = SimDisk::new();
    workload(&whole, &mut Journal::default()).unwrap();
    let operations = whole.operations();
    assert!(operations > 200, "only {operations} operations");
    let trace = whole.trace();
    for at in 1..=operations {
        for mode in [CrashMode::Nothing, CrashMode::Everything, CrashMode::Some(at), CrashMode::Some(!at)] {
            let disk = SimDisk::new();
            disk.die_at(at);
            let mut journal = Journal::default();
            let _ = workload(&disk, &mut journal);
            disk.crash(mode);
            let bench = Bench::on(disk, START + 80 * HOUR);
            let found = read(&bench);
            let point = trace.get(at as usize - 1);
            let lost = journal
                .acknowledged
                .iter()
                .find(|(key, value)| key.1 >= journal.kept_from && found.get(key) != Some(value));
            assert_eq!(lost, None, "crash at {at} ({point:?}), {mode:?}");
            let wrong = found.iter().find(|(key, value)| journal.written.get(key) != Some(value));
            assert_eq!(wrong, None, "crash at {at} ({point:?}), {mode:?}");
        }
    }
}

/// A crash between storing chunks and noting it in the checkpoint: the log says that they are stored, the checkpoint
/// still asks for a replay of the frames they came from.
#[test]
fn the_log_is_given_back_no_further_than_the_checkpoint_asks() {
    let checkpoint = Path::new("/data/checkpoint");
    let bench = Bench::new();
    let up = bench.series(&labels("up", "a"));
    let live = |bench: &Bench, now: i64| {
        bench.set(now);
        bench.push(up, now, 1.0);
        bench.history.tick().unwrap();
    };
    live(&bench, START);
    for hours in [4, 5] {
        bench.set(START + hours * HOUR);
        bench.history.maintain().unwrap();
    }
    live(&bench, START + 6 * HOUR);
    let mut before = Vec::new();
    bench.disk.damage(checkpoint, |bytes| before.clone_from(bytes));
    for hours in [8, 9] {
        bench.set(START + hours * HOUR);
        bench.history.maintain().unwrap();
    }
    bench.history.tick().unwrap();
    assert_eq!(bench.history.stats().head_samples, 0, "everything is stored");
    bench.disk.damage(checkpoint, |bytes| bytes.clone_from(&before));
    let bench = Bench::on(bench.disk.clone(), START + 9 * HOUR);
    live(&bench, START + 10 * HOUR + HOUR / 2);
    bench.set(START + 11 * HOUR + HOUR / 2);
    bench.history.maintain().unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.dir.incidents().since(0), []);
    assert_eq!(dump(&*bench.history, all())[0].1.len(), 3);
}

#[test]
fn a_cut_at_every_byte_of_the_last_frame() {
    let bench = Bench::new();
    let up = bench.series(&labels("up", "a"));
    bench.push(up, START, 1.0);
    bench.history.tick().unwrap();
    let segment = |bench: &Bench| {
        let files = bench.disk.files();
        files.into_iter().rfind(|(path, _)| path.extension().is_some_and(|end| end == "wal")).unwrap()
    };
    let (path, before) = segment(&bench);
    for n in 1..20 {
        bench.push(up, START + n, 1.0 / n as f64);
    }
    bench.history.tick().unwrap();
    let (_, after) = segment(&bench);
    let mut content = Vec::new();
    bench.disk.damage(&path, |bytes| content.clone_from(bytes));
    for cut in before..after {
        bench.disk.damage(&path, |bytes| {
            bytes.clone_from(&content);
            bytes.truncate(cut as usize);
        });
        let again = Bench::on(bench.disk.clone(), START);
        assert_eq!(dump(&*again.history, all())[0].1.len(), 1, "cut at {cut}");
        assert_eq!(again.dir.incidents().total(), u64::from(cut > before), "cut at {cut}");
    }
}

/// A store with everything in it: blocks, chunks, log, registry.
fn filled(disk: &SimDisk) -> Samples {
    let mut journal = Journal::default();
    let mut now = START;
    let bench = Bench::on(disk.clone(), now);
    let names: Vec<Labels> = (0..6).map(|n| labels(&format!("m{}", n % 3), &format!("c{}", n / 3))).collect();
    let series: Vec<SeriesRef> = names.iter().map(|labels| bench.series(labels)).collect();
    for step in 0..200 {
        now += HOUR / 4;
        bench.set(now);
        for (labels, reference) in names.iter().zip(&series) {
            let value = (now % 1013) as f64 / 8.0;
            journal.written.insert((labels.clone(), now), value.to_bits());
            bench.push(*reference, now, value);
        }
        bench.history.tick().unwrap();
        if step % 4 == 0 {
            bench.history.maintain().unwrap();
        }
    }
    let stats = bench.history.stats();
    assert!(stats.blocks >= 4 && stats.hot_chunks > 0 && stats.head_samples > 0, "{stats:?}");
    journal.written
}

fn mutate(disk: &SimDisk, path: &Path, rng: &mut fastrand::Rng) -> &'static str {
    let what = ["flip", "truncate", "zero", "delete"][rng.usize(0..4)];
    if what == "delete" {
        disk.remove_file(path).unwrap();
        return what;
    }
    disk.damage(path, |bytes| {
        if bytes.is_empty() {
            return;
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
    });
    what
}

#[test]
fn a_thousand_mutations() {
    let whole = SimDisk::new();
    let written = filled(&whole);
    let now = START + 200 * HOUR / 4;
    let mut losses = 0;
    for seed in 0..1000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let disk = whole.copy();
        let files: Vec<PathBuf> = disk.files().into_iter().map(|(path, _)| path).collect();
        let path = files[rng.usize(0..files.len())].clone();
        let what = mutate(&disk, &path, &mut rng);
        let context = format!("seed {seed}: {what} {}", path.display());
        let bench = Bench::try_on(disk, now, options()).unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = read(&bench);
        let wrong = found.iter().find(|(key, value)| written.get(key) != Some(value));
        assert_eq!(wrong, None, "{context}: a value that was never written");
        if found.len() < written.len() {
            losses += 1;
            let damaged = bench.history.stats().damaged_chunks;
            assert!(bench.dir.incidents().total() + damaged > 0, "{context}: a loss was not reported");
            // The largest unit is a day.
            assert!(found.len() * 3 > written.len(), "{context}: {} of {} left", found.len(), written.len());
        }
        // It goes on, and the next opening finds nothing new to complain about.
        let fresh = bench.series(&labels("fresh", "z"));
        bench.push(fresh, now, 1.0);
        bench.history.tick().unwrap();
        bench.history.maintain().unwrap();
        let before = read(&bench);
        let bench = bench.reopen();
        assert!(read(&bench) == before, "{context}: the second opening differs");
        // A damaged chunk of a block stays where it is; everything else was set aside.
        let again = bench.dir.incidents().since(0).into_iter().find(|incident| incident.unit != Unit::Chunk);
        assert_eq!(again, None, "{context}: told twice");
    }
    assert!(losses > 100, "only {losses} mutations hit something");
}
