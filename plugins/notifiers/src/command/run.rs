//! Runs a program once: in a process group of its own, with a bounded time and bounded output, leaving nobody
//! behind.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// What is kept of each output; the rest is read and thrown away, so that the program does not block.
const OUTPUT_CAP: usize = 64 * 1024;
/// Between asking the program to end and ending it.
const GRACE: Duration = Duration::from_secs(2);
/// How long the pipes are read on after the program's end.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// Variables passed on from our own environment. Everything else stays here: credentials, systemd's sockets.
const PASSED_ON: [&str; 4] = ["HOME", "LANG", "LC_ALL", "TZ"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to be run.
pub(super) struct Job<'j> {
    pub(super) program: &'j Path,
    pub(super) arguments: &'j [String],
    pub(super) environment: Vec<(String, String)>,
    pub(super) input: Vec<u8>,
    pub(super) timeout: Duration,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It never began.
    NotStarted(String),
    /// It was ended at its time-out.
    TimedOut,
    /// It was ended by a signal.
    Signal(i32),
    /// It ended by itself.
    Exit {
        /// The exit code.
        code: i32,
        /// The beginning of what it said: errors if there are any, else output.
        output: String,
    },
}

/// Runs it.
pub(super) async fn run(job: Job<'_>) -> Ended {
    let mut command = Command::new(job.program);
    command.args(job.arguments).env_clear().env("PATH", PATH);
    command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(job.environment).current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    command.process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ended::NotStarted(error.to_string()),
    };
    // Ends the whole group when this function is left, however it is left.
    let group = Group(child.id());
    let talked = tokio::time::timeout(job.timeout, talk(&mut child, job.input)).await;
    if let Ok(ended) = talked {
        return ended;
    }
    group.signal(Signal::Terminate);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        group.signal(Signal::Kill);
        let _ = child.wait().await;
    }
    Ended::TimedOut
}

/// Feeds and reads the program until it ends.
async fn talk(child: &mut Child, input: Vec<u8>) -> Ended {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not care for the message may close its input; that is no fault.
            let _ = stdin.write_all(&input).await;
        }
    };
    let (mut errors, mut output) = (Vec::new(), Vec::new());
    let status = {
        let pipes = async { tokio::join!(feed, drain(stderr, &mut errors), drain(stdout, &mut output)) };
        tokio::pin!(pipes);
        tokio::select! {
            _ = &mut pipes => child.wait().await,
            status = child.wait() => {
                // The exit counts, not the pipes: a child of the program's may keep them open for ever.
                let _ = tokio::time::timeout(LAST_WORDS, pipes).await;
                status
            }
        }
    };
    let said = if errors.iter().all(u8::is_ascii_whitespace) { output } else { errors };
    let output = String::from_utf8_lossy(&said).into_owned();
    match status {
        Err(error) => Ended::NotStarted(error.to_string()),
        Ok(status) => match (status.code(), signal(status)) {
            (Some(code), _) => Ended::Exit { code, output },
            (None, signal) => Ended::Signal(signal),
        },
    }
}

async fn drain(stream: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 8192];
    while let Ok(read) = stream.read(&mut chunk).await {
        if read == 0 {
            return;
        }
        let room = OUTPUT_CAP.saturating_sub(into.len()).min(read);
        into.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }
}

#[cfg(unix)]
fn signal(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.signal().unwrap_or(0)
}

#[cfg(not(unix))]
fn signal(_: std::process::ExitStatus) -> i32 {
    0
}

enum Signal {
    Terminate,
    Kill,
}

/// The program's process group.
struct Group(Option<u32>);

impl Group {
    #[cfg(unix)]
    fn signal(&self, signal: Signal) {
        use nix::sys::signal::{Signal as Unix, killpg};
        let signal = match signal {
            Signal::Terminate => Unix::SIGTERM,
            Signal::Kill => Unix::SIGKILL,
        };
        if let Some(id) = self.0.and_then(|id| i32::try_from(id).ok()).filter(|id| *id > 1) {
            // An empty group is what we want.
            let _ = killpg(nix::unistd::Pid::from_raw(id), signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&self, _: Signal) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
    }
}
