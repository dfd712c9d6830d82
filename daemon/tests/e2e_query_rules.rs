//! `check rules`, `test rules` and `rules backtest` by the real binary; the first two beside promtool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod common;
mod remote;

use std::path::{Path, PathBuf};
use std::process::Command;

use breakwatch_sim::left_out;
use breakwatch_sim::remote_write::{Series, encode};
use common::{Bench, program, workspace};
use remote::{token, write};

const CONFIG: &str = "
checks: { memory: { interval: 1h } }
rules: { shipped: false }
store: { path: data }
";

/// File name, content, exit codes of `check rules` without and with `--lint-fatal`.
const FILES: &[(&str, &str, i32, i32)] = &[
    (
        "good.yml",
        "groups: [{ name: g, rules: [{ alert: A, expr: up == 0, for: 5m }, { record: a:b, expr: sum(up) }] }]\n",
        0,
        0,
    ),
    ("empty.yml", "groups: []\n", 0, 0),
    ("twice.yml", "groups: [{ name: g, rules: [{ record: a, expr: b }, { record: a, expr: c }] }]\n", 0, 3),
    ("expr.yml", "groups: [{ name: g, rules: [{ record: a, expr: 'sum(' }] }]\n", 1, 1),
    ("field.yml", "groups: [{ name: g, rules: [{ record: a, expr: b, extra: 1 }] }]\n", 1, 1),
    ("group.yml", "groups: [{ name: g, rules: [] }, { name: g, rules: [] }]\n", 1, 1),
    (
        "template.yml",
        "groups: [{ name: g, rules: [{ alert: A, expr: up, labels: { a: '{{ $nope }}' } }] }]\n",
        1,
        1,
    ),
    ("yaml.yml", "groups: [\n", 1, 1),
];

#[test]
fn rule_files_are_judged_as_promtool_judges_them() {
    let bench = Bench::new(CONFIG);
    let promtool = program("promtool");
    for (name, text, code, fatal) in FILES {
        bench.write(name, text);
        for (args, expected) in
            [(&["check", "rules", name][..], code), (&["check", "rules", "--lint-fatal", name], fatal)]
        {
            let (ours, out, err) = bench.run(args);
            assert_eq!(ours, *expected, "{args:?}: {out}{err}");
            assert!(out.starts_with(&format!("Checking {name}\n")), "{out}");
            if *code == 1 {
                assert!(err.contains(&format!("{name}:")) && err.contains("FAILED"), "{err}");
            }
            if let Some(promtool) = &promtool {
                let theirs =
                    Command::new(promtool).current_dir(bench.dir.path()).args(args).output().unwrap();
                assert_eq!(theirs.status.code(), Some(*expected), "promtool {args:?}");
            }
        }
    }
    assert_eq!(bench.run(&["check", "rules", "missing.yml"]).0, 1);
    let (_, out, _) = bench.run(&["check", "rules", "good.yml"]);
    assert_eq!(out, "Checking good.yml\n  SUCCESS: 2 rules found\n\n");
    if promtool.is_none() {
        left_out("promtool (Debian package prometheus)");
    }
}

#[test]
fn shipped_rules_pass_their_own_tests() {
    let bench = Bench::new(CONFIG);
    let files = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "yml")).collect()
    };
    let rules = workspace().join("alerts/rules");
    for (words, files) in
        [(["check", "rules"], files(&rules)), (["test", "rules"], files(&rules.join("tests")))]
    {
        let mut args = words.to_vec();
        args.extend(files.iter().map(|path| path.to_str().unwrap()));
        let (code, out, err) = bench.run(&args);
        assert!(
            code == 0 && out.matches("SUCCESS").count() == files.len() && !files.is_empty(),
            "{out}{err}"
        );
    }
}

#[test]
fn a_failing_rule_test_says_what_differs() {
    let bench = Bench::new(CONFIG);
    bench.write(
        "rules.yml",
        "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0, for: 2m, labels: { team: a } }] }]\n",
    );
    let test = |team: &str| {
        format!(
            "rule_files: [rules.yml]\ntests:\n- name: outage\n  interval: 1m\n  input_series: [{{ series: 'up{{job=\"x\"}}', values: 0x10 }}]\n  alert_rule_test:\n  - {{ eval_time: 5m, alertname: Down, exp_alerts: [{{ exp_labels: {{ job: x, team: {team} }} }}] }}\n"
        )
    };
    bench.write("test.yml", &test("a"));
    let (code, out, err) = bench.run(&["test", "rules", "test.yml"]);
    assert_eq!((code, out.as_str()), (0, "Unit Testing:  test.yml\n  SUCCESS\n\n"), "{err}");
    bench.write("test.yml", &test("b"));
    let (code, _, err) = bench.run(&["test", "rules", "test.yml"]);
    let expected = "  FAILED:\n    outage\n      alert Down at 5m:\n        - {alertname=\"Down\", job=\"x\", team=\"b\"} annotations {}\n        + {alertname=\"Down\", job=\"x\", team=\"a\"} annotations {}\n";
    assert_eq!((code, err.as_str()), (1, expected));
    // Only tests of another name: nothing is run, nothing fails.
    assert_eq!(bench.run(&["test", "rules", "--run", "^other$", "test.yml"]).0, 0);
}

#[test]
fn a_backtest_says_when_rules_would_have_fired_by_the_daemon_and_by_its_files() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let end = remote::now() / 15 * 15;
    // Down for the minutes 20 to 30 of the last hour, for 30 s at minute 40.
    let down = |second: i64| (1200..1800).contains(&second) || (2400..2430).contains(&second);
    let samples =
        (0..240).map(|step| step * 15).map(|s| ((end - 3600 + s) * 1000, if down(s) { 0.0 } else { 1.0 }));
    let body = encode(&[Series::new([("__name__", "door_up"), ("door", "front")], samples)], &[]);
    assert_eq!(write(&daemon.url, Some(&token(&bench)), &body).0, 204);
    bench.write(
        "rules.yml",
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  - { alert: Down, expr: door_up == 0, for: 2m, labels: { severity: page } }\n  - { alert: Blip, expr: door_up == 0 }\n  - { alert: Never, expr: door_up > 1 }\n",
    );
    let until = end.to_string();
    let common = ["rules", "backtest", "--since", "59m", "--until", &until, "--output", "json", "rules.yml"];
    let by_daemon = [&common[..], &["--url", &daemon.url]].concat();
    let (code, out, err) = bench.run(&by_daemon);
    assert_eq!(code, 0, "{err}");
    let stories: serde_json::Value = serde_json::from_str(&out).unwrap();
    let fired = |rule: usize| -> Vec<(i64, i64)> {
        let seconds = |value: &serde_json::Value| {
            breakwatch_model::Timestamp::parse_rfc3339(value.as_str().unwrap()).unwrap().secs() - (end - 3600)
        };
        let episodes = stories[rule]["fired"].as_array().unwrap();
        episodes
            .iter()
            .map(|episode| (seconds(&episode["firedAt"]), seconds(&episode["resolvedAt"])))
            .collect()
    };
    assert_eq!(fired(0), [(1320, 1800)]);
    assert_eq!(fired(1), [(1200, 1800), (2400, 2430)]);
    assert_eq!(fired(2), []);
    assert_eq!(stories[0]["fired"][0]["labels"], serde_json::json!({ "door": "front", "severity": "page" }));
    // The files of a running daemon are its own.
    let by_files = [&common[..], &["--data", "data"]].concat();
    assert_eq!(bench.run(&by_files).0, 1);
    assert!(daemon.stop().0.success());
    let (code, again, err) = bench.run(&by_files);
    assert_eq!((code, &again), (0, &out), "{err}");
}
