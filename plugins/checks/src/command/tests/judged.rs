//! What programs say, and what it comes to.

use breakwatch_model::FailureReason;
use breakwatch_plugin_api::Level;
use serde_json::{Value, json};

use super::super::ENTRY;
use crate::testing::{Run, run_with};

async fn sh(script: &str, extra: Value) -> Run {
    let mut settings = json!({ "argv": ["sh", "-c", script] });
    for (key, value) in extra.as_object().unwrap() {
        settings[key] = value.clone();
    }
    run_with(&ENTRY, &settings).await
}

#[tokio::test]
async fn exit_codes() {
    let run = sh("echo fine; echo warned >&2", json!({})).await;
    run.succeeded();
    assert_eq!(run.value("breakwatch_command_exit_code", ""), Some(0.0));
    assert_eq!(run.value("breakwatch_command_output_bytes", r#"{stream="stdout"}"#), Some(5.0));
    assert_eq!(run.value("breakwatch_command_output_bytes", r#"{stream="stderr"}"#), Some(7.0));
    assert_eq!((run.fact("stdout"), run.fact("stderr")), (Some("fine"), Some("warned")));

    let run = sh("echo broken >&2; exit 7", json!({})).await;
    assert_eq!(run.failure().to_string(), "exit code 7: broken (status)");
    assert_eq!(run.fact("exit"), Some("code 7"));
    sh("exit 7", json!({ "exit_codes": [0, 7] })).await.succeeded();
    let run = sh("exit 7", json!({ "degraded_exit_codes": 7 })).await;
    assert_eq!(run.succeeded().rec.degraded.as_ref().unwrap().to_string(), "exit code 7 (status)");
}

#[tokio::test]
async fn what_the_shell_could_not_run_has_found_nothing_out() {
    let run = sh("/nowhere/plugin", json!({})).await;
    assert_eq!(run.failure().reason, FailureReason::Spawn, "{}", run.failure());
    assert!(run.failure().message.starts_with("exit code 127: "), "{}", run.failure());
    let run = sh("/etc/passwd", json!({})).await;
    assert_eq!(run.failure().reason, FailureReason::Spawn, "{}", run.failure());
    let run = sh("exit 42", json!({})).await;
    assert_eq!(run.failure().reason, FailureReason::Status);
}

#[tokio::test]
async fn signals_have_names() {
    let run = sh("kill -SEGV $$", json!({})).await;
    assert_eq!(run.failure().reason, FailureReason::Signal);
    assert_eq!(run.failure().message, "ended by signal SIGSEGV");
    assert_eq!(run.value("breakwatch_command_exit_code", ""), Some(-1.0));
    let run = sh("echo last words; kill -KILL $$", json!({ "protocol": "nagios" })).await;
    assert_eq!(run.failure().to_string(), "ended by signal SIGKILL: last words (signal)");
}

#[tokio::test]
async fn numbers_have_levels() {
    let levels = json!({ "protocol": "number", "value": { "degraded": 10, "unhealthy": 20 } });
    for (script, level) in
        [("echo 5", Level::Fine), ("echo ' 12.5 '", Level::Degraded), ("echo 2e1", Level::Unhealthy)]
    {
        let run = sh(script, levels.clone()).await;
        assert_eq!(run.succeeded().level("value"), Some(level), "{script}");
    }
    let run = sh("echo 'queue: 17 jobs'", json!({ "protocol": "number", "regex": "queue: (\\d+)" })).await;
    assert_eq!(run.succeeded().value("breakwatch_command_value", ""), Some(17.0));
    for script in ["echo many", "true", "echo nan", "echo 1e999", "echo 1; echo 2"] {
        let run = sh(script, levels.clone()).await;
        assert_eq!(run.failure().reason, FailureReason::Assertion, "{script}");
    }
}

#[tokio::test]
async fn outputs_are_matched() {
    let protocol = |regex: &str| json!({ "protocol": "regex", "regex": regex });
    sh("echo all good", protocol("good$")).await.succeeded();
    let run = sh("echo all bad", protocol("good$")).await;
    assert_eq!(run.failure().to_string(), "the output does not match /good$/: all bad (assertion)");
    let run = sh("echo all bad", json!({ "not_regex": "bad" })).await;
    assert_eq!(run.failure().to_string(), "the output matches /bad/: all bad (assertion)");
}

#[tokio::test]
async fn a_nagios_plugin_is_understood() {
    let nagios = json!({ "protocol": "nagios" });
    let run = sh("echo 'DISK OK | /=50%;80;90'", nagios.clone()).await;
    let labels = r#"{label="/", unit="ratio"}"#;
    assert_eq!(run.succeeded().value("breakwatch_command_perfdata", labels), Some(0.5));
    let run = sh("echo 'WARNING: slow | t=1s'; exit 1", nagios.clone()).await;
    assert_eq!(run.succeeded().rec.degraded.as_ref().unwrap().to_string(), "WARNING: slow (status)");
    let run = sh("echo 'CRITICAL: down'; exit 2", nagios.clone()).await;
    assert_eq!(run.failure().to_string(), "CRITICAL: down (status)");
    let run = sh("echo 'no idea'; exit 3", nagios.clone()).await;
    assert_eq!(run.failure().to_string(), "no idea (internal)");
    let run = sh("exit 127", nagios).await;
    assert_eq!(run.failure().reason, FailureReason::Internal);
}

#[tokio::test]
async fn the_environment_is_of_our_making() {
    // What the test itself was started with is certain to hold more than the short list.
    let listed = sh("env | cut -d= -f1 | sort", json!({ "env": { "MINE": "x y" } })).await;
    let names: Vec<&str> = listed.fact("stdout").unwrap().split(' ').collect();
    for name in &names {
        let known = [
            "PATH", "MINE", "PWD", "OLDPWD", "SHLVL", "_", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ",
        ];
        assert!(known.contains(name) || name.starts_with("L") || name.starts_with("SSL_CERT"), "{name}");
    }
    assert!(names.contains(&"MINE") && !names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
    // Any variable that is not on the list will do; cargo and shells set plenty.
    let mut others = std::env::vars().filter(|(name, value)| {
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        plain(name) && plain(value) && !names.contains(&name.as_str())
    });
    let (name, value) = others.next().expect("the test has an environment of its own");
    let passed = sh(&format!("echo ${name}"), json!({ "pass_env": [name] })).await;
    assert_eq!(passed.fact("stdout"), Some(value.as_str()));
    let here = sh("pwd; cat; echo \"$MINE\"", json!({ "cwd": "/usr", "env": { "MINE": "a b" } })).await;
    assert_eq!(here.fact("stdout"), Some("/usr a b"), "and nothing comes from the standard input");
}

#[tokio::test]
async fn arguments_are_never_seen_by_a_shell() {
    let settings = json!({ "argv": ["echo", "$(touch /tmp/x)", "; exit 3", "a b", "*"] });
    let run = run_with(&ENTRY, &settings).await;
    assert_eq!(run.succeeded().fact("stdout"), Some("$(touch /tmp/x) ; exit 3 a b *"));
    let shell = json!({ "shell": true, "command": "echo one | tr o 0; exit 0" });
    assert_eq!(run_with(&ENTRY, &shell).await.succeeded().fact("stdout"), Some("0ne"));
}

#[tokio::test]
async fn limits_are_set_on_the_program() {
    let limits =
        json!({ "limits": { "memory": "1GiB", "cpu": "7s", "file_size": "1MiB", "open_files": 32 } });
    let run = sh("ulimit -v; ulimit -t; ulimit -n", limits.clone()).await;
    assert_eq!(run.succeeded().fact("stdout"), Some("1048576 7 32"));
    // A program that eats memory hits its own wall, not the machine's.
    let run = sh("head -c 4G /dev/zero | tail -c 3G | wc -c", limits.clone()).await;
    assert_ne!(run.fact("stdout"), Some("3221225472"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("big");
    let run = sh(&format!("head -c 10M /dev/zero > {}", file.display()), limits).await;
    assert!(matches!(run.result, Some(Err(_))));
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 1024 * 1024);
}
