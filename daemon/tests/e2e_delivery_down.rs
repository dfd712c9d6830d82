//! A receiver that is down for twenty seconds, with the real binary and real sockets, and a kill -9 in between: all of
//! it arrives when the receiver is back, in order, and of what changed meanwhile only the newest state.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test may be blunt"
)]

mod common;

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use common::{Bench, Daemon};
use serde_json::{Value, json};

/// How long nobody listens.
const DOWN: Duration = Duration::from_secs(20);
/// Within this time of the receiver's return everything is there.
const SOON: Duration = Duration::from_secs(60);

type Bodies = Arc<Mutex<Vec<(Instant, Value)>>>;

async fn hook(State(bodies): State<Bodies>, body: String) {
    let body = serde_json::from_str(&body).expect("JSON");
    bodies.lock().unwrap().push((Instant::now(), body));
}

/// `x: -A`.
fn show(body: &Value) -> String {
    let alerts = body["alerts"].as_array().expect("alerts").iter().map(|alert| {
        let sign = if alert["status"] == "firing" { '+' } else { '-' };
        format!(" {sign}{}", alert["labels"]["alertname"].as_str().unwrap_or_default())
    });
    format!("{}:{}", body["groupLabels"]["service"].as_str().unwrap_or_default(), alerts.collect::<String>())
}

fn post(daemon: &Daemon, name: &str, service: &str, ends: bool) {
    use breakwatch_model::Clock as _;
    let mut alert = json!({ "labels": { "alertname": name, "service": service } });
    if ends {
        alert["endsAt"] = json!(breakwatch_model::SystemClock.now().to_rfc3339());
    }
    let (status, body) = daemon.post("/api/v2/alerts", &json!([alert]).to_string());
    assert_eq!(status, 200, "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_when_the_receiver_is_back() {
    // The port is ours and nobody listens: a connection is refused.
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let bench = Bench::new(&format!(
        "
checks: {{ cpu: {{}} }}
store: {{ path: data }}
alerting:
  global: {{ resolve_timeout: 1h }}
  route: {{ receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }}
  receivers: [{{ name: ops, webhook_configs: [{{ url: \"http://{address}/\", send_resolved: true }}] }}]
"
    ));
    let began = Instant::now();
    let daemon = bench.start();
    post(&daemon, "A", "x", false);
    post(&daemon, "B", "y", false);
    let attempts = |daemon: &Daemon, least: u64| {
        let outbox = daemon.json("/api/v1/outbox");
        let entries = outbox["data"]["entries"].as_array().cloned().unwrap_or_default();
        !entries.is_empty() && entries.iter().all(|entry| entry["attempts"].as_u64() >= Some(least))
    };
    daemon.wait("both to be tried", |daemon| attempts(daemon, 2));
    daemon.kill();

    let daemon = bench.start();
    post(&daemon, "A", "x", true);
    post(&daemon, "C", "y", false);
    post(&daemon, "D", "z", false);
    daemon.wait("the newest states to wait", |daemon| {
        let outbox = daemon.json("/api/v1/outbox");
        let entries = outbox["data"]["entries"].as_array().cloned().unwrap_or_default();
        let of = |group: &str| {
            let mut entries =
                entries.iter().filter(|entry| entry["group"].as_str().unwrap_or_default().contains(group));
            let first = entries.next().cloned().unwrap_or_default();
            assert!(entries.next().is_none(), "one message for each group");
            (first["firing"].as_u64(), first["resolved"].as_u64())
        };
        of("\"x\"") == (Some(0), Some(1))
            && of("\"y\"") == (Some(2), Some(0))
            && of("\"z\"") == (Some(1), Some(0))
    });
    tokio::time::sleep(DOWN.saturating_sub(began.elapsed())).await;

    let bodies = Bodies::default();
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is still free");
    let back = Instant::now();
    let app = Router::new().fallback(hook).with_state(Arc::clone(&bodies));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    daemon.wait("everything to arrive", |daemon| {
        daemon.json("/api/v1/outbox")["data"]["entries"] == json!([]) && bodies.lock().unwrap().len() >= 3
    });
    server.abort();
    let bodies = bodies.lock().unwrap().clone();
    let lines: Vec<String> = bodies.iter().map(|(_, body)| show(body)).collect();
    let mut sorted = lines.clone();
    sorted.sort();
    assert_eq!(sorted, ["x: -A", "y: +B +C", "z: +D"], "{lines:?}");
    let last = bodies.last().unwrap().0 - back;
    assert!(last <= SOON, "the last came after {last:?}");
    println!("down for {:?}, everything there {last:?} after the return", back - began);
}
