//! The end of a process group.
//!
//! A program may ignore the request to end, leave children behind that hold its output open, or outlive the run that
//! started it. The group is supervised by a task of its own, which learns from a closed channel that nobody waits any
//! more; whatever the reason, the group is asked to end and then made to. If the runtime goes away first, dropping
//! the task kills the group on the spot.

use std::process::ExitStatus;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// How long a group may take to end when asked.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How often a group that is ending is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a killed group may take to be gone: longer only for a process stuck in the kernel, which nothing helps.
const REAP: Duration = Duration::from_secs(1);

/// A process group that is killed when it is dropped.
struct Group {
    id: Pid,
    /// Whether there may still be someone in it. Once it was seen empty its number may belong to others.
    alive: bool,
}

impl Group {
    /// Whether someone is left; collects those that ended and became our children (as PID 1 of a container).
    fn is_alive(&mut self) -> bool {
        if !self.alive {
            return false;
        }
        let own = Pid::from_raw(-self.id.as_raw());
        let collect = || waitpid(own, Some(WaitPidFlag::WNOHANG));
        while !matches!(collect(), Ok(WaitStatus::StillAlive) | Err(_)) {}
        self.alive = killpg(self.id, None) != Err(Errno::ESRCH);
        self.alive
    }

    fn signal(&mut self, signal: Signal) {
        if self.alive && killpg(self.id, signal) == Err(Errno::ESRCH) {
            self.alive = false;
        }
    }

    /// Waits until nobody is left; says whether that came to pass.
    async fn wait_until_gone(&mut self, limit: Duration) -> bool {
        let gone = async {
            while self.is_alive() {
                sleep(POLL).await;
            }
        };
        timeout(limit, gone).await.is_ok()
    }

    /// Asks everyone left to end, then makes them.
    async fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        // A stopped process acts on the request only once it runs.
        self.signal(Signal::SIGCONT);
        if !self.wait_until_gone(GRACE).await {
            self.signal(Signal::SIGKILL);
            self.wait_until_gone(REAP).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// What became of the first process of a group.
pub(super) struct Ended {
    /// How it ended.
    pub(super) status: std::io::Result<ExitStatus>,
    /// Whether others of its group were still there then.
    pub(super) left_behind: bool,
}

/// Supervises a child that leads a group, and reads its output for as long as anyone of the group may write: one that
/// is asked to end may have something to say, and must not die of a closed pipe before it has tidied up.
///
/// `ended` hears when the child is gone. When `keep` is closed, before or after that, everyone left in the group is
/// ended.
pub(super) async fn supervise(
    child: Child,
    reading: impl Future<Output = ()>,
    ended: oneshot::Sender<Ended>,
    keep: oneshot::Receiver<()>,
) {
    let reading = async {
        reading.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = watch(child, ended, keep) => {}
        () = reading => {}
    }
}

async fn watch(mut child: Child, ended: oneshot::Sender<Ended>, mut keep: oneshot::Receiver<()>) {
    let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) else { return };
    let mut group = Group { id: Pid::from_raw(id), alive: true };
    let status = tokio::select! {
        status = child.wait() => status,
        _ = &mut keep => {
            end_with_leader(&mut group, &mut child).await;
            return;
        }
    };
    let left_behind = group.is_alive();
    // Nobody to tell is fine: then the channel below is closed as well.
    let _ = ended.send(Ended { status, left_behind });
    let _ = keep.await;
    group.end().await;
}

/// Ends a group whose first process is still ours to collect.
async fn end_with_leader(group: &mut Group, child: &mut Child) {
    group.signal(Signal::SIGTERM);
    group.signal(Signal::SIGCONT);
    let in_time = timeout(GRACE, async {
        let _ = child.wait().await;
        while group.is_alive() {
            sleep(POLL).await;
        }
    });
    if in_time.await.is_err() {
        group.signal(Signal::SIGKILL);
        let _ = timeout(REAP, child.wait()).await;
        group.wait_until_gone(REAP).await;
    }
}
