//! What is to be run, made into a program as soon as that is there.
//!
//! A program that is missing when the daemon starts (not installed yet, or replaced by an upgrade at this moment) must
//! not keep the daemon from watching everything else: the check is unknown until it appears.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::BuildContext;

use super::lookup;
use super::process::Program;

/// A program by name, and how it is started.
pub(super) struct Recipe {
    /// As it is written.
    pub(super) name: String,
    pub(super) arguments: Vec<OsString>,
    /// prlimit(1) and its options, put before a program that has limits: between our fork and its start there is no
    /// room for code of ours.
    pub(super) prlimit: Option<(PathBuf, Vec<OsString>)>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) directory: PathBuf,
    /// User and group to run as, where not our own.
    pub(super) identity: Option<(u32, u32)>,
    /// Where the name is looked for.
    pub(super) context: BuildContext,
    /// The program, once it was found.
    pub(super) found: OnceLock<Program>,
}

impl Recipe {
    /// The program, looked for until it was found.
    ///
    /// # Errors
    /// A failed start, if it is not there or must not be run.
    pub(super) fn program(&self) -> Result<&Program, CheckFailure> {
        if let Some(program) = self.found.get() {
            return Ok(program);
        }
        let failed =
            |why| CheckFailure::new(FailureReason::Spawn, format!("cannot start {}: {why}", self.name));
        let path = lookup::find(&self.name, &self.context).map_err(failed)?;
        Ok(self.found.get_or_init(|| self.assemble(path)))
    }

    fn assemble(&self, path: PathBuf) -> Program {
        let own = self.arguments.iter().cloned();
        let (path, arguments) = match &self.prlimit {
            None => (path, own.collect()),
            Some((prlimit, options)) => {
                let before = options.iter().cloned().chain(["--".into(), path.into()]);
                (prlimit.clone(), before.chain(own).collect())
            }
        };
        let (environment, directory) = (self.environment.clone(), self.directory.clone());
        Program { path, arguments, environment, directory, identity: self.identity }
    }
}
