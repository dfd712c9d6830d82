//! Against real SQLite files.

use std::time::Duration;

use breakwatch_model::FailureReason;
use serde_json::json;

use super::super::ENTRY;
use super::{ask, ask_with, judged_by_value};
use crate::testing::{GENEROUS, build, run_into, run_within};

struct File {
    dir: tempfile::TempDir,
}

impl File {
    async fn new() -> Self {
        let file = Self { dir: tempfile::tempdir().unwrap() };
        ask(&file.dsn("rwc"), "CREATE TABLE jobs (name TEXT, waiting INTEGER, share REAL)").await.succeeded();
        ask(&file.dsn("rw"), "INSERT INTO jobs VALUES ('mail', 17, 0.25), ('print', NULL, NULL)")
            .await
            .succeeded();
        file
    }

    fn dsn(&self, mode: &str) -> String {
        format!("sqlite://{}?mode={mode}", self.dir.path().join("app.db").display())
    }
}

#[tokio::test]
async fn values_come_from_the_file() {
    let file = File::new().await;
    let run = ask(&file.dsn("ro"), "SELECT * FROM jobs ORDER BY name").await;
    run.succeeded();
    assert_eq!(run.fact("row"), Some("name=mail, waiting=17, share=0.25"));
    assert_eq!(run.value("breakwatch_database_value", r#"{column="waiting"}"#), Some(17.0));
    assert_eq!(run.value("breakwatch_database_value", r#"{column="share"}"#), Some(0.25));
    assert_eq!(run.value("breakwatch_database_rows", ""), Some(2.0));
    for phase in ["connect", "query"] {
        let label = format!("{{phase={phase:?}}}");
        assert!(run.value("breakwatch_database_duration_seconds", &label).unwrap() > 0.0, "{phase}");
    }
    let run = ask(&file.dsn("ro"), "SELECT name, waiting FROM jobs WHERE name = 'print'").await;
    assert_eq!(run.succeeded().fact("row"), Some("name=print, waiting=NULL"));
    judged_by_value(&file.dsn("ro")).await;
    let run = ask(
        &file.dsn("ro"),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    )
    .await;
    assert_eq!(run.succeeded().value("breakwatch_database_rows", ""), Some(1000.0));
}

#[tokio::test]
async fn files_that_are_no_good() {
    let file = File::new().await;
    let missing = format!("sqlite://{}", file.dir.path().join("missing.db").display());
    let run = ask(&missing, "SELECT 1").await;
    assert_eq!(run.failure().reason, FailureReason::Connect, "{}", run.failure());
    assert!(!file.dir.path().join("missing.db").exists(), "a probe creates nothing");
    let text = file.dir.path().join("text.db");
    std::fs::write(&text, "this is not a database, however long it may be. ".repeat(100)).unwrap();
    let run = ask(&format!("sqlite://{}", text.display()), "SELECT * FROM jobs").await;
    assert_eq!(run.failure().reason, FailureReason::Protocol, "{}", run.failure());
    let run = ask(&file.dsn("ro"), "SELECT * FROM nowhere").await;
    assert_eq!(run.failure().reason, FailureReason::Assertion, "{}", run.failure());
    assert!(run.failure().message.contains("no such table: nowhere"), "{}", run.failure());
    let run = ask(&file.dsn("ro"), "DELETE FROM jobs").await;
    assert!(run.failure().message.contains("readonly"), "{}", run.failure());
}

#[tokio::test]
async fn a_locked_file_is_waited_for_as_long_as_the_run_has() {
    let file = File::new().await;
    let settings = json!({ "dsn": file.dsn("rw"), "query": "BEGIN EXCLUSIVE; WITH RECURSIVE n(i) AS (SELECT 1 UNION \
                           ALL SELECT i + 1 FROM n) SELECT max(i) FROM n" });
    let holder = build(&ENTRY, &settings).unwrap();
    let hold = tokio::spawn(async move { run_within(&*holder, GENEROUS).await });
    let locked = async {
        loop {
            let check = build(
                &ENTRY,
                &json!({ "dsn": file.dsn("rw"), "query": "INSERT INTO jobs VALUES ('x', 1, 1)" }),
            );
            let run = run_within(&*check.unwrap(), Duration::from_millis(300)).await;
            match run.result {
                Some(Ok(())) => {}
                Some(Err(failure)) => return Some(failure.reason),
                None => return None,
            }
        }
    };
    let reason = tokio::time::timeout(GENEROUS, locked).await.expect("the file gets locked");
    assert!(reason.is_none_or(|reason| reason == FailureReason::Timeout), "{reason:?}");
    hold.abort();
    // With the holder gone the lock goes as well: the endless query has been told to stop.
    let freed = ask_with(&file.dsn("rw"), "INSERT INTO jobs VALUES ('y', 1, 1)", json!({})).await;
    freed.succeeded();
}

#[tokio::test]
async fn a_query_nobody_waits_for_stops() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let check = build(&ENTRY, &json!({ "dsn": "sqlite::memory:", "query": endless })).unwrap();
    assert_eq!(run_into(&*check, "query").await.result, None);
    let idle = async {
        while workers() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(GENEROUS, idle).await.expect("the driver's threads end");
}

/// Threads of the driver, those of other tests included: they all end.
fn workers() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("sqlx-sqlite")).count()
}
