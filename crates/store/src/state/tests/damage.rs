//! Damage costs the record it hits, is reported, and never keeps the log from opening.

use std::path::PathBuf;

use breakwatch_model::{Batch, StateStore, Table};

use super::{dump, open, random_batch};
use crate::disk::{Disk, SimDisk};
use crate::memory::MemoryState;

fn active_file(disk: &SimDisk) -> PathBuf {
    // The first turn-over goes to the second slot.
    disk.files().into_iter().map(|(path, _)| path).find(|path| path.ends_with("log-b")).unwrap()
}

#[test]
fn a_cut_at_every_byte_of_the_last_record() {
    let disk = SimDisk::new();
    let (_dir, log) = open(&disk, 4 << 10);
    let put = |key: &str| {
        let mut batch = Batch::new();
        batch.put(Table::Alerts, key, vec![b'v'; 40]);
        log.commit(batch).unwrap();
    };
    put("first");
    let path = active_file(&disk);
    let mut before = Vec::new();
    disk.damage(&path, |bytes| before.clone_from(bytes));
    put("last");
    let mut after = Vec::new();
    disk.damage(&path, |bytes| after.clone_from(bytes));
    let start = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
    let end = after.iter().rposition(|b| *b != 0).unwrap() + 1;
    for cut in start..end {
        disk.damage(&path, |bytes| {
            bytes.clone_from(&after);
            bytes[cut..].fill(0);
        });
        let (dir, log) = open(&disk, 4 << 10);
        assert_eq!(dump(&*log).into_keys().collect::<Vec<_>>(), ["alerts/first"], "cut at {cut}");
        // Once magic and generation are there, the piece is recognised as a record that was begun.
        assert_eq!(dir.incidents().total(), u64::from(cut >= start + 9), "cut at {cut}");
        restore(&disk, &before);
    }
}

/// Puts both slots back to what they were when only the second was in use.
fn restore(disk: &SimDisk, active: &[u8]) {
    let path = active_file(disk);
    disk.damage(&path, |bytes| bytes.clone_from(&active.to_vec()));
    let other = path.with_file_name("log-a");
    disk.damage(&other, |bytes| bytes.fill(0));
}

#[test]
fn a_thousand_mutations() {
    let mut reported = 0;
    for seed in 0..1000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let disk = SimDisk::new();
        let (_dir, log) = open(&disk, 6 << 10);
        let model = MemoryState::new();
        let mut history = vec![dump(&model)];
        for _ in 0..rng.usize(1..60) {
            let batch = random_batch(&mut rng);
            model.commit(batch.clone()).unwrap();
            log.commit(batch).unwrap();
            history.push(dump(&model));
        }
        let (whole, records) = (dump(&model), dump(&model).len());
        drop(log);
        let files: Vec<PathBuf> =
            disk.files().into_iter().map(|(p, _)| p).filter(|p| p.starts_with("/data/state")).collect();
        let path = &files[rng.usize(0..files.len())];
        let what = rng.u32(0..4);
        if what == 3 {
            disk.remove_file(path).unwrap();
        } else {
            disk.damage(path, |bytes| mutate(bytes, what, &mut rng));
        }
        let (dir, log) = open(&disk, 6 << 10);
        let found = dump(&*log);
        if found != whole {
            // Zeros from the start of a record to the end of the log are what an unused file looks like.
            let tail = what == 2 && history.iter().rev().take(8).any(|before| *before == found);
            let known = dir.incidents().total() > 0;
            assert!(known || tail, "seed {seed}: {path:?} kind {what}: a loss was not reported");
            reported += 1;
            // A flip costs one record or one run of a journal, never the table.
            if what == 0 {
                let kept = whole.keys().filter(|key| found.contains_key(*key)).count();
                assert!(kept + 40 >= records, "seed {seed}: {kept} of {records} records kept");
            }
        }
        // And the log works again.
        let batch = random_batch(&mut rng);
        log.commit(batch).unwrap();
        let before = dump(&*log);
        drop((dir, log));
        let (dir, log) = open(&disk, 6 << 10);
        assert_eq!(dump(&*log), before, "seed {seed}");
        assert!(dir.incidents().total() <= 1, "seed {seed}: {:?}", dir.incidents().since(0));
    }
    assert!(reported > 100, "only {reported} mutations hit something");
}

fn mutate(bytes: &mut Vec<u8>, what: u32, rng: &mut fastrand::Rng) {
    let used = bytes.iter().rposition(|b| *b != 0).map_or(1, |last| last + 1).min(bytes.len());
    if used == 0 {
        return;
    }
    let at = rng.usize(0..used);
    match what {
        0 => bytes[at] ^= 1 << rng.u32(0..8),
        1 => bytes.truncate(at),
        _ => {
            let end = (at + 512).min(bytes.len());
            bytes[at..end].fill(0);
        }
    }
}
