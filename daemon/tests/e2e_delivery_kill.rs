//! kill -9 at random moments while a receiver answers erratically: every alert whose post was acknowledged is told as
//! firing and as over, repeats are no more than what was on its way at a kill, and each repeat carries the same id.
//!
//! `BREAKWATCH_KILL_ROUNDS` sets the number of kills (20 by default; the soak run takes 500), `BREAKWATCH_SEED` the
//! seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
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
    let said = (name, alerts[0]["status"] == "firing");
    let id = headers.get("idempotency-key").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let (code, wait) = erratic.mood();
    {
        let mut log = erratic.log.lock().unwrap();
        log.ids.entry(said.clone()).or_default().insert(id);
        if code == 200 {
            *log.taken.entry(said.clone()).or_default() += 1;
            log.order.push(said);
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

/// A receiver this bad may open its breaker, and a minute without a message would make a dull test.
fn give_another_chance(daemon: &Daemon) {
    let (status, body) = daemon.post("/api/resilience/circuit-breakers/ops/webhook[0]/reset", "");
    assert_eq!(status, 200, "{body}");
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

    // Acknowledged as firing, and acknowledged as over.
    let (mut firing, mut over) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..rounds {
        let daemon = bench.start();
        give_another_chance(&daemon);
        for n in 0..rng.u32(1..5) {
            let name = format!("alert-{round}-{n}");
            if post(&daemon, &name, false) {
                firing.insert(name);
            }
        }
        // What somebody was told may end: then the end is owed, too.
        let told: Vec<String> = firing.difference(&over).cloned().collect();
        for name in told {
            let was_told = erratic.log.lock().unwrap().taken.contains_key(&(name.clone(), true));
            if was_told && rng.bool() && post(&daemon, &name, true) {
                over.insert(name);
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(1..600))).await;
        daemon.kill();
    }

    erratic.good.store(true, std::sync::atomic::Ordering::Relaxed);
    let daemon = bench.start();
    give_another_chance(&daemon);
    for name in firing.difference(&over) {
        assert!(post(&daemon, name, true), "nothing disturbs this post");
    }
    let empty = |daemon: &Daemon| daemon.json("/api/v1/outbox")["data"]["entries"] == json!([]);
    daemon.wait("everything owed is told", |daemon| {
        let log = erratic.log.lock().unwrap();
        // An end that came before the beginning was told is not owed; nothing is then told at all.
        let owed = firing.iter().filter(|name| log.taken.contains_key(&((*name).clone(), true)));
        let done = owed.clone().all(|name| log.taken.contains_key(&(name.clone(), false)));
        drop(log);
        done && empty(daemon)
    });
    server.abort();
    judge(&erratic.log.lock().unwrap(), &firing, &over, rounds);
}

fn judge(log: &Log, firing: &BTreeSet<String>, over: &BTreeSet<String>, kills: u64) {
    assert!(
        firing.len() as u64 > kills / 2 && over.len() > 3,
        "{} and {} are no test",
        firing.len(),
        over.len()
    );
    let taken = |name: &String, fires| log.taken.get(&(name.clone(), fires)).copied().unwrap_or(0);
    for name in over {
        assert!(taken(name, true) > 0 && taken(name, false) > 0, "{name} was told and ended: both are owed");
    }
    for name in firing {
        let both = (taken(name, true) > 0, taken(name, false) > 0);
        assert!(both == (true, true) || both == (false, false), "{name}: firing and over told: {both:?}");
        let first_end = log.order.iter().position(|said| *said == (name.clone(), false));
        let last_start = log.order.iter().rposition(|said| *said == (name.clone(), true));
        assert!(last_start <= first_end, "{name} was said to fire after its end");
    }
    for (said, ids) in &log.ids {
        assert_eq!(ids.len(), 1, "{said:?} came under several ids");
        assert!(!ids.contains(""), "{said:?} came without an id");
    }
    let repeats: usize = log.taken.values().map(|count| count - 1).sum();
    assert!(
        repeats as u64 <= kills,
        "{repeats} repeats by {kills} kills: one message is on its way at a time"
    );
    println!("{} alerts, {} ended under way, {repeats} repeats", firing.len(), over.len());
}
