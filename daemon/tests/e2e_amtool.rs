//! Alertmanager's own command line and a real Prometheus before the daemon.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests may be blunt"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use breakwatch_sim::left_out;
use breakwatch_sim::receiver::{Receiver, Recorded};
use breakwatch_sim::servers::free_port;
use common::{Bench, Daemon, PATIENCE, program};
use serde_json::{Value, json};

const AMTOOL: &str = "amtool (Debian package prometheus-alertmanager)";

/// Two teams and a pager; `hook` is where messages to the default receiver go.
fn config(hook: &str) -> String {
    format!(
        "
checks: {{ cpu: {{}} }}
store: {{ path: data }}
alerting:
  route:
    receiver: everyone
    group_by: [alertname]
    group_wait: 0s
    group_interval: 1s
    repeat_interval: 4h
    routes:
      - {{ matchers: ['severity=\"page\"'], receiver: pager, continue: true }}
      - {{ matchers: ['team=~\"db|sql\"'], receiver: db, group_by: ['...'] }}
  receivers:
    - name: everyone
      webhook_configs: [{{ url: \"{hook}\", send_resolved: true }}]
    - {{ name: pager }}
    - {{ name: db }}
"
    )
}

struct Amtool {
    program: PathBuf,
    url: String,
    settings: PathBuf,
}

impl Amtool {
    /// `amtool` with the daemon's token.
    fn new(program: PathBuf, bench: &Bench, daemon: &Daemon) -> Self {
        let token = bench.path("data/token").display().to_string();
        bench.write("http.yml", &format!("authorization: {{ credentials_file: \"{token}\" }}\n"));
        Self { program, url: daemon.url.clone(), settings: bench.path("http.yml") }
    }

    /// Exit code, stdout, stderr.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(&self.program)
            .arg(format!("--alertmanager.url={}", self.url))
            .arg(format!("--http.config.file={}", self.settings.display()))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// What it prints; must succeed.
    fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        out.trim().to_owned()
    }

    fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["-o", "json"]].concat();
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    /// The `alertname`s of a query, sorted.
    fn names(&self, args: &[&str]) -> Vec<String> {
        let alerts = self.json(&[&["alert", "query"], args].concat());
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
        let mut names: Vec<String> = alerts.as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }

    /// The ids of silences in force and to come.
    fn silences(&self) -> Vec<String> {
        self.ok(&["silence", "query", "-q"]).lines().map(str::to_owned).collect()
    }
}

/// A daemon that sends into the void, and `amtool`; `None` if it is not installed.
fn bench() -> Option<(Bench, Daemon, Amtool)> {
    let Some(program) = program("amtool") else {
        left_out(AMTOOL);
        return None;
    };
    let bench = Bench::new(&config(&format!("http://127.0.0.1:{}/", free_port())));
    let daemon = bench.start();
    let amtool = Amtool::new(program, &bench, &daemon);
    Some((bench, daemon, amtool))
}

#[test]
fn alert_add_and_query() {
    let Some((_bench, _daemon, amtool)) = bench() else { return };
    amtool.ok(&["alert", "add", "alertname=Disk", "severity=page", "team=db", "--annotation=summary=full"]);
    amtool.ok(&["alert", "add", "Load", "node=a", "--generator-url=http://rules.example/load"]);
    assert_eq!(amtool.names(&[]), ["Disk", "Load"]);
    assert_eq!(amtool.names(&["severity=page"]), ["Disk"]);
    assert_eq!(amtool.names(&["alertname=~L.*|Nothing"]), ["Load"]);
    assert_eq!(amtool.names(&["--receiver=db"]), ["Disk"]);
    assert_eq!(amtool.names(&["--receiver=d"]), Vec::<String>::new(), "a receiver's whole name must match");
    let disk = &amtool.json(&["alert", "query", "Disk"])[0];
    assert_eq!(disk["annotations"], json!({ "summary": "full" }));
    assert_eq!(disk["receivers"], json!([{ "name": "pager" }, { "name": "db" }]));
    assert_eq!(disk["status"]["state"], "active");
    assert_eq!(disk["fingerprint"].as_str().unwrap().len(), 16);
    assert!(amtool.ok(&["alert", "query", "Load", "-o", "extended"]).contains("http://rules.example/load"));
    // As in Alertmanager the newest word counts: one that is over ends it.
    amtool.ok(&[
        "alert",
        "add",
        "Load",
        "node=a",
        "--start=2019-01-01T00:00:00Z",
        "--end=2020-01-01T00:00:00Z",
    ]);
    assert_eq!(amtool.names(&[]), ["Disk"]);
    let (code, _, err) = amtool.run(&["alert", "add"]);
    assert!(code != 0 && err.contains("at least one label pair required"), "{err}");
}

#[test]
fn silence_add_query_update_expire() {
    let Some((_bench, _daemon, amtool)) = bench() else { return };
    amtool.ok(&["alert", "add", "alertname=Disk", "node=a"]);
    amtool.ok(&["alert", "add", "alertname=Load", "node=a"]);
    let id =
        amtool.ok(&["silence", "add", "alertname=~Di.*", "node!=b", "-d", "1h", "-a", "me", "-c", "why"]);
    assert_eq!(amtool.silences(), [id.as_str()]);
    assert_eq!(amtool.names(&[]), ["Load"]);
    assert_eq!(amtool.names(&["--silenced"]), ["Disk"]);
    let silence = &amtool.json(&["silence", "query"])[0];
    assert_eq!((&silence["createdBy"], &silence["comment"]), (&json!("me"), &json!("why")));
    let matcher = json!({ "name": "node", "value": "b", "isRegex": false, "isEqual": false });
    assert_eq!(silence["matchers"][1], matcher);
    assert_eq!(amtool.json(&["silence", "query", "node!=b"]).as_array().map(Vec::len), Some(1));
    assert_eq!(amtool.json(&["silence", "query", "node=b"]).as_array().map(Vec::len), Some(0));

    let before = silence["endsAt"].as_str().unwrap().to_owned();
    amtool.ok(&["silence", "update", "-d", "3h", "-c", "longer", &id]);
    let changed = &amtool.json(&["silence", "query"])[0];
    assert_eq!((&changed["id"], &changed["comment"]), (&json!(id), &json!("longer")));
    assert!(changed["endsAt"].as_str().unwrap() > before.as_str());

    amtool.ok(&["silence", "expire", &id]);
    assert!(amtool.silences().is_empty());
    assert_eq!(amtool.names(&[]), ["Disk", "Load"]);
    let expired = amtool.json(&["silence", "query", "--expired"]);
    assert_eq!((&expired[0]["id"], &expired[0]["status"]["state"]), (&json!(id), &json!("expired")));
    assert_ne!(amtool.run(&["silence", "expire", "00000000-0000-0000-0000-000000000000"]).0, 0);
    let (code, _, err) = amtool.run(&["silence", "add", "a=~.*", "-a", "me", "-c", "everything"]);
    assert!(code != 0 && err.contains("must not match the empty string"), "{err}");
}

#[test]
fn silence_import_into_an_empty_daemon() {
    let Some((bench, daemon, amtool)) = bench() else { return };
    for name in ["Disk", "Load", "Net"] {
        amtool.ok(&["silence", "add", &format!("alertname={name}"), "-d", "1h", "-a", "me", "-c", name]);
    }
    let exported = amtool.ok(&["silence", "query", "-o", "json"]);
    bench.write("silences.json", &exported);
    drop(daemon);
    std::fs::remove_dir_all(bench.path("data")).unwrap();
    let daemon = bench.start();
    let amtool = Amtool { url: daemon.url.clone(), ..amtool };
    assert!(amtool.silences().is_empty());
    // The ids are unknown here: amtool is answered 404 and tries again without them.
    amtool.ok(&["silence", "import", bench.path("silences.json").to_str().unwrap()]);
    let comments = |list: &Value| {
        let mut all: Vec<String> =
            list.as_array().unwrap().iter().map(|silence| silence["comment"].to_string()).collect();
        all.sort();
        all
    };
    let now = amtool.json(&["silence", "query"]);
    assert_eq!(comments(&now), comments(&serde_json::from_str(&exported).unwrap()));
    // They last.
    daemon.kill();
    let daemon = bench.start();
    let amtool = Amtool { url: daemon.url.clone(), ..amtool };
    assert_eq!(amtool.silences().len(), 3);
}

#[test]
fn config_show_routes_and_cluster() {
    let Some((bench, daemon, amtool)) = bench() else { return };
    let shown = amtool.ok(&["config", "show"]);
    assert!(shown.contains("receiver: \"everyone\"") && shown.contains("<secret>"), "{shown}");
    let tree = amtool.ok(&["config", "routes", "show"]);
    assert!(tree.contains("{severity=\"page\"}  continue: true  receiver: pager"), "{tree}");
    let routed = |labels: &[&str]| amtool.ok(&[&["config", "routes", "test"], labels].concat());
    assert_eq!(routed(&["severity=page", "team=db"]), "pager,db");
    assert_eq!(routed(&["severity=page"]), "pager");
    assert_eq!(routed(&["severity=info"]), "everyone");
    // What is shown is a configuration Alertmanager takes.
    let original = daemon.json("/api/v2/status")["config"]["original"].as_str().unwrap().to_owned();
    bench.write("shown.yml", &original);
    amtool.ok(&["check-config", bench.path("shown.yml").to_str().unwrap()]);
    assert!(amtool.ok(&["cluster", "show"]).contains("disabled"));
    // Our own command agrees.
    let (code, out, _) = bench.run(&["routes", "test", "-c", "breakwatch.yml", "severity=page", "team=db"]);
    let told: Vec<&str> = out.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!((code, told), (0, vec!["pager by {}/{severity=\"page\"}", "db by {}/{team=~\"db|sql\"}"]));
    let verify = ["routes", "test", "-c", "breakwatch.yml", "--verify", "db", "severity=page"];
    assert_eq!(bench.run(&verify).0, 1);
    let (_, out, _) = bench.run(&["routes", "show", "-c", "breakwatch.yml"]);
    assert!(out.contains("└── {team=~\"db|sql\"}: db (by ...)"), "{out}");
}

#[test]
fn errors_are_plain_strings_and_changes_need_the_token() {
    let bench = Bench::new(&config(&format!("http://127.0.0.1:{}/", free_port())));
    let daemon = bench.start();
    let silence = |start: &str, end: &str, id: &str| {
        json!({
            "id": id, "matchers": [{ "name": "a", "value": "b", "isRegex": false }], "startsAt": start, "endsAt": end,
            "createdBy": "me", "comment": "c",
        })
        .to_string()
    };
    let (past, then) = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z");
    for (path, body, code, part) in [
        ("/api/v2/silences", silence(then, past, ""), 400, "start time must be before end time"),
        ("/api/v2/silences", silence(past, then, ""), 400, "end time can't be in the past"),
        ("/api/v2/silences", silence(past, "2999-01-01T00:00:00Z", "none"), 404, "silence none not found"),
        ("/api/v2/silences", "{}".to_owned(), 400, "missing field"),
        ("/api/v2/alerts", "{}".to_owned(), 400, "parsing alerts body failed"),
        ("/api/v2/alerts", r#"[{"labels":{}}]"#.to_owned(), 400, "at least one label pair required"),
    ] {
        let (status, answer) = daemon.post(path, &body);
        let said: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(status, code, "{path} {body}: {answer}");
        assert!(said.as_str().is_some_and(|said| said.contains(part)), "{path} {body}: {answer}");
    }
    assert_eq!(daemon.get("/api/v2/silence/none").0, 404);
    assert_eq!(daemon.get("/api/v2/alerts?silenced=perhaps").0, 400);
    let json = [("Content-Type", "application/json")];
    for path in ["/api/v2/alerts", "/api/v2/silences", "/api/v1/alerts/0000000000000000/ack"] {
        assert_eq!(daemon.post_with(path, &json, "[]").0, 401, "{path}");
    }
    assert_eq!(
        daemon.json("/api/v2/receivers"),
        json!([{ "name": "everyone" }, { "name": "pager" }, { "name": "db" }])
    );
}

/// Firing and resolved messages that name an alert.
fn told(requests: &[Recorded], alert: &str) -> (usize, usize) {
    let about = |status: &str| {
        let bodies = requests.iter().map(Recorded::json);
        bodies.filter(|body| body["status"] == status && body["groupLabels"]["alertname"] == alert).count()
    };
    (about("firing"), about("resolved"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolve_goes_out_under_a_silence_and_explain_says_so() {
    let Some(program) = program("amtool") else { return left_out(AMTOOL) };
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook.url("/hook")));
    let daemon = bench.start();
    let amtool = Amtool::new(program, &bench, &daemon);
    amtool.ok(&["alert", "add", "alertname=Disk", "node=a"]);
    hook.wait_for(1, PATIENCE).await.expect("the firing message");
    let silence = amtool.ok(&["silence", "add", "node=a", "-d", "1h", "-a", "me", "-c", "known"]);
    // Under the silence another one fires and is not told of.
    amtool.ok(&["alert", "add", "alertname=Load", "node=a"]);
    let load =
        amtool.json(&["alert", "query", "--silenced", "Load"])[0]["fingerprint"].as_str().unwrap().to_owned();

    let url = ["--url", daemon.url.as_str(), "--token-file", "data/token"];
    let ours = |args: &[&str]| {
        let (code, out, err) = bench.run(&[args, url.as_slice()].concat());
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        out
    };
    daemon.wait("the reason", |_| ours(&["explain", "alertname=Load"]).contains(&silence));
    let why = ours(&["explain", "alertname=Load"]);
    assert!(why.contains("everyone/webhook[0] is not told: silence"), "{why}");
    assert!(ours(&["alert", "list"]).contains("suppressed (silenced)"));
    assert!(ours(&["silence", "list"]).contains(&silence));
    assert!(ours(&["alert", "ack", &load, "--author", "kim", "--comment", "on it"]).contains("kim"));
    assert!(ours(&["explain", "alertname=Load"]).contains("acknowledged by kim"));
    ours(&["alert", "ack", &load, "--undo", "--author", "kim"]);

    // What never fired: the rule, the check, and where its alert would go.
    let never = ours(&["explain", "alertname=CircuitBreakerFlapping", "severity=page"]);
    assert!(
        never.contains("rule CircuitBreakerFlapping (group ") && never.contains("condition does not hold"),
        "{never}"
    );
    assert!(never.contains("one would go by {}/{severity=\"page\"} to pager: nobody"), "{never}");
    let never = ours(&["explain", "check=cpu"]);
    assert!(never.contains("check cpu: ") && never.contains("its circuit breaker is closed"), "{never}");
    assert_eq!(daemon.get("/api/v1/explain").0, 400);

    // The first one ends: its end is told, silence or not.
    let body = json!([{ "labels": { "alertname": "Disk", "node": "a" }, "endsAt": now_text() }]);
    assert_eq!(daemon.post("/api/v2/alerts", &body.to_string()).0, 200);
    let requests = hook.wait_for(2, PATIENCE).await.expect("the resolved message");
    assert_eq!((told(&requests, "Disk"), told(&requests, "Load")), ((1, 1), (0, 0)));
    daemon.wait("the delivery in the ledger", |_| {
        ours(&["explain", "alertname=Disk"]).matches("delivered after").count() == 2
    });
    let ledger = daemon.json("/api/v1/ledger?receiver=everyone");
    let delivered =
        ledger["data"]["records"].as_array().unwrap().iter().filter(|r| r["event"] == "delivered").count();
    assert_eq!(delivered, 2);
    assert_eq!(daemon.json("/api/v1/ledger?receiver=every")["data"]["records"], json!([]));
    // A silence of our own command, expired by it.
    let id = ours(&["silence", "add", "alertname=\"Net\"", "--comment", "c", "--duration", "2h"]);
    ours(&["silence", "expire", id.trim()]);
    assert_eq!(amtool.silences(), [silence]);
}

fn now_text() -> String {
    use breakwatch_model::Clock as _;
    breakwatch_model::SystemClock.now().to_rfc3339()
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_prometheus(program: &Path, bench: &Bench, daemon: &Daemon) -> Process {
    let (target, token) = (daemon.url.trim_start_matches("http://"), bench.path("data/token"));
    bench.write(
        "prometheus.yml",
        &format!(
            "global: {{ evaluation_interval: 200ms }}\nrule_files: [rules.yml]\nalerting: {{ alertmanagers: [{{ \
             static_configs: [{{ targets: [\"{target}\"] }}], authorization: {{ credentials_file: \"{}\" }} }}] }}\n",
            token.display()
        ),
    );
    let child = Command::new(program)
        .current_dir(bench.dir.path())
        // It drops what fires before it has found its Alertmanagers, and says it again after this delay.
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=prom", "--rules.alert.resend-delay=1s"])
        .arg("--log.level=error")
        .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()))
        .spawn()
        .unwrap();
    Process(child)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_sends_its_alerts_and_they_route() {
    let Some(program) = program("prometheus") else { return left_out("prometheus (Debian package)") };
    let hook = Receiver::start().await.unwrap();
    let bench = Bench::new(&config(&hook.url("/hook")));
    let daemon = bench.start();
    let write_rules = |condition: &str| {
        let rule = |name: &str, team: &str| {
            format!(
                "{{ alert: {name}, expr: \"vector(1) {condition}\", labels: {{ team: {team} }}, annotations: {{ summary: \
                 \"it is {{{{ $value }}}}\" }} }}"
            )
        };
        let rules =
            format!("groups: [{{ name: g, rules: [{}, {}] }}]\n", rule("Hot", "web"), rule("Slow", "db"));
        bench.write("rules.yml", &rules);
    };
    write_rules("> 0");
    let prometheus = start_prometheus(&program, &bench, &daemon);
    let requests = hook.wait_for(1, PATIENCE).await.expect("the alert of the rule");
    let message = requests[0].json();
    assert_eq!((&message["status"], &message["receiver"]), (&json!("firing"), &json!("everyone")));
    assert_eq!(message["alerts"][0]["annotations"], json!({ "summary": "it is 1" }));
    assert!(message["alerts"][0]["generatorURL"].as_str().unwrap().contains("/graph?g0.expr=vector"));
    daemon.wait("the other team's alert", |daemon| {
        let alerts = daemon.json("/api/v2/alerts?receiver=db");
        alerts[0]["labels"]["alertname"] == "Slow" && alerts[0]["receivers"] == json!([{ "name": "db" }])
    });
    // The condition goes, and Prometheus says so.
    write_rules("< 0");
    let hangup = Command::new("kill").args(["-HUP", &prometheus.0.id().to_string()]).status();
    assert!(hangup.unwrap().success());
    let requests = hook.wait_for(2, PATIENCE).await.expect("the end of the alert");
    assert_eq!((told(&requests, "Hot"), told(&requests, "Slow")), ((1, 1), (0, 0)));
}
