//! A crash at every single operation: nothing acknowledged is lost, nothing half-done is seen.

use std::collections::BTreeMap;

use breakwatch_model::StateStore;

use super::{dump, open, random_batch, try_open};
use crate::disk::{CrashMode, SimDisk};
use crate::memory::MemoryState;

const RESERVE: u64 = 6 << 10;
const BATCHES: usize = 40;

/// Runs the workload until the disk dies; gives what was acknowledged, and that plus the batch in flight.
fn workload(disk: &SimDisk) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let mut rng = fastrand::Rng::with_seed(3);
    let model = MemoryState::new();
    if let Ok((_dir, log)) = try_open(disk, RESERVE) {
        for n in 0..BATCHES {
            let batch = random_batch(&mut rng);
            if log.commit(batch.clone()).is_err() {
                let before = dump(&model);
                model.commit(batch).unwrap();
                return (before, dump(&model));
            }
            model.commit(batch).unwrap();
            if n == BATCHES / 2 && log.close().is_err() {
                break;
            }
            if n == BATCHES / 2 {
                drop(log);
                return second_half(disk, &mut rng, &model);
            }
        }
    }
    (dump(&model), dump(&model))
}

fn second_half(
    disk: &SimDisk,
    rng: &mut fastrand::Rng,
    model: &MemoryState,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    if let Ok((_dir, log)) = try_open(disk, RESERVE) {
        for _ in BATCHES / 2..BATCHES {
            let batch = random_batch(rng);
            if log.commit(batch.clone()).is_err() {
                let before = dump(model);
                model.commit(batch).unwrap();
                return (before, dump(model));
            }
            model.commit(batch).unwrap();
        }
    }
    (dump(model), dump(model))
}

#[test]
fn at_every_operation() {
    let whole = SimDisk::new();
    workload(&whole);
    let operations = whole.operations();
    assert!(operations > 100, "only {operations} operations");
    for at in 1..=operations {
        for mode in [CrashMode::Nothing, CrashMode::Everything, CrashMode::Some(at), CrashMode::Some(!at)] {
            let disk = SimDisk::new();
            disk.die_at(at);
            let (acknowledged, in_flight) = workload(&disk);
            disk.crash(mode);
            let (_dir, log) = open(&disk, RESERVE);
            let found = dump(&*log);
            let point = whole.trace().get(at as usize - 1).cloned();
            assert!(
                found == acknowledged || found == in_flight,
                "crash at {at} ({point:?}), {mode:?}: found {found:?}, acknowledged {acknowledged:?}"
            );
        }
    }
}
