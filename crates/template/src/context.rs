//! What a run of a template knows of its surroundings.

use std::fmt;

use breakwatch_model::{Labels, Timestamp};

use crate::limits::Limits;

/// One sample of a query's result, as `query` gives it to templates.
#[derive(Clone, PartialEq, Debug)]
pub struct QuerySample {
    /// The series, `__name__` included.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// Runs a query at the run's time for the `query` function; an error becomes the template's.
pub type Query<'c> = dyn Fn(&str) -> Result<Vec<QuerySample>, String> + 'c;

/// What one run is given beside its data. Nothing here reads a clock, a file or the network by itself.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The time `now`, `since` and `query` speak of.
    pub now: Timestamp,
    /// The daemon's address as users reach it, for `externalURL` and `pathPrefix`.
    pub external_url: &'c str,
    /// Answers `query`; without it the function is an error.
    pub query: Option<&'c Query<'c>>,
    /// What the run may cost.
    pub limits: Limits,
    /// Says when the caller's deadline has passed; asked every few hundred steps.
    pub expired: Option<&'c dyn Fn() -> bool>,
}

impl<'c> Context<'c> {
    /// A run at `now` with the default limits and nothing to ask.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, external_url: "", query: None, limits: Limits::default(), expired: None }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("external_url", &self.external_url)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
