//! `routes test`, `notify preview`, `notify test`: what they print for a configuration, to the letter.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may be blunt")]

mod common;

use common::Bench;

const CONFIG: &str = r##"
checks: { cpu: {} }
store: { path: data }
server: { external_url: "https://watch.example.org" }
alerting:
  route:
    receiver: ops
    group_by: [check]
    routes:
      - matchers: [team=db]
        receiver: dba
        group_by: [check, alertname]
        group_wait: 10s
        continue: true
        escalation: [{ after: 15m, receiver: ops }]
      - { matchers: [team=web], receiver: ops, mute_time_intervals: [always] }
  receivers:
    - name: ops
      webhook_configs: [{ url: "https://hooks.example.org/0123456789abcdef" }]
      slack_configs:
        - { api_url: "https://hooks.slack.com/services/T0/B0/0123456789abcdef", channel: "#ops", title: '{{ template "ops.title" . }}' }
    - name: dba
      pagerduty_configs: [{ routing_key: 0123456789abcdef0123456789abcdef }]
    - { name: nobody }
  templates: [ops.tmpl]
  time_intervals: [{ name: always, time_intervals: [{ times: [{ start_time: "00:00", end_time: "24:00" }] }] }]
  maintenance:
    - { name: nightly, matchers: [team=web], schedule: "0 0 * * *", duration: 1d, location: UTC }
"##;

const TEMPLATES: &str = r#"
{{ define "ops.title" }}[{{ .Status | toUpper }}] {{ .CommonLabels.check }}{{ end }}
{{ define "ops.list" }}{{ range .Alerts }}* {{ .Labels.alertname }}: {{ .Annotations.summary }}
{{ end }}{{ end }}
"#;

fn bench() -> Bench {
    let bench = Bench::new(CONFIG);
    bench.write("ops.tmpl", TEMPLATES);
    bench
}

fn run(args: &[&str]) -> String {
    let bench = bench();
    bench.write(
        "alerts.json",
        r#"{"alerts": [
            {"labels": {"alertname": "DiskFull", "check": "disk/root"}, "annotations": {"summary": "97% used"}},
            {"labels": {"alertname": "Slow", "check": "disk/root"}, "endsAt": "2020-01-01T00:00:00Z"}]}"#,
    );
    let mut all = args.to_vec();
    if !args.contains(&"--template") {
        all.extend(["--config", "breakwatch.yml"]);
    }
    let (code, out, err) = bench.run(&all);
    assert_eq!(code, 0, "{err}");
    out
}

#[test]
fn routes_test_says_who_is_told_and_when() {
    assert_eq!(
        run(&["routes", "test", "team=db", "check=database/main", "alertname=Slow"]),
        r#"dba by {}/{team="db"}
  tells dba/pagerduty[0]
  in the group {alertname="Slow", check="database/main"}
  first after 10s, changes every 5m, repeated every 4h
  then ops when nobody has acknowledged for 15m
"#
    );
    assert_eq!(
        run(&["routes", "test", "team=web", "check=http/a"]),
        r#"ops by {}/{team="web"}
  tells ops/slack[0], ops/webhook[0]
  in the group {check="http/a"}
  first after 30s, changes every 5m, repeated every 4h
  not during always
  now it would be kept quiet: muted by time interval always
  now it would be kept quiet: maintenance nightly
"#
    );
    let bench = bench();
    let verify = ["routes", "test", "--config", "breakwatch.yml", "--verify", "ops", "team=db"];
    let (code, _, err) = bench.run(&verify);
    assert_eq!((code, err.contains("expected ops, but dba would be told")), (1, true), "{err}");
}

#[test]
fn routes_test_asks_the_daemon_for_silences() {
    let bench = bench();
    let daemon = bench.start();
    let matchers = serde_json::json!([{ "name": "team", "value": "d.", "isRegex": true, "isEqual": true }]);
    let body = serde_json::json!({ "matchers": matchers, "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2999-01-01T00:00:00Z", "createdBy": "anna", "comment": "moving house" });
    assert_eq!(daemon.post("/api/v2/silences", &body.to_string()).0, 200);
    let ask = |label: &str| {
        let args = ["routes", "test", "--config", "breakwatch.yml", "--live", "--url", &daemon.url, label];
        let (code, out, err) = bench.run(&args);
        assert_eq!(code, 0, "{err}");
        out.lines().last().unwrap_or_default().to_owned()
    };
    let line = ask("team=db");
    assert!(line.starts_with("silenced until 2999-01-01T00:00:00.000Z by "), "{line}");
    assert!(line.ends_with(" of anna: moving house"), "{line}");
    assert_eq!(ask("team=web"), "no silence holds for it now");
}

#[test]
fn a_preview_shows_every_integrations_message() {
    let out = run(&["notify", "preview", "ops", "--label", "check=http/shop"]);
    let (slack, webhook) = out.split_once("# ops/webhook[0]\n").expect("both integrations");
    let body: serde_json::Value = serde_json::from_str(webhook).unwrap();
    assert_eq!(body["groupKey"], r#"{}:{check="http/shop"}"#);
    assert_eq!(body["alerts"][0]["labels"]["alertname"], "CircuitBreakerOpen");
    assert_eq!(body["status"], "firing");
    assert!(slack.contains("[FIRING] http/shop"), "{slack}");
    assert!(!out.contains("0123456789abcdef"), "no secret is shown: {out}");
    let over = run(&["notify", "preview", "dba", "--resolved"]);
    assert!(over.contains(r#""event_action": "resolve""#) && !over.contains("0123456789abcdef"), "{over}");
}

#[test]
fn a_preview_of_alerts_in_a_file_and_of_templates() {
    let out = run(&["notify", "preview", "ops", "--alert", "alerts.json"]);
    assert!(out.contains("DiskFull") && out.contains("97% used") && out.contains("Slow"), "{out}");
    assert_eq!(
        run(&["notify", "preview", "--template", "ops.tmpl", "--alert", "alerts.json"]),
        "# ops.list\n* DiskFull: 97% used\n* Slow: \n\n# ops.title\n[FIRING] disk/root\n"
    );
    let text = "{{ template \"ops.title\" . }} at {{ .ExternalURL }}";
    assert_eq!(
        run(&["notify", "preview", "--template", "ops.tmpl", "--label", "check=http/a", "--text", text]),
        "[FIRING] http/a at http://127.0.0.1:9475\n"
    );
}

#[test]
fn what_cannot_be_previewed_says_why() {
    let bench = bench();
    bench.write("broken.tmpl", "{{ define \"x\" }}{{ .Nope }}");
    bench.write("empty.json", "[]");
    for (args, expected) in [
        (
            vec!["notify", "preview", "opps", "-c", "breakwatch.yml"],
            "no receiver \"opps\"; there are: ops, dba, nobody",
        ),
        (
            vec!["notify", "preview", "nobody", "-c", "breakwatch.yml"],
            "has no integrations: nobody would be told",
        ),
        (vec!["notify", "preview", "--template", "broken.tmpl"], "broken.tmpl:1"),
        (vec!["notify", "preview", "--template", "missing.tmpl"], "missing.tmpl: No such file"),
        (
            vec!["notify", "preview", "ops", "-c", "breakwatch.yml", "--alert", "empty.json"],
            "there is no alert in it",
        ),
    ] {
        let (code, _, err) = bench.run(&args);
        assert_eq!(code, 1, "{args:?}: {err}");
        assert!(err.contains(expected), "{args:?}: {err}");
    }
}
