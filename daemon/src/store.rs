//! The history store as the rest of the daemon sees it: three traits and some figures.

use std::sync::Arc;

use breakwatch_model::{Appender, Follower, MetricFamily, Queryable};

/// Handles on the history store. Cloning is cheap.
#[derive(Clone)]
pub struct StoreHandle {
    appender: Arc<dyn Appender>,
    queryable: Arc<dyn Queryable>,
    follower: Arc<dyn Follower>,
    figures: Arc<dyn Fn() -> Vec<MetricFamily> + Send + Sync>,
}

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
            figures: Arc::new(figures),
        }
    }

    /// The write side.
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
        (self.figures)()
    }
}
