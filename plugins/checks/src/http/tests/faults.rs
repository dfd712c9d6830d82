//! Targets that misbehave: each failure has its reason, and what was known before it is kept.

use breakwatch_model::FailureReason;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::super::ENTRY;
use crate::testing::server::{self, canned, read_head};
use crate::testing::{build, run_into, run_with};

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let run = run_with(&ENTRY, &json!({ "url": format!("http://{address}/") })).await;
    assert_eq!(run.failure().to_string(), format!("connecting to {address}: connection refused (connect)"));
    assert_eq!(run.fact("stopped in phase"), Some("connect"));
    assert_eq!(run.value("probe_http_status_code", ""), Some(0.0));
    assert_eq!(run.value("probe_ip_protocol", ""), Some(4.0));
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let run = run_with(&ENTRY, &json!({ "url": "http://nowhere.invalid/" })).await;
    assert_eq!(run.failure().reason, FailureReason::Dns);
    assert_eq!(run.value("probe_ip_protocol", ""), Some(0.0));
}

#[tokio::test]
async fn answers_that_are_not_http() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1000));
    for (answer, part) in [
        ("220 mail.example ESMTP\r\n".to_owned(), "not HTTP"),
        (String::new(), "closed early"),
        ("HTTP/1.1 200 OK\r\nConte".to_owned(), "closed early"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_owned(), "reading the body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc".to_owned(), "reading the body"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\na".to_owned(), "not HTTP"),
        (huge, "head is larger than 64 KiB"),
        (many, "head is larger than 64 KiB"),
    ] {
        let server = canned(answer.clone()).await;
        let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
        assert!(matches!(run.result, Some(Err(_))), "{answer:.60}");
        assert_eq!(run.failure().reason, FailureReason::Protocol, "{}", run.failure());
        assert!(run.failure().message.contains(part), "{}: {part}", run.failure());
    }
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let server = server::tcp(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x-more: and more\r\n").await.is_ok() {}
    })
    .await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    assert_eq!(run.failure().reason, FailureReason::Protocol);
}

/// The server sends some of the answer and then hangs; the run is dropped at its deadline.
async fn hang_after(sent: &'static [u8], phase: &str) -> crate::testing::Run {
    let server = server::tcp(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(sent).await;
        std::future::pending::<()>().await;
    })
    .await;
    let check = build(&ENTRY, &json!({ "url": server.url("/") })).unwrap();
    run_into(&*check, phase).await
}

#[tokio::test]
async fn what_was_measured_before_the_deadline_is_kept() {
    let run = hang_after(b"", "processing").await;
    assert_eq!(run.result, None);
    assert!(run.value("probe_http_duration_seconds", r#"{phase="processing"}"#).unwrap() > 0.1);
    assert_eq!(run.value("probe_http_duration_seconds", r#"{phase="transfer"}"#), Some(0.0));

    let run =
        hang_after(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\nsome", "transfer").await;
    assert_eq!(run.result, None);
    assert_eq!(run.fact("status"), Some("HTTP/1.1 503 Service Unavailable"));
    assert_eq!(run.value("probe_http_status_code", ""), Some(503.0));
}

#[tokio::test]
async fn a_reset_is_a_connection_failure() {
    let server = server::tcp(|mut stream| async move {
        read_head(&mut stream).await;
        // With no time to linger, closing is a reset.
        stream.set_zero_linger().unwrap();
    })
    .await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    assert_eq!(run.failure().reason, FailureReason::Connect, "{}", run.failure());
}
