//! Servers that are no databases, or broken ones.

use breakwatch_model::FailureReason;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::super::ENTRY;
use super::ask;
use crate::testing::server;
use crate::testing::{build, run_into};

#[tokio::test]
async fn one_that_never_answers() {
    let silent = server::tcp(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    for scheme in ["postgres", "mysql"] {
        let dsn = format!("{scheme}://u:hunter2@{}/x", silent.address);
        let check = build(&ENTRY, &json!({ "dsn": dsn })).unwrap();
        let run = run_into(&*check, "auth").await;
        assert_eq!(run.result, None, "{scheme}");
        assert!(run.value("breakwatch_database_duration_seconds", r#"{phase="auth"}"#).unwrap() > 0.1);
        run.hides(&["hunter2"]);
    }
}

#[tokio::test]
async fn ones_that_talk_nonsense_or_hang_up() {
    for answer in
        [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"N", b"S"]
    {
        for scheme in ["postgres", "mysql"] {
            let stranger = server::tcp(move |mut stream| async move {
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            })
            .await;
            let run = ask(&format!("{scheme}://u:hunter2@{}/x", stranger.address), "SELECT 1").await;
            let reason = run.failure().reason;
            let known = [
                FailureReason::Connect,
                FailureReason::Protocol,
                FailureReason::Tls,
                FailureReason::Assertion,
            ];
            assert!(known.contains(&reason), "{scheme} {answer:?}: {}", run.failure());
            run.hides(&["hunter2"]);
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let run = ask("postgres://u:hunter2@nowhere.invalid/x", "SELECT 1").await;
    assert_eq!(run.failure().reason, FailureReason::Dns);
    run.hides(&["hunter2"]);
}
