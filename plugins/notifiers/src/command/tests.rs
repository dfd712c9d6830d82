use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::testing::{build, context, hostile, list, map, poisoned, sample, text, texts};

fn shell(script: &str, timeout: &str) -> Box<dyn Notifier> {
    let argv = list(vec![text("sh"), text("-c"), text(script)]);
    build(&ENTRY, &map(vec![("argv", argv), ("timeout", text(timeout))]), &context()).unwrap()
}

async fn outcome(script: &str) -> Result<String, NotifyError> {
    shell(script, "20s").notify(&sample(None)).await.map(|receipt| receipt.answer)
}

#[tokio::test]
async fn the_message_is_on_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("in.json");
    let script = format!("cat > {} && echo thanks", file.display());
    assert_eq!(outcome(&script).await.unwrap(), "thanks");
    assert_eq!(std::fs::read(&file).unwrap(), alertmanager_json::webhook(&sample(None), 0));
}

#[tokio::test]
async fn exit_codes_say_what_became_of_it() {
    assert!(matches!(outcome("exit 75").await, Err(NotifyError::Retryable { .. })));
    assert!(matches!(outcome("exit 1").await, Err(NotifyError::Retryable { .. })));
    assert!(matches!(outcome("exit 65").await, Err(NotifyError::Rejected(_))));
    assert!(matches!(outcome("exit 78").await, Err(NotifyError::Misconfigured(_))));
    assert!(matches!(outcome("kill -9 $$").await, Err(NotifyError::Retryable { .. })));
    let error = outcome("echo out; echo why >&2; exit 1").await.unwrap_err();
    assert_eq!(error.to_string(), "/usr/bin/sh ended with 1: why");
}

#[tokio::test]
async fn it_is_ended_in_time_with_all_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("trap '' TERM; sleep 600 & echo $! > {}; wait", pid.display());
    let error = shell(&script, "300ms").notify(&sample(None)).await.unwrap_err();
    assert!(matches!(error, NotifyError::Retryable { .. }), "{error}");
    let child = std::fs::read_to_string(&pid).unwrap();
    let process = format!("/proc/{}", child.trim());
    let gone = async {
        // The kernel may need a moment to reap what was killed.
        while std::fs::read_to_string(format!("{process}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the child is gone");
}

#[tokio::test]
async fn a_child_that_keeps_the_pipe_open_does_not_hold_us() {
    let answer = shell("sleep 600 & echo done", "20s").notify(&sample(None)).await.unwrap().answer;
    assert_eq!(answer, "done");
}

#[tokio::test]
async fn endless_output_is_not_kept() {
    let program = Path::new("/usr/bin/env").to_owned();
    let arguments = ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 3"].map(str::to_owned);
    let job = Job {
        program: &program,
        arguments: &arguments,
        environment: Vec::new(),
        input: vec![b'x'; 2_000_000],
        timeout: Duration::from_secs(60),
    };
    let Ended::Exit { code: 3, output } = run::run(job).await else { panic!("it ends with 3") };
    assert!(output.len() <= 64 * 1024);
}

#[tokio::test]
async fn nothing_of_an_alert_is_in_arguments_or_environment() {
    for content in hostile().into_iter().take(9) {
        let answer = shell("env; cat > /dev/null", "20s").notify(&poisoned(&content)).await.unwrap().answer;
        assert!(!answer.contains(content.trim()), "{answer}");
        assert!(answer.contains("BREAKWATCH_STATUS=firing"), "{answer}");
    }
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    std::fs::write(&open, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let open = open.to_str().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let plain = plain.to_str().unwrap();
    for (settings, wanted) in [
        (texts(&[]), "missing required key `argv`"),
        (texts(&[("argv", "no-such-program-anywhere")]), "is in none of"),
        (texts(&[("argv", plain)]), "not an executable file"),
        (texts(&[("argv", open)]), "can be changed by every user"),
        (map(vec![("argv", text("true")), ("env", texts(&[("A=B", "x")]))]), "holds `=`"),
    ] {
        let Err(found) = build(&ENTRY, &settings, &context()) else { panic!("{wanted}: accepted") };
        assert!(found.contains(wanted), "wanted {wanted:?}, found:\n{found}");
    }
}
