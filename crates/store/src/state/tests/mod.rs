//! The state log against a model, on a disk that crashes, fills up and is damaged.

mod crash;
mod damage;
mod full;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Batch, StateStore, StorageError, Table, TimeRange, Timestamp};

use super::{JournalRetention, Keep, StateLog, StateOptions};
use crate::datadir::DataDir;
use crate::disk::{Disk, SimDisk};
use crate::testing::SetClock;

const ALL: TimeRange = TimeRange::new(Timestamp::MIN, Timestamp::MAX);

fn options(reserve: u64) -> StateOptions {
    StateOptions { reserve, journals: JournalRetention::default() }
}

fn open(disk: &SimDisk, reserve: u64) -> (DataDir, Arc<StateLog>) {
    try_open(disk, reserve).unwrap()
}

fn try_open(disk: &SimDisk, reserve: u64) -> Result<(DataDir, Arc<StateLog>), StorageError> {
    let dir = DataDir::open_on(Arc::new(disk.clone()), "/data", SetClock::at(1_000_000))?;
    let log = StateLog::open(&dir, options(reserve))?;
    Ok((dir, log))
}

/// Everything a log holds, as text.
fn dump(log: &dyn StateStore) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = BTreeMap::new();
    for table in Table::ALL {
        let records = if table.is_journal() { log.journal(table, ALL, 0).unwrap() } else { log.table(table) };
        for record in records {
            all.insert(format!("{}/{}", table.as_str(), record.key), text(&record.value));
        }
    }
    all
}

/// A random batch and its effect.
fn random_batch(rng: &mut fastrand::Rng) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..rng.usize(1..4) {
        let table = [Table::Alerts, Table::Outbox, Table::Breakers][rng.usize(0..3)];
        let key = format!("k{}", rng.u32(0..20));
        match rng.u32(0..4) {
            0 => batch.delete(table, key),
            1 => batch.append(Table::Events, Timestamp(rng.i64(0..1000)), vec![b'e'; rng.usize(0..200)]),
            _ => batch.put(table, key, format!("{{\"v\":{}}}", rng.u64(..)).into_bytes()),
        };
    }
    batch
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let disk = SimDisk::new();
    let (dir, log) = open(&disk, 64 << 10);
    let mut batch = Batch::new();
    batch.put(Table::Alerts, "a", b"1".to_vec()).put(Table::Outbox, "m", b"2".to_vec());
    batch.append(Table::Events, Timestamp(5), b"e".to_vec());
    log.commit(batch).unwrap();
    let mut batch = Batch::new();
    batch.delete(Table::Alerts, "a");
    log.commit(batch).unwrap();
    let before = dump(&*log);
    assert_eq!(before.len(), 2);
    drop((dir, log));
    disk.crash(crate::disk::CrashMode::Nothing);
    let (dir, log) = open(&disk, 64 << 10);
    assert_eq!(dump(&*log), before);
    assert_eq!(dir.incidents().since(0), []);
    assert_eq!(log.get(Table::Outbox, "m"), Some(b"2".to_vec()));
}

#[test]
fn a_thousand_batches_equal_the_model_over_turns_and_restarts() {
    let disk = SimDisk::new();
    let mut rng = fastrand::Rng::with_seed(7);
    let model = crate::memory::MemoryState::new();
    let (mut dir, mut log) = open(&disk, 8 << 10);
    for round in 0..1000 {
        let batch = random_batch(&mut rng);
        model.commit(batch.clone()).unwrap();
        log.commit(batch).unwrap();
        if rng.u32(0..50) == 0 {
            if rng.bool() {
                log.close().unwrap();
            }
            drop((dir, log));
            (dir, log) = open(&disk, 8 << 10);
        }
        if round % 50 == 0 {
            assert_eq!(dump(&*log), dump(&model), "round {round}");
        }
    }
    assert_eq!(dump(&*log), dump(&model));
    assert_eq!(dir.incidents().since(0), []);
}

#[test]
fn commits_of_many_threads_share_syncs_and_all_count() {
    let disk = SimDisk::new();
    let (_dir, log) = open(&disk, 64 << 10);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..100 {
                    let mut batch = Batch::new();
                    batch.put(Table::Alerts, format!("{thread}-{n}"), b"x".to_vec());
                    log.commit(batch).unwrap();
                }
            });
        }
    });
    assert_eq!(log.table(Table::Alerts).len(), 800);
    assert_eq!(log.stats().commits, 800);
    drop(log);
    let (_dir, log) = open(&disk, 64 << 10);
    assert_eq!(log.table(Table::Alerts).len(), 800);
}

#[test]
fn changes_on_the_wrong_table_are_refused() {
    let (_dir, log) = open(&SimDisk::new(), 64 << 10);
    let mut batch = Batch::new();
    batch.put(Table::Events, "k", b"x".to_vec());
    assert!(log.commit(batch).is_err());
    let mut batch = Batch::new();
    batch.append(Table::Alerts, Timestamp(0), b"x".to_vec());
    assert!(log.commit(batch).is_err());
}

#[test]
fn journals_go_by_age_and_by_count_and_keep_their_numbers() {
    let disk = SimDisk::new();
    let clock = SetClock::at(0);
    let dir = DataDir::open_on(Arc::new(disk.clone()), "/data", clock.clone()).unwrap();
    let keep = Keep { age: Duration::from_secs(1000), records: 20_000 };
    let journals = JournalRetention { ledger: keep, events: keep, audit: keep };
    let log = StateLog::open(&dir, StateOptions { reserve: 256 << 10, journals }).unwrap();
    let add = |at: i64, count: usize| {
        for _ in 0..count {
            let mut batch = Batch::new();
            batch.append(Table::Ledger, Timestamp(at), vec![b'x'; 100]);
            log.commit(batch).unwrap();
        }
    };
    add(1, 40_000);
    log.maintain().unwrap();
    let records = log.journal(Table::Ledger, ALL, 0).unwrap();
    assert!(records.len() >= 20_000 && records.len() < 40_000, "{} records", records.len());
    assert_eq!(records.last().unwrap().key, "39999");
    let newest = log.journal(Table::Ledger, ALL, 3).unwrap();
    assert_eq!(newest.iter().map(|r| r.key.as_str()).collect::<Vec<_>>(), ["39997", "39998", "39999"]);
    clock.set(2_000_000);
    add(2_000_000, 10_000);
    log.maintain().unwrap();
    let old = TimeRange::new(Timestamp(0), Timestamp(1));
    let left = log.journal(Table::Ledger, old, 0).unwrap().len();
    assert!(left < 12_000, "{left} records are over age, one segment may hold both");
    assert!(disk.files().iter().filter(|(p, _)| p.starts_with("/data/state/journal")).count() < 5);
}

#[test]
fn a_state_larger_than_the_reserve_makes_room() {
    let disk = SimDisk::new();
    let (_dir, log) = open(&disk, 4 << 10);
    for n in 0..200 {
        let mut batch = Batch::new();
        batch.put(Table::Outbox, format!("{n}"), vec![b'x'; 1000]);
        log.commit(batch).unwrap();
    }
    drop(log);
    let (_dir, log) = open(&disk, 4 << 10);
    assert_eq!(log.table(Table::Outbox).len(), 200);
    assert!(disk.exists(std::path::Path::new("/data/state/log-b")));
}
