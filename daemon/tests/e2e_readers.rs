//! Readers in crowds, readers who take nothing and readers who leave: each is bounded, none is in the way of a scrape or of
//! a check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::io::Write as _;
use std::net::TcpStream;

use common::{Bench, Daemon, request, ureq};
use serde_json::json;

const CONFIG: &str = "
checks: { memory: { interval: 1s } }
store: { path: data }
server: { max_concurrent_reads: 2 }
";

/// What an answer must hold at least so that it does not fit into the buffers of two sockets.
const ALERTS: usize = 16;
const TEXT: usize = 900_000;

fn runs(daemon: &Daemon) -> f64 {
    let series =
        r#"breakwatch_check_runs_total{check="memory",status="healthy",target="memory",type="memory"}"#;
    daemon.metric(series).unwrap_or(0.0)
}

/// Asks for everything and takes nothing.
fn greedy(daemon: &Daemon) -> TcpStream {
    let host = daemon.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let ask = format!("GET /api/v2/alerts HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    stream
}

#[test]
fn a_crowd_is_told_to_come_back_and_scrapes_and_checks_go_on() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    for number in 0..ALERTS {
        let alert = json!([{
            "labels": { "alertname": format!("a{number}") },
            "annotations": { "summary": "x".repeat(TEXT) },
        }]);
        assert_eq!(daemon.post("/api/v2/alerts", &alert.to_string()).0, 200);
    }
    let readers = [greedy(&daemon), greedy(&daemon)];
    daemon.wait("the places to be taken", |daemon| daemon.get("/api/v1/rules").0 == 503);
    let (status, body) = daemon.get("/api/v1/rules");
    assert!(status == 503 && body.contains("limit of concurrent reads"), "{status} {body}");

    // A hundred scrapes at once, some of which leave before they are answered.
    let before = runs(&daemon);
    let url = format!("{}/metrics", daemon.url);
    let scrapes: Vec<_> = (0..100)
        .map(|number| {
            if number % 10 == 0 {
                let host = daemon.url.trim_start_matches("http://");
                let mut stream = TcpStream::connect(host).unwrap();
                write!(stream, "GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
            }
            let url = url.clone();
            std::thread::spawn(move || request(ureq("GET", &url, &[], None)).0)
        })
        .collect();
    let answers: Vec<u16> = scrapes.into_iter().map(|scrape| scrape.join().unwrap()).collect();
    assert_eq!(answers, vec![200; 100]);
    assert_eq!((daemon.get("/-/healthy").0, daemon.get("/health").0), (200, 200));
    daemon.wait("checks to go on", |daemon| runs(daemon) > before + 2.0);
    // Whoever takes nothing is left, and his place is free again.
    daemon.wait("room for readers", |daemon| daemon.get("/api/v1/rules").0 == 200);
    drop(readers);
}
