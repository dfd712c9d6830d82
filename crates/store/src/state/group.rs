//! Group commit: while one thread syncs, the others queue up, and the next sync serves them all.

use std::collections::HashMap;

use breakwatch_model::{Batch, StorageError};
use parking_lot::{Condvar, Mutex};

/// The queue in front of the writer.
#[derive(Debug, Default)]
pub(crate) struct GroupCommit {
    queue: Mutex<Queue>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<(u64, Batch)>,
    /// The ticket of the next batch.
    next: u64,
    /// Whether some thread is at the writer.
    busy: bool,
    /// Outcomes that their threads have not picked up yet.
    results: HashMap<u64, Result<(), StorageError>>,
}

/// Clears `busy` however the leader leaves, so that a panic in the writer cannot block everybody else.
struct Leading<'a>(&'a GroupCommit, Vec<u64>);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.busy = false;
        for ticket in self.1.drain(..) {
            let lost = StorageError::Unavailable("the state log's writer failed".to_owned());
            queue.results.entry(ticket).or_insert(Err(lost));
        }
        self.0.done.notify_all();
    }
}

impl GroupCommit {
    /// Hands `batch` to `write` together with whatever else is waiting; returns when it is decided.
    pub(crate) fn commit(
        &self,
        batch: Batch,
        write: impl Fn(Vec<Batch>) -> Vec<Result<(), StorageError>>,
    ) -> Result<(), StorageError> {
        let mut queue = self.queue.lock();
        let ticket = queue.next;
        queue.next += 1;
        queue.waiting.push((ticket, batch));
        loop {
            if let Some(result) = queue.results.remove(&ticket) {
                return result;
            }
            if queue.busy {
                self.done.wait(&mut queue);
                continue;
            }
            queue.busy = true;
            let (tickets, batches): (Vec<u64>, Vec<Batch>) = queue.waiting.drain(..).unzip();
            drop(queue);
            let leading = Leading(self, tickets.clone());
            let results = write(batches);
            self.queue.lock().results.extend(tickets.into_iter().zip(results));
            drop(leading);
            queue = self.queue.lock();
        }
    }
}
