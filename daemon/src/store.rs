//! The history store as the rest of the daemon sees it: three traits and some figures.

use std::path::Path;
use std::sync::Arc;

use breakwatch_model::{
    Appended, Appender, Follower, MetricFamily, Queryable, Sample, SeriesRef, StorageError,
};
use breakwatch_store::admin::BackupSummary;

use crate::guarded_store::{GuardedStore, NotTaken};

/// Handles on the history store. Cloning is cheap.
#[derive(Clone)]
pub struct StoreHandle {
    appender: Arc<dyn Appender>,
    guarded: Option<Arc<GuardedStore>>,
    queryable: Arc<dyn Queryable>,
    follower: Arc<dyn Follower>,
    figures: Arc<dyn Fn() -> Vec<MetricFamily> + Send + Sync>,
    backup: Option<Backup>,
}

/// Makes a consistent copy into a directory.
type Backup = Arc<dyn Fn(&Path) -> Result<BackupSummary, StorageError> + Send + Sync>;

impl StoreHandle {
    /// Handles on one store; `figures` tells about it as metric families.
    pub fn new<S>(store: Arc<S>, figures: impl Fn() -> Vec<MetricFamily> + Send + Sync + 'static) -> Self
    where
        S: Appender + Queryable + Follower + 'static,
    {
        Self {
            appender: Arc::clone(&store) as Arc<dyn Appender>,
            queryable: Arc::clone(&store) as Arc<dyn Queryable>,
            follower: store,
            guarded: None,
            figures: Arc::new(figures),
            backup: None,
        }
    }

    /// These handles, with a way to make backups.
    #[must_use]
    pub fn with_backup(
        mut self,
        backup: impl Fn(&Path) -> Result<BackupSummary, StorageError> + Send + Sync + 'static,
    ) -> Self {
        self.backup = Some(Arc::new(backup));
        self
    }

    /// Copies state and history into a new or empty directory. Blocks for as long as that takes.
    ///
    /// # Errors
    /// When the directory cannot be used, or this store keeps nothing on a disk.
    pub fn backup(&self, directory: &Path) -> Result<BackupSummary, StorageError> {
        match &self.backup {
            Some(backup) => backup(directory),
            None => Err(StorageError::Unavailable("this store is not kept on a disk".to_owned())),
        }
    }

    /// These handles, with the write side behind a breaker.
    #[must_use]
    pub fn guarded(mut self, guarded: Arc<GuardedStore>) -> Self {
        self.appender = Arc::clone(&guarded) as Arc<dyn Appender>;
        self.guarded = Some(guarded);
        self
    }

    /// Writes samples of somebody who keeps them until they are taken.
    ///
    /// # Errors
    /// When nothing was taken.
    pub fn offer(&self, batch: &[(SeriesRef, Sample)]) -> Result<Appended, NotTaken> {
        match &self.guarded {
            Some(guarded) => guarded.offer(batch),
            None => self.appender.append(batch).map_err(|error| NotTaken { error, retry_after: None }),
        }
    }

    /// The write side for what the daemon makes itself.
    #[must_use]
    pub fn appender(&self) -> Arc<dyn Appender> {
        Arc::clone(&self.appender)
    }

    /// The read side.
    #[must_use]
    pub fn queryable(&self) -> Arc<dyn Queryable> {
        Arc::clone(&self.queryable)
    }

    /// The side exporters follow.
    #[must_use]
    pub fn follower(&self) -> Arc<dyn Follower> {
        Arc::clone(&self.follower)
    }

    /// Figures of the store.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let mut families = (self.figures)();
        families.extend(self.guarded.iter().flat_map(|guarded| guarded.families()));
        families
    }
}
