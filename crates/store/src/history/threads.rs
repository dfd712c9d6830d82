//! The history's two threads: one writes the log every tick and waits for nothing else, one moves data on.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use breakwatch_model::StorageError;
use parking_lot::{Condvar, Mutex};

use super::Shared;

/// How often the second thread looks for work.
const MAINTAIN_EVERY: Duration = Duration::from_secs(5);

/// A flag that can be waited for.
#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits; gives whether it is time to stop.
    fn wait(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.changed.wait_for(&mut stopped, time);
        }
        *stopped
    }

    fn set(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }
}

/// The running threads.
#[derive(Debug)]
pub(crate) struct Threads {
    stop: Arc<Stop>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self, StorageError> {
        let stop = Arc::new(Stop::default());
        let tick = spawn("store-tick", &stop, shared.tick, shared, |shared| shared.tick())?;
        let maintain = spawn("store-maintain", &stop, MAINTAIN_EVERY, shared, |shared| shared.maintain())?;
        Ok(Self { stop, handles: vec![tick, maintain] })
    }

    /// Ends the threads after what they are at.
    pub(crate) fn stop(self) {
        self.stop.set();
        for handle in self.handles {
            let _ = handle.join();
        }
    }
}

fn spawn(
    name: &str,
    stop: &Arc<Stop>,
    every: Duration,
    shared: &Arc<Shared>,
    work: fn(&Shared) -> Result<(), StorageError>,
) -> Result<JoinHandle<()>, StorageError> {
    let (stop, shared, label) = (Arc::clone(stop), Arc::clone(shared), name.to_owned());
    let run = move || {
        while !stop.wait(every) {
            // Trouble is reported once by whoever met it; the next round tries again.
            if let Err(error) = work(&shared) {
                tracing::debug!(thread = label, "store work failed: {error}");
            }
        }
    };
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|error| StorageError::io(format!("cannot start the thread {name}"), &error))
}
