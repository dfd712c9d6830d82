//! Alertmanager as oracle of the whole daemon: the same requests go to Debian's Alertmanager and to us under the same
//! configuration file; answers and webhook bodies must agree.
//!
//! Intended differences: times of change and ids of silences are each one's own; a request that does not fit the API's
//! description is answered 400 with a JSON string here, and 422 with an object there; webhook bodies and alerts carry
//! keys of newer Alertmanagers (`mutedBy`), which clients pass over; an annotation without text is left out here; a switch
//! that is neither true nor false is refused here, and false there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests may be blunt"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use breakwatch_model::{Clock as _, SystemClock};
use breakwatch_sim::left_out;
use breakwatch_sim::receiver::Receiver;
use breakwatch_sim::servers::free_port;
use common::{Bench, Daemon, PATIENCE, program, request, ureq};
use serde_json::{Value, json};

fn config(hook: &str) -> String {
    format!(
        "
route:
  receiver: rest
  group_by: [service]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - {{ matchers: ['team=~\"db|sql\"'], receiver: db, continue: true, group_by: ['...'] }}
    - {{ match: {{ severity: page }}, receiver: pager }}
inhibit_rules:
  - {{ source_matchers: ['severity=\"page\"'], target_matchers: ['severity=\"info\"'], equal: [service] }}
receivers:
  - {{ name: rest, webhook_configs: [{{ url: '{hook}/rest' }}] }}
  - {{ name: db, webhook_configs: [{{ url: '{hook}/db' }}] }}
  - {{ name: pager, webhook_configs: [{{ url: '{hook}/pager' }}] }}
"
    )
}

/// One of the two that are asked.
struct Peer {
    api: String,
    headers: Vec<(String, String)>,
}

impl Peer {
    fn ask(&self, method: &'static str, path: &str, body: Option<&str>) -> (u16, Value) {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let (status, text) = request(ureq(method, &format!("{}{path}", self.api), &headers, body));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// Both peers, asked side by side.
struct Pair {
    theirs: Peer,
    ours: Peer,
}

impl Pair {
    /// Asks both and holds the answers against each other.
    fn same(&self, method: &'static str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(ToString::to_string);
        let ask = |peer: &Peer| {
            let (status, mut answer) = peer.ask(method, path, body.as_deref());
            strip(&mut answer);
            (status, answer)
        };
        let (theirs, ours) = (ask(&self.theirs), ask(&self.ours));
        assert_eq!(theirs, ours, "{method} {path} {body:?}: theirs left, ours right");
        ours.1
    }

    /// Asks both for something that cannot be: there 422 or 400, here 400.
    fn refused(&self, method: &'static str, path: &str, body: Option<&Value>) {
        let body = body.map(ToString::to_string);
        let theirs = self.theirs.ask(method, path, body.as_deref());
        let ours = self.ours.ask(method, path, body.as_deref());
        assert!(matches!(theirs.0, 400 | 422), "{method} {path} {body:?}: theirs: {theirs:?}");
        assert!(ours.0 == 400 && ours.1.is_string(), "{method} {path} {body:?}: ours: {ours:?}");
    }

    /// Asks until both give so many things.
    async fn settle(&self, path: &str, count: usize) {
        for _ in 0..PATIENCE.as_millis() / 100 {
            let full = |peer: &Peer| peer.ask("GET", path, None).1.as_array().map(Vec::len) == Some(count);
            if full(&self.theirs) && full(&self.ours) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited in vain for {count} at {path}: {:?}", self.ours.ask("GET", path, None));
    }
}

/// Takes away what must differ.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for own in ["updatedAt", "mutedBy", "id", "silenceID"] {
                fields.remove(own);
            }
            if let Some(Value::Array(silences)) = fields.get_mut("silencedBy") {
                silences.iter_mut().for_each(|id| *id = json!("an id"));
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_alertmanager(program: &Path, bench: &Bench) -> (Process, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let child = Command::new(program)
        .current_dir(bench.dir.path())
        .args(["--config.file=theirs.yml", "--storage.path=theirs", "--cluster.listen-address="])
        .arg(format!("--web.listen-address={address}"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Process(child), format!("http://{address}"))
}

fn pair(bench: &Bench, daemon: &Daemon, theirs: &str) -> Pair {
    let json = ("Content-Type".to_owned(), "application/json".to_owned());
    let token = std::fs::read_to_string(bench.path("data/token")).unwrap();
    let authorization = ("Authorization".to_owned(), format!("Bearer {}", token.trim()));
    let ours = format!("{}/api/v2", daemon.url);
    Pair {
        theirs: Peer { api: format!("{theirs}/api/v2"), headers: vec![json.clone()] },
        ours: Peer { api: ours, headers: vec![json, authorization] },
    }
}

/// An alert that is `before` seconds old and ends `after` seconds from now.
fn alert(labels: Value, before: u64, after: i64) -> Value {
    let now = SystemClock.now();
    let ends_at = breakwatch_model::Timestamp(now.0 + after * 1000);
    json!({
        "labels": labels,
        "annotations": { "summary": "what \"happened\" <here> & there" },
        "startsAt": (now - Duration::from_secs(before)).to_rfc3339(),
        "endsAt": ends_at.to_rfc3339(),
        "generatorURL": "http://rules.example/graph?g0.expr=up",
    })
}

/// What a receiver was told, by path and group key, in the order of arrival, without what must differ.
fn told(receiver: &Receiver) -> BTreeMap<(String, String), Vec<Value>> {
    let mut all: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for request in receiver.requests() {
        let mut body = request.json();
        body["externalURL"] = json!("");
        let key = (request.path.clone(), body["groupKey"].as_str().unwrap_or_default().to_owned());
        all.entry(key).or_default().push(body);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_requests_give_the_same_answers_and_messages() {
    let Some(program) = program("prometheus-alertmanager") else {
        return left_out("prometheus-alertmanager (Debian package)");
    };
    let (hook_theirs, hook_ours) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let bench =
        Bench::new("checks: { cpu: {} }\nstore: { path: data }\nalerting: { config_file: ours.yml }\n");
    bench.write("theirs.yml", &config(&hook_theirs.url("")));
    bench.write("ours.yml", &config(&hook_ours.url("")));
    let (_process, url) = start_alertmanager(&program, &bench);
    let daemon = bench.start();
    daemon.wait("the other one", |_| request(ureq("GET", &format!("{url}/-/ready"), &[], None)).0 == 200);
    let pair = pair(&bench, &daemon, &url);

    alerts_and_groups(&pair).await;
    silences(&pair).await;
    ends(&pair).await;

    daemon.wait("as many messages", |_| hook_theirs.requests().len() == hook_ours.requests().len());
    // One too many would come within a group interval or two.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (theirs, ours) = (told(&hook_theirs), told(&hook_ours));
    assert!(theirs.len() >= 6, "{theirs:#?}");
    assert_eq!(theirs, ours, "theirs left, ours right");
}

async fn alerts_and_groups(pair: &Pair) {
    assert_eq!(pair.same("GET", "/alerts", None), json!([]));
    assert_eq!(pair.same("GET", "/alerts/groups", None), json!([]));
    assert_eq!(pair.same("GET", "/receivers", None).as_array().unwrap().len(), 3);
    let alerts = json!([
        alert(json!({ "alertname": "Disk", "service": "x", "team": "db" }), 60, 3600),
        alert(json!({ "alertname": "Down", "service": "x", "severity": "page" }), 50, 3600),
        alert(json!({ "alertname": "Slow", "service": "x", "severity": "info" }), 40, 3600),
        alert(json!({ "alertname": "Full", "service": "y", "team": "sql", "severity": "page" }), 30, 3600),
        alert(json!({ "alertname": "Even", "instance": "i" }), 25, 3600),
        alert(json!({ "alertname": "Odd", "weird": "ünï \"quoted\" \\ <b>", "empty": "" }), 20, 3600),
    ]);
    pair.same("POST", "/alerts", Some(&alerts));
    pair.settle("/alerts?unprocessed=false", 6).await;
    for query in [
        "",
        "?active=false",
        "?inhibited=false",
        "?silenced=false&inhibited=false&unprocessed=false&active=true",
        "?filter=service%3D%22x%22",
        "?filter=service%3Dx&filter=severity!%3Dpage",
        "?filter=severity%3D~%22pa.%2B%7Cinfo%22",
        "?filter=nothing%3D%22%22",
        "?filter=severity!%3D%22%22",
        "?receiver=db",
        "?receiver=d",
        "?receiver=db%7Cpager",
    ] {
        pair.same("GET", &format!("/alerts{query}"), None);
        pair.same("GET", &format!("/alerts/groups{query}"), None);
    }
    for query in ["?filter=nonsense", "?filter=a%3D~%22(%22", "?receiver=("] {
        pair.refused("GET", &format!("/alerts{query}"), None);
        pair.refused("GET", &format!("/alerts/groups{query}"), None);
    }
    let now = SystemClock.now().to_rfc3339();
    for wrong in [
        json!({}),
        json!([{ "labels": {} }]),
        json!([{ "labels": { "a": "" } }]),
        json!([{ "labels": { "a": "b" }, "startsAt": now, "endsAt": "2020-01-01T00:00:00Z" }]),
        json!([{ "labels": { "a": "b" }, "startsAt": "yesterday" }]),
        json!([{ "annotations": {} }]),
    ] {
        pair.refused("POST", "/alerts", Some(&wrong));
    }
}

async fn silences(pair: &Pair) {
    let at = |seconds: i64| breakwatch_model::Timestamp(SystemClock.now().0 + seconds * 1000).to_rfc3339();
    let silence = |name: &str, value: &str, is_regex: bool, from: i64, to: i64| {
        json!({
            "matchers": [{ "name": name, "value": value, "isRegex": is_regex, "isEqual": true }],
            "startsAt": at(from), "endsAt": at(to), "createdBy": "me", "comment": format!("{name} {value}"),
        })
    };
    for body in [
        silence("service", "y", false, 100, 3600),
        silence("alertname", "D.*", true, 200, 7200),
        silence("service", "z|w", true, 50, 1800),
    ] {
        pair.same("POST", "/silences", Some(&body));
    }
    for query in [
        "",
        "?filter=service%3Dy",
        "?filter=alertname%3D%22D.*%22",
        "?filter=alertname%3D~%22D.*%22",
        "?filter=nothing%3D%22%22",
    ] {
        pair.same("GET", &format!("/silences{query}"), None);
    }
    for wrong in [
        json!({}),
        silence("service", "y", false, 100, 50),
        silence("service", "y", false, -100, -50),
        silence("service", "(", true, 0, 50),
        silence("service", ".*", true, 0, 50),
        silence("", "x", false, 0, 50),
        json!({ "matchers": [], "startsAt": at(0), "endsAt": at(9), "createdBy": "me", "comment": "c" }),
    ] {
        pair.refused("POST", "/silences", Some(&wrong));
    }
    let mut unknown = silence("service", "y", false, 0, 50);
    unknown["id"] = json!("00000000-0000-0000-0000-000000000000");
    for peer in [&pair.theirs, &pair.ours] {
        assert_eq!(peer.ask("POST", "/silences", Some(&unknown.to_string())).0, 404);
        // Change, read, expire, expire again: each with its own ids.
        let ids = peer.ask("GET", "/silences?filter=service%3Dy", None).1;
        let id = ids[0]["id"].as_str().unwrap().to_owned();
        let mut changed = silence("service", "y", false, 150, 3600);
        changed["id"] = json!(id);
        assert_eq!(
            peer.ask("POST", "/silences", Some(&changed.to_string())),
            (200, json!({ "silenceID": id }))
        );
        assert_eq!(peer.ask("GET", &format!("/silence/{id}"), None).1["status"]["state"], "pending");
        assert_eq!(peer.ask("DELETE", &format!("/silence/{id}"), None).0, 200);
        assert_eq!(peer.ask("GET", &format!("/silence/{id}"), None).1["status"]["state"], "expired");
        assert_eq!(peer.ask("DELETE", &format!("/silence/{id}"), None).0, 200, "it is over already");
        // 500 there, though the description of newer ones says 404.
        let none = peer.ask("DELETE", "/silence/00000000-0000-0000-0000-000000000000", None).0;
        assert!(matches!(none, 404 | 500), "{none}");
        // One that holds now.
        let now = silence("alertname", "Odd", false, 0, 3600);
        assert_eq!(peer.ask("POST", "/silences", Some(&now.to_string())).0, 200);
    }
    pair.same("GET", "/alerts?silenced=false", None);
    let silenced = pair.same("GET", "/alerts?active=false&inhibited=false", None);
    assert_eq!(
        (silenced[0]["labels"]["alertname"].as_str(), silenced.as_array().map(Vec::len)),
        (Some("Odd"), Some(1))
    );
}

/// Two alerts end; a message says so together with what still fires in their groups.
async fn ends(pair: &Pair) {
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let over = json!([
        alert(json!({ "alertname": "Disk", "service": "x", "team": "db" }), 60, 0),
        alert(json!({ "alertname": "Down", "service": "x", "severity": "page" }), 50, 0),
    ]);
    pair.same("POST", "/alerts", Some(&over));
    pair.settle("/alerts", 4).await;
    // What Down had kept quiet fires on and is told now.
    pair.settle("/alerts?inhibited=false&silenced=false", 3).await;
}
