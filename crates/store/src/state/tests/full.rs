//! A full disk: commits go on in the reserve, for as long as it takes.

use breakwatch_model::{Batch, StateStore, Table, Timestamp};

use super::{dump, open};
use crate::disk::SimDisk;

#[test]
fn commits_go_on_when_the_disk_is_full_and_survive() {
    let disk = SimDisk::new();
    let (_dir, log) = open(&disk, 64 << 10);
    disk.set_capacity(Some(disk.used()));
    for n in 0..20_000_u32 {
        let mut batch = Batch::new();
        batch.put(Table::Outbox, format!("{}", n % 10), n.to_le_bytes().to_vec());
        batch.append(Table::Ledger, Timestamp(i64::from(n)), vec![b'l'; 60]);
        log.commit(batch).unwrap();
    }
    let stats = log.stats();
    assert!(stats.disk_full && stats.journal_dropped > 0, "{stats:?}");
    let before = dump(&*log);
    drop(log);
    let (_dir, log) = open(&disk, 64 << 10);
    assert_eq!(dump(&*log), before);
    assert_eq!(log.table(Table::Outbox).len(), 10);
    // The disk is freed: journals leave the log by themselves.
    disk.set_capacity(None);
    for n in 0..2000_u32 {
        let mut batch = Batch::new();
        batch.put(Table::Outbox, "x", vec![b'x'; 100 + n as usize % 10]);
        log.commit(batch).unwrap();
    }
    assert!(!log.stats().disk_full);
    assert!(disk.files().iter().any(|(path, _)| path.starts_with("/data/state/journal")));
}

#[test]
fn a_failing_disk_refuses_commits_and_shows_nothing_of_them() {
    let disk = SimDisk::new();
    let (_dir, log) = open(&disk, 64 << 10);
    let put = |value: &[u8]| {
        let mut batch = Batch::new();
        batch.put(Table::Alerts, "a", value.to_vec());
        log.commit(batch)
    };
    put(b"1").unwrap();
    disk.set_failing(Some(std::io::ErrorKind::Other));
    assert!(put(b"2").is_err());
    assert_eq!(log.get(Table::Alerts, "a"), Some(b"1".to_vec()));
    disk.set_failing(None);
    put(b"3").unwrap();
    assert_eq!(log.stats().failed, 1);
    drop(log);
    let (_dir, log) = open(&disk, 64 << 10);
    assert_eq!(log.get(Table::Alerts, "a"), Some(b"3".to_vec()));
}
