//! The check: one attempt at finding out how a target is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, Clock, Timestamp};

use crate::{ComponentId, Diagnostics, Field, Node, Recorder};

/// What a run is told.
#[derive(Clone)]
pub struct CheckContext {
    /// The check's id as configured, `http/website`.
    pub check: Arc<str>,
    /// How long this run may take in all; whoever runs the check enforces it.
    pub timeout: Duration,
    /// When the run started.
    pub started_at: Timestamp,
    /// For measuring phases.
    pub clock: Arc<dyn Clock>,
}

/// A configured check. One attempt: no schedule, no retry, no breaker.
#[async_trait]
pub trait Check: Send + Sync {
    /// Looks once. Everything recorded before an error, a time-out or a cancellation is kept. Numbers go through
    /// [`Recorder::judge`]; the run's status is the worst of the judgements and the returned failure.
    ///
    /// # Errors
    /// Why the target is unhealthy. [`breakwatch_model::FailureReason::Internal`] means the daemon could not look
    /// (no file descriptor, no permission): the status becomes unknown and nobody is charged.
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure>;

    /// What is looked at, without credentials: a URL, a host and port, a mount point, a command.
    fn target(&self) -> String;
}

/// What a plugin may need while it is built from its settings.
#[derive(Clone)]
pub struct BuildContext {
    /// The id of the component being built.
    pub id: ComponentId,
    /// The directory relative paths in the settings are relative to.
    pub base_dir: PathBuf,
    /// Directories in which command names without a slash are looked for.
    pub command_path: Vec<PathBuf>,
    /// The time-out that applies to each run.
    pub timeout: Duration,
}

/// The row of a check kind in its table.
#[derive(Clone, Copy)]
pub struct CheckEntry {
    /// The kind: the part of the component id before the slash.
    pub key: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The kind's own settings. Settings every check has (`interval`, `timeout`, …) are read by others.
    pub fields: &'static [Field],
    /// Whether the breaker keeps probing at the normal pace while open (host kinds), instead of stretching.
    pub local: bool,
    /// Reads the settings. Reports every mistake and returns `None` if there was one. Keys that every check has
    /// are already removed from the node.
    pub parse: fn(&Node, &BuildContext, &Diagnostics) -> Option<Box<dyn Check>>,
}
