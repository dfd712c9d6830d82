//! What all servers share: a directory, an unprivileged user, a port, and an end.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "test equipment: a server that cannot be set up is a failed test"
)]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use breakwatch_model::{Clock, SystemClock};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;

/// How long a server may take to start or to stop; only a broken one takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Panics
/// When the machine has no free port.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The first of `candidates` that is there.
pub(super) fn find(candidates: &[&str]) -> Option<PathBuf> {
    candidates.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// A directory a server may write in, and the user it runs as.
pub(super) struct Home {
    dir: TempDir,
    /// User and group to become, when we are root.
    identity: Option<(u32, u32)>,
}

impl Home {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let nobody = || User::from_name("nobody").ok().flatten().expect("the user nobody");
        let identity =
            Uid::effective().is_root().then(nobody).map(|user| (user.uid.as_raw(), user.gid.as_raw()));
        let home = Self { dir, identity };
        home.give(home.path());
        home
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path inside, as text.
    pub(super) fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// Writes a file only the server's user can read.
    pub(super) fn write(&self, name: &str, content: &str) -> String {
        let path = self.path().join(name);
        fs::write(&path, content).expect("writing into the temporary directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("setting a mode");
        self.give(&path);
        path.display().to_string()
    }

    fn give(&self, path: &Path) {
        if let Some((user, group)) = self.identity {
            chown(path, Some(user), Some(group)).expect("giving a file to the server's user");
        }
    }

    /// A command that runs as the server's user, in its directory, with its output in a log file there.
    pub(super) fn command(&self, program: &Path, log: &str) -> Command {
        let open = || {
            let path = self.path().join(log);
            fs::OpenOptions::new().create(true).append(true).open(path).expect("a log file")
        };
        let mut command = Command::new(program);
        command.current_dir(self.path()).stdin(Stdio::null()).stdout(open()).stderr(open());
        // Servers of the same kind tidy up after one another in a common directory for temporary files.
        command.env("LC_ALL", "C.UTF-8").env("HOME", self.path()).env("TMPDIR", self.path());
        if let Some((user, group)) = self.identity {
            command.uid(user).gid(group);
        }
        command
    }

    /// Runs a command to its end; its log is the message if it fails.
    pub(super) fn run(&self, program: &Path, arguments: &[&str]) {
        let status = self.command(program, "setup.log").args(arguments).status();
        let good = status.as_ref().is_ok_and(std::process::ExitStatus::success);
        assert!(good, "{} failed: {status:?}\n{}", program.display(), self.log("setup.log"));
    }

    /// The text of a log file.
    pub(super) fn log(&self, name: &str) -> String {
        let bytes = fs::read(self.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A running server process.
pub(super) struct Process {
    child: Child,
    stop: Signal,
}

impl Process {
    /// Starts it; `stop` is the signal that makes this server end at once.
    pub(super) fn start(command: &mut Command, stop: Signal) -> Self {
        Self { child: command.spawn().expect("starting the server"), stop }
    }

    /// The processes it has started that still run.
    pub(super) fn children(&self) -> Vec<u32> {
        children_of(self.child.id())
    }

    /// Waits until none of these is its child any more; false if the process itself ended before.
    pub(super) fn wait_gone(&mut self, old: &[u32]) -> bool {
        let id = self.child.id();
        self.wait_until(|| !children_of(id).iter().any(|child| old.contains(child)))
    }

    /// Waits until `ready`; false if the process ended before.
    pub(super) fn wait_until(&mut self, ready: impl Fn() -> bool) -> bool {
        let start = SystemClock.monotonic();
        while SystemClock.monotonic().duration_since(start) < PATIENCE {
            if ready() {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            pause();
        }
        panic!("the server does not become ready");
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    pub(super) fn stop(&mut self) {
        self.signal(self.stop);
        let start = SystemClock.monotonic();
        while matches!(self.child.try_wait(), Ok(None)) {
            if SystemClock.monotonic().duration_since(start) > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            pause();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for a foreign process; there need not be a runtime")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn children_of(id: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
