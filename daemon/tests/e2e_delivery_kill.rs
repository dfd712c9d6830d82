//! kill -9 at random moments while a receiver answers erratically, against a model of what is owed: every alert whose
//! post was acknowledged is told as firing and as over; what was told and noted is never told again; and what was on
//! its way at a kill comes at most once more for it, with the same id.
//!
//! `BREAKWATCH_KILL_ROUNDS` sets the number of kills (20 by default; the soak run takes 500), `BREAKWATCH_SEED` the
//! seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "helpers of tests may be blunt"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use common::{Bench, Daemon};
use serde_json::{Value, json};

/// An alert's name and whether it was said to fire.
type Said = (String, bool);

/// What the receiver saw.
#[derive(Default)]
struct Log {
    /// How often each was taken: answered 200.
    taken: BTreeMap<Said, usize>,
    /// The ids under which each came, taken or not.
    ids: BTreeMap<Said, BTreeSet<String>>,
    /// In the order in which they were taken.
    order: Vec<Said>,
    /// The lives of the daemon in which each was taken.
    lives: BTreeMap<Said, BTreeSet<u64>>,
    /// The present life.
    life: u64,
    /// What the daemon has noted durably as told: it may never come again.
    noted: BTreeSet<Said>,
    /// What came again all the same.
    faults: Vec<String>,
}

impl Log {
    fn take(&mut self, said: Said) {
        if self.noted.contains(&said) {
            self.faults.push(format!("{said:?} was noted as told and came again in life {}", self.life));
        }
        if !self.lives.entry(said.clone()).or_default().insert(self.life) {
            self.faults.push(format!("{said:?} came twice in life {}", self.life));
        }
        *self.taken.entry(said.clone()).or_default() += 1;
        self.order.push(said);
    }
}

struct Erratic {
    log: Mutex<Log>,
    rng: Mutex<fastrand::Rng>,
    good: std::sync::atomic::AtomicBool,
}

impl Erratic {
    /// The next answer: a code, and how long it takes.
    fn mood(&self) -> (u16, u64) {
        if self.good.load(std::sync::atomic::Ordering::Relaxed) {
            return (200, 0);
        }
        let mut rng = self.rng.lock().unwrap();
        match rng.u8(0..10) {
            0 => (500, 0),
            1 => (503, rng.u64(0..200)),
            2 => (429, 0),
            3 | 4 => (200, rng.u64(0..500)),
            _ => (200, 0),
        }
    }
}

/// One message of one alert. It counts as taken when the answer is on its way, whoever is left to read it.
async fn hook(State(erratic): State<Arc<Erratic>>, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("a JSON body");
    let alerts = body["alerts"].as_array().expect("alerts");
    assert_eq!(alerts.len(), 1, "each alert is a group of its own: {body}");
    let name = alerts[0]["labels"]["alertname"].as_str().expect("name").to_owned();
    if !name.starts_with("alert-") {
        // The daemon's own rules speak of a receiver whose breaker flaps, and rightly so.
        return StatusCode::OK.into_response();
    }
    let said = (name, alerts[0]["status"] == "firing");
    let id = headers.get("idempotency-key").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let (code, wait) = erratic.mood();
    {
        let mut log = erratic.log.lock().unwrap();
        log.ids.entry(said.clone()).or_default().insert(id);
        if code == 200 {
            log.take(said);
        }
    }
    tokio::time::sleep(Duration::from_millis(wait)).await;
    let status = StatusCode::from_u16(code).expect("code");
    if code == 429 { (status, [("retry-after", "1")]).into_response() } else { status.into_response() }
}

fn config(port: u16) -> String {
    format!(
        "
checks: {{ cpu: {{}} }}
store: {{ path: data }}
alerting:
  global: {{ resolve_timeout: 24h }}
  route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }}
  receivers: [{{ name: ops, webhook_configs: [{{ url: \"http://127.0.0.1:{port}/\", send_resolved: true }}] }}]
"
    )
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Posts an alert, firing or over; whether the daemon acknowledged it.
fn post(daemon: &Daemon, name: &str, ends: bool) -> bool {
    use breakwatch_model::Clock as _;
    let mut alert = json!({ "labels": { "alertname": name } });
    if ends {
        alert["endsAt"] = json!(breakwatch_model::SystemClock.now().to_rfc3339());
    }
    daemon.post("/api/v2/alerts", &json!([alert]).to_string()).0 == 200
}

/// Marks what the daemon has noted durably as told: what was taken before the question and is in the outbox no more.
/// The answer of the daemon comes after everything it has done until then is durable.
fn mark_noted(daemon: &Daemon, log: &Mutex<Log>) {
    let taken: Vec<(Said, BTreeSet<String>)> = {
        let log = log.lock().unwrap();
        let taken = log.order.iter().filter(|said| !log.noted.contains(*said));
        taken.map(|said| (said.clone(), log.ids.get(said).cloned().unwrap_or_default())).collect()
    };
    let answer = daemon.json("/api/v1/outbox");
    let entries = answer["data"]["entries"].as_array().expect("entries");
    let waiting: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["id"].as_str()).collect();
    let told = taken.into_iter().filter(|(_, ids)| ids.iter().all(|id| !waiting.contains(id.as_str())));
    log.lock().unwrap().noted.extend(told.map(|(said, _)| said));
}

/// A receiver this bad may open its breaker, and a minute without a message would make a dull test.
fn give_another_chance(daemon: &Daemon) {
    let (status, body) = daemon.post("/api/resilience/circuit-breakers/ops/webhook[0]/reset", "");
    assert_eq!(status, 200, "{body}");
}

/// SIGKILL after a while, whatever goes on.
fn kill_after(daemon: &Daemon, millis: u64) -> std::thread::JoinHandle<()> {
    let pid = daemon.pid().to_string();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(millis));
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().expect("kill").success());
    })
}

/// What was posted, and what of it the daemon has acknowledged.
#[derive(Default)]
struct Owed {
    posted: BTreeSet<String>,
    firing: BTreeSet<String>,
    over: BTreeSet<String>,
}

impl Owed {
    fn post_some(&mut self, daemon: &Daemon, log: &Mutex<Log>, round: u64, rng: &mut fastrand::Rng) {
        for n in 0..rng.u32(1..5) {
            let name = format!("alert-{round}-{n}");
            self.posted.insert(name.clone());
            if post(daemon, &name, false) {
                self.firing.insert(name);
            }
        }
        // What somebody was told may end: then the end is owed, too.
        let told: Vec<String> = self.firing.difference(&self.over).cloned().collect();
        for name in told {
            let was_told = log.lock().unwrap().taken.contains_key(&(name.clone(), true));
            if was_told && rng.bool() && post(daemon, &name, true) {
                self.over.insert(name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_repeats_carry_the_same_id() {
    let rounds = number("BREAKWATCH_KILL_ROUNDS", 20);
    let seed = number("BREAKWATCH_SEED", fastrand::u64(..));
    println!("seed {seed}, {rounds} rounds");
    let mut rng = fastrand::Rng::with_seed(seed);
    let erratic = Arc::new(Erratic {
        log: Mutex::default(),
        rng: Mutex::new(fastrand::Rng::with_seed(rng.u64(..))),
        good: false.into(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().fallback(hook).with_state(Arc::clone(&erratic));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let bench = Bench::new(&config(port));

    let mut owed = Owed::default();
    for round in 0..rounds {
        let daemon = bench.start();
        give_another_chance(&daemon);
        // Every other kill comes while alerts are being posted: what was not acknowledged may be known or not.
        let killer = rng.bool().then(|| kill_after(&daemon, rng.u64(1..400)));
        owed.post_some(&daemon, &erratic.log, round, &mut rng);
        match killer {
            Some(killer) => killer.join().expect("the killer"),
            None => {
                tokio::time::sleep(Duration::from_millis(rng.u64(1..400))).await;
                if rng.bool() {
                    mark_noted(&daemon, &erratic.log);
                    tokio::time::sleep(Duration::from_millis(rng.u64(1..200))).await;
                }
            }
        }
        daemon.kill();
        erratic.log.lock().unwrap().life += 1;
    }

    erratic.good.store(true, std::sync::atomic::Ordering::Relaxed);
    let daemon = bench.start();
    give_another_chance(&daemon);
    let told = |log: &Log, name: &String, fires| log.taken.contains_key(&(name.clone(), fires));
    // Whatever was acknowledged is told as firing, before anybody says that it is over.
    daemon.wait("every acknowledged alert is told", |_| {
        let log = erratic.log.lock().unwrap();
        owed.firing.iter().all(|name| told(&log, name, true))
    });
    for name in owed.posted.difference(&owed.over) {
        assert!(post(&daemon, name, true), "nothing disturbs this post");
    }
    let empty = |daemon: &Daemon| daemon.json("/api/v1/outbox")["data"]["entries"] == json!([]);
    daemon.wait("every end is told", |daemon| {
        let log = erratic.log.lock().unwrap();
        let done = owed.posted.iter().all(|name| told(&log, name, false) || !told(&log, name, true));
        drop(log);
        done && empty(daemon)
    });
    server.abort();
    judge(&erratic.log.lock().unwrap(), &owed, rounds);
}

fn judge(log: &Log, owed: &Owed, kills: u64) {
    let (firing, over, noted) = (owed.firing.len(), owed.over.len(), log.noted.len());
    assert!(firing as u64 > kills / 2 && over > 3 && noted > 3, "{firing}, {over} and {noted} are no test");
    assert_eq!(log.faults, [""; 0]);
    for name in &owed.posted {
        let told = |fires| log.taken.contains_key(&(name.clone(), fires));
        if owed.firing.contains(name) {
            assert!(told(true) && told(false), "{name}: firing told: {}, over: {}", told(true), told(false));
        }
        assert_eq!(told(true), told(false), "{name}: who hears the beginning hears the end");
        let first_end = log.order.iter().position(|said| *said == (name.clone(), false));
        let last_start = log.order.iter().rposition(|said| *said == (name.clone(), true));
        assert!(last_start <= first_end, "{name} was said to fire after its end");
    }
    for (said, ids) in &log.ids {
        assert!(owed.posted.contains(&said.0), "{said:?} was invented");
        assert_eq!(ids.len(), 1, "{said:?} came under several ids");
        assert!(!ids.contains(""), "{said:?} came without an id");
    }
    let repeats: usize = log.taken.values().map(|count| count - 1).sum();
    println!(
        "{firing} alerts, {over} ended under way, {noted} noted as told before a kill, {repeats} repeats by {kills} kills"
    );
}
