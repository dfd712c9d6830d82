//! Starting a program and waiting for it, without ever waiting for what it leaves behind.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use breakwatch_model::{CheckFailure, FailureReason};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::capture::Capture;
use super::group::{Ended, supervise};
use crate::net::{from_io, is_local};

/// How long the pipes may stay open after the program has ended: time for what a pipeline still has to say, not for a
/// process left behind.
const PIPE_GRACE: Duration = Duration::from_millis(500);

/// A program ready to be started.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) directory: PathBuf,
    /// User and group to run as, where not our own.
    pub(crate) identity: Option<(u32, u32)>,
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// With a code, 0 to 255.
    Code(i32),
    /// By a signal.
    Signal {
        /// `SIGSEGV`.
        name: String,
        /// Whether it left a core file.
        core_dumped: bool,
    },
}

/// The end of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exit {
    pub(crate) ending: Ending,
    /// Whether processes of its group outlived it.
    pub(crate) left_behind: bool,
}

impl Exit {
    /// The exit code, if it ended with one.
    pub(crate) fn code(&self) -> Option<i32> {
        match self.ending {
            Ending::Code(code) => Some(code),
            Ending::Signal { .. } => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ending {
            Ending::Code(code) => write!(f, "code {code}"),
            Ending::Signal { name, core_dumped: true } => write!(f, "signal {name}, core dumped"),
            Ending::Signal { name, .. } => write!(f, "signal {name}"),
        }
    }
}

/// Runs a program to its end, its output into the captures. Dropping the future ends the program's group.
///
/// # Errors
/// It could not be started.
pub(crate) async fn execute(
    program: &Program,
    stdout: &Capture,
    stderr: &Capture,
) -> Result<Exit, CheckFailure> {
    let mut child = command(program).spawn().map_err(|error| not_started(program, &error))?;
    let pipes = (child.stdout.take(), child.stderr.take());
    let captures = (stdout.clone(), stderr.clone());
    let (all_read_tx, all_read_rx) = oneshot::channel();
    let reading = async move {
        if let (Some(out), Some(err)) = pipes {
            tokio::join!(captures.0.drain(out), captures.1.drain(err));
        }
        let _ = all_read_tx.send(());
    };
    let (ended_tx, ended_rx) = oneshot::channel();
    // Closed when this future ends or is dropped; the supervisor then ends the group.
    let (_keep_tx, keep_rx) = oneshot::channel::<()>();
    tokio::spawn(supervise(child, reading, ended_tx, keep_rx));
    let ended = ended_rx.await;
    // Whoever still holds the pipes when the time is up is left behind.
    let _ = timeout(PIPE_GRACE, all_read_rx).await;
    match ended {
        Ok(Ended { status: Ok(status), left_behind }) => Ok(exit(status, left_behind)),
        Ok(Ended { status: Err(error), .. }) => {
            Err(from_io(&error, FailureReason::Internal, "waiting for the program"))
        }
        Err(_) => Err(CheckFailure::new(FailureReason::Internal, "the program's supervisor ended early")),
    }
}

fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .env_clear()
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&program.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some((user, group)) = program.identity {
        command.uid(user).gid(group);
    }
    command
}

fn not_started(program: &Program, error: &io::Error) -> CheckFailure {
    // A permission is the program's own business here; running out of something is ours.
    let own = is_local(error) && error.kind() != io::ErrorKind::PermissionDenied;
    let reason = if own { FailureReason::Internal } else { FailureReason::Spawn };
    let words = crate::net::failure::describe(error);
    CheckFailure::new(reason, format!("cannot start {}: {words}", program.path.display()))
}

fn exit(status: std::process::ExitStatus, left_behind: bool) -> Exit {
    let ending = match (status.code(), status.signal().unwrap_or_default()) {
        (Some(code), _) => Ending::Code(code),
        (None, number) => Ending::Signal {
            // Real-time signals have numbers only.
            name: Signal::try_from(number)
                .map_or_else(|_| number.to_string(), |known| known.as_str().to_owned()),
            core_dumped: status.core_dumped(),
        },
    };
    Exit { ending, left_behind }
}
