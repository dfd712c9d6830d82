//! Mistakes in the settings, and what must not be shown.

use breakwatch_plugin_api::{Diagnostics, NodeKind};
use serde_json::json;

use super::super::ENTRY;
use crate::testing::{build, context, mistakes, node, run};

#[test]
fn mistakes_are_reported_at_their_place() {
    for (settings, expected) in [
        (json!({}), "missing required key `argv`"),
        (json!({ "shell": true }), "missing required key `command`"),
        (json!({ "argv": [] }), "argv: expected a list of the program and its arguments, found a list"),
        (
            json!({ "argv": "ls -l" }),
            "argv: expected a list of the program and its arguments, found \"ls -l\"",
        ),
        (json!({ "argv": ["/etc/passwd"] }), "argv[0]: /etc/passwd is not executable"),
        (
            json!({ "command": "ls" }),
            "command: a line for the shell needs `shell: true`; otherwise write `argv`, a list",
        ),
        (json!({ "argv": ["ls"], "command": "ls" }), "command: either `argv` or `command`, not both"),
        (
            json!({ "argv": ["ls"], "protocol": "nagois" }),
            "protocol: expected one of `exit_code`, `nagios`, `number`, `regex`, found \"nagois\" (did you mean `nagios`?)",
        ),
        (
            json!({ "argv": ["ls"], "protocol": "nagios", "exit_codes": [1] }),
            "exit_codes: `exit_codes` has no meaning with this protocol",
        ),
        (
            json!({ "argv": ["ls"], "protocol": "regex" }),
            "protocol: the `regex` protocol needs `regex` or `not_regex`",
        ),
        (
            json!({ "argv": ["ls"], "exit_codes": ["0", "256"] }),
            "exit_codes: expected exit codes from 0 to 255, found \"256\"",
        ),
        (json!({ "argv": ["ls"], "cwd": "/no/such" }), "cwd: /no/such is not a directory"),
        (json!({ "argv": ["ls"], "user": "nobody-at-all" }), "user: there is no user \"nobody-at-all\""),
        (
            json!({ "argv": ["ls"], "env": { "NOTIFY_SOCKET": "x" } }),
            "env.NOTIFY_SOCKET: `NOTIFY_SOCKET` belongs to the daemon alone",
        ),
        (
            json!({ "argv": ["ls"], "pass_env": "LISTEN_FDS" }),
            "pass_env: `LISTEN_FDS` belongs to the daemon alone",
        ),
        (
            json!({ "argv": ["ls"], "output_limit": "1GB" }),
            "output_limit: at most 16MiB of an output are kept",
        ),
        (
            json!({ "argv": ["ls"], "limits": { "cpus": 1 } }),
            "limits.cpus: unknown key `cpus` (did you mean `cpu`?)",
        ),
    ] {
        assert_eq!(mistakes(&ENTRY, &settings).first().map(String::as_str), Some(expected));
    }
}

#[tokio::test]
async fn secrets_are_hidden_wherever_the_program_prints_them() {
    let mut settings = node(&json!({
        "argv": ["sh", "-c", "echo out $TOKEN $1; echo err $TOKEN >&2; exit 1", "sh", "arg-s3cret"],
        "env": { "TOKEN": "env-s3cret" },
    }));
    mark_sensitive(&mut settings, "s3cret");
    let diagnostics = Diagnostics::new();
    let check = (ENTRY.parse)(&settings, &context(), &diagnostics).unwrap();
    let run = run(&*check).await;
    assert_eq!(run.failure().message, "exit code 1: out <secret> <secret>");
    run.hides(&["env-s3cret", "arg-s3cret"]);
    assert!(!check.target().contains("s3cret"), "{}", check.target());
}

/// Marks the scalars that hold `part` as coming from outside.
fn mark_sensitive(node: &mut breakwatch_plugin_api::Node, part: &str) {
    match &mut node.kind {
        NodeKind::Scalar { text, .. } => node.sensitive = text.contains(part) && !text.contains(' '),
        NodeKind::List(items) => items.iter_mut().for_each(|item| mark_sensitive(item, part)),
        NodeKind::Map(entries) => entries.iter_mut().for_each(|(_, value)| mark_sensitive(value, part)),
        NodeKind::Null => {}
    }
}

#[test]
fn the_target_is_the_resolved_program() {
    let check = build(&ENTRY, &json!({ "argv": ["sh", "-c", "true", "password"] })).unwrap();
    assert_eq!(check.target(), "/usr/bin/sh");
    let limited = build(&ENTRY, &json!({ "argv": ["sh"], "limits": { "cpu": "1s" } })).unwrap();
    assert_eq!(limited.target(), "/usr/bin/sh");
}

#[test]
fn every_key_that_is_read_is_documented() {
    let settings = json!({
        "argv": ["ls"], "shell": false, "command": null, "protocol": "number", "exit_codes": [0],
        "degraded_exit_codes": [1], "regex": "x", "not_regex": "y", "value": 1, "env": {}, "pass_env": [],
        "cwd": "/", "user": null, "output_limit": "1KiB", "limits": {},
    });
    assert!(build(&ENTRY, &settings).is_ok());
    let mut read: Vec<&str> = settings.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented: Vec<&str> = ENTRY.fields.iter().map(|field| field.name).collect();
    read.sort_unstable();
    documented.sort_unstable();
    assert_eq!(read, documented);
}
