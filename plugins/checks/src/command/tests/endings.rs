//! Programs that do not end, do not stop talking, or leave others behind.

use std::path::Path;
use std::time::Duration;

use breakwatch_model::FailureReason;
use breakwatch_plugin_api::{Diagnostics, Severity};
use serde_json::json;

use super::super::ENTRY;
use crate::testing::{GENEROUS, Run, build, context, node, run_with, run_within};

/// A directory of scripts. Every process of a script carries the directory's name in its environment, by which those
/// still alive are found.
struct Scripts {
    dir: tempfile::TempDir,
}

impl Scripts {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn settings(&self, script: &str) -> serde_json::Value {
        json!({ "argv": ["sh", "-c", script], "env": { "MARK": self.mark() }, "cwd": self.dir.path() })
    }

    fn mark(&self) -> String {
        self.dir.path().display().to_string()
    }

    async fn run(&self, script: &str) -> Run {
        run_with(&ENTRY, &self.settings(script)).await
    }

    /// Runs until the script has made the file `started`, and then drops the run as the daemon does at a deadline.
    async fn run_until_started(&self, script: &str) -> Run {
        let check = build(&ENTRY, &self.settings(script)).unwrap();
        let started = self.dir.path().join("started");
        let _ = std::fs::remove_file(&started);
        let clock = std::sync::Arc::new(breakwatch_model::SystemClock);
        let ctx = breakwatch_plugin_api::CheckContext {
            check: "command/x".into(),
            timeout: GENEROUS,
            started_at: breakwatch_model::Clock::now(&*clock),
            clock,
        };
        let mut rec = breakwatch_plugin_api::Recorder::default();
        let result = tokio::select! {
            result = check.run(&ctx, &mut rec) => Some(result),
            () = wait_for(|| started.exists()) => None,
        };
        Run { result, rec }
    }

    /// The processes of the scripts that are still there, zombies left out: those have no environment.
    fn alive(&self) -> Vec<String> {
        let mark = format!("MARK={}", self.mark());
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        pids.filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
            .filter(|pid| {
                let environment =
                    std::fs::read(Path::new("/proc").join(pid).join("environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
            })
            .collect()
    }

    async fn all_gone(&self) {
        wait_for(|| self.alive().is_empty()).await;
    }
}

/// Waits for something that must happen; a slow machine gets all the time it needs.
async fn wait_for(happened: impl Fn() -> bool) {
    let wait = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(GENEROUS, wait).await.expect("it never happened");
}

/// Children of this process that have ended and were not collected.
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats
        .filter(|stat| {
            // `pid (name) state parent …`; the name may hold anything.
            let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            fields.next() == Some("Z") && fields.next() == Some(&own)
        })
        .count()
}

#[tokio::test]
async fn one_that_never_ends_is_ended_with_the_run() {
    let scripts = Scripts::new();
    // A deadline may fall between the writing and the reading of what is said; then it is tried again.
    let cut_off = async {
        loop {
            let run = scripts.run_until_started("echo so far; touch started; sleep 1000").await;
            assert_eq!(run.result, None);
            assert_eq!(run.fact("exit"), Some("none: it has not ended by itself"));
            if run.fact("stdout") == Some("so far") {
                return;
            }
        }
    };
    tokio::time::timeout(GENEROUS, cut_off).await.expect("what was said before the deadline is kept");
    scripts.all_gone().await;
    wait_for(|| zombies() == 0).await;
}

#[tokio::test]
async fn one_that_ignores_the_request_is_made_to_end() {
    let scripts = Scripts::new();
    let script = "trap '' TERM INT HUP; touch started; while :; do sleep 1000; done";
    scripts.run_until_started(script).await;
    scripts.all_gone().await;
    wait_for(|| zombies() == 0).await;
}

#[tokio::test]
async fn one_that_can_tidy_up_is_let_do_so() {
    let scripts = Scripts::new();
    let script = "trap 'echo bye > tidied; exit' TERM; touch started; while :; do sleep 0.05; done";
    scripts.run_until_started(script).await;
    scripts.all_gone().await;
    assert_eq!(std::fs::read_to_string(scripts.dir.path().join("tidied")).unwrap(), "bye\n");
    // Having something to say about it is no hindrance.
    let script = "trap 'echo going; echo going >&2; echo bye > told; exit' TERM; touch started; while :; do sleep 0.05; done";
    scripts.run_until_started(script).await;
    scripts.all_gone().await;
    assert_eq!(std::fs::read_to_string(scripts.dir.path().join("told")).unwrap(), "bye\n");
}

#[tokio::test]
async fn one_that_is_stopped_is_ended_too() {
    let scripts = Scripts::new();
    scripts.run_until_started("touch started; kill -STOP $$").await;
    scripts.all_gone().await;
}

#[tokio::test]
async fn grandchildren_end_with_the_group() {
    let scripts = Scripts::new();
    let script =
        "(trap '' TERM; sleep 1000) & (sleep 1000 | cat) & sh -c 'sleep 1000 & wait' & touch started; wait";
    scripts.run_until_started(script).await;
    scripts.all_gone().await;
    wait_for(|| zombies() == 0).await;
}

#[tokio::test]
async fn a_child_that_holds_the_pipe_does_not_hold_the_run() {
    let scripts = Scripts::new();
    // The program is done; what it left behind holds stdout for a thousand seconds.
    let run = scripts.run("sleep 1000 & echo done").await;
    run.succeeded();
    assert_eq!(run.fact("stdout"), Some("done"));
    assert!(run.fact("left behind").is_some());
    scripts.all_gone().await;
}

#[tokio::test]
async fn what_a_pipeline_says_last_is_still_heard() {
    let scripts = Scripts::new();
    let run = scripts.run("(sleep 0.05; echo late) & exit 0").await;
    assert_eq!(run.succeeded().fact("stdout"), Some("late"));
}

#[tokio::test]
async fn a_daemon_of_its_own_session_lives() {
    let scripts = Scripts::new();
    scripts.run("setsid sh -c 'echo $$ > pid; exec sleep 1000' > /dev/null 2>&1 & while [ ! -s pid ]; do sleep 0.01; done").await.succeeded();
    let pid = std::fs::read_to_string(scripts.dir.path().join("pid")).unwrap();
    assert_eq!(scripts.alive(), [pid.trim()], "who leaves the group on purpose is not ours to end");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid.trim().parse().unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    scripts.all_gone().await;
}

#[test]
fn a_runtime_that_goes_away_takes_its_programs_along() {
    let scripts = Scripts::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let check =
        build(&ENTRY, &scripts.settings("trap '' TERM; touch started; sleep 1000 & sleep 1000")).unwrap();
    let started = scripts.dir.path().join("started");
    let task = runtime.spawn(async move { run_within(&*check, GENEROUS).await });
    runtime.block_on(wait_for(|| started.exists()));
    task.abort();
    drop(runtime);
    let after = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    after.block_on(scripts.all_gone());
}

#[tokio::test]
async fn a_gigabyte_of_output_is_counted_and_not_kept() {
    let run = Scripts::new().run("head -c 1G /dev/zero").await;
    run.succeeded();
    assert_eq!(run.value("breakwatch_command_output_bytes", r#"{stream="stdout"}"#), Some(1_073_741_824.0));
    assert_eq!(run.fact("stdout cut"), Some("the first 65536 of 1073741824 bytes were kept"));
}

#[tokio::test]
async fn both_pipes_are_read_at_once() {
    // More than a pipe holds on each, in turns: reading one after the other would never end.
    let script = "for i in 1 2 3; do head -c 1M /dev/zero; head -c 1M /dev/zero >&2; done";
    let run = Scripts::new().run(script).await;
    run.succeeded();
    for stream in ["stdout", "stderr"] {
        let labels = format!("{{stream={stream:?}}}");
        assert_eq!(run.value("breakwatch_command_output_bytes", &labels), Some(3.0 * 1024.0 * 1024.0));
    }
}

#[tokio::test]
async fn any_bytes_become_clean_text() {
    let run = Scripts::new().run("printf 'a\\000b\\377\\033[31mred\\r\\nline\\a'; exit 1").await;
    assert_eq!(run.failure().message, "exit code 1: a b\u{fffd}red line");
    assert_eq!(run.fact("stdout"), Some("a b\u{fffd}red line"));
}

#[tokio::test]
async fn a_program_that_is_gone_cannot_be_started() {
    use std::os::unix::fs::PermissionsExt;
    let scripts = Scripts::new();
    let path = scripts.dir.path().join("plugin");
    std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let check = build(&ENTRY, &json!({ "argv": [path] })).unwrap();
    run_within(&*check, GENEROUS).await.succeeded();
    std::fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    let run = run_within(&*check, GENEROUS).await;
    assert_eq!(run.failure().reason, FailureReason::Spawn);
    std::fs::remove_file(&path).unwrap();
    let run = run_within(&*check, GENEROUS).await;
    let message = format!("cannot start {}: no such file or directory (spawn)", path.display());
    assert_eq!(run.failure().to_string(), message);
}

#[tokio::test]
async fn a_program_that_is_not_there_yet_is_waited_for() {
    use std::os::unix::fs::PermissionsExt;
    let scripts = Scripts::new();
    let path = scripts.dir.path().join("plugin");
    let diagnostics = Diagnostics::new();
    let check = (ENTRY.parse)(&node(&json!({ "argv": [path] })), &context(), &diagnostics).unwrap();
    let found = diagnostics.into_sorted();
    assert!(found.len() == 1 && found[0].severity == Severity::Warning, "{found:?}");
    assert!(found[0].message.ends_with("no such file or directory; the check is unknown until it is there"));
    let run = run_within(&*check, GENEROUS).await;
    assert_eq!(run.failure().reason, FailureReason::Spawn);
    let message = format!("cannot start {0}: {0}: no such file or directory (spawn)", path.display());
    assert_eq!(run.failure().to_string(), message);
    std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o757)).unwrap();
    let run = run_within(&*check, GENEROUS).await;
    assert!(run.failure().message.contains("can be written by every user"), "{}", run.failure());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    run_within(&*check, GENEROUS).await.succeeded();
}
