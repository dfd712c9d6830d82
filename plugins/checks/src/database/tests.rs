//! The check against real databases, and against servers that only pretend.

mod mariadb;
mod postgres;
mod settings;
mod sqlite;
mod strangers;

use serde_json::{Value, json};

use super::ENTRY;
use crate::testing::{Run, run_with};

/// Asks `query` of the database at `dsn`.
async fn ask(dsn: &str, query: &str) -> Run {
    ask_with(dsn, query, json!({})).await
}

/// Asks with more settings.
async fn ask_with(dsn: &str, query: &str, extra: Value) -> Run {
    let mut settings = json!({ "dsn": dsn, "query": query });
    for (key, value) in extra.as_object().unwrap() {
        settings[key] = value.clone();
    }
    run_with(&ENTRY, &settings).await
}

/// What every server must be able to do, in its own words.
async fn judged_by_value(dsn: &str) {
    use breakwatch_plugin_api::Level;
    let levels = json!({ "column": "n", "value": { "degraded": 10, "unhealthy": 20 } });
    for (n, level) in [(5, Level::Fine), (10, Level::Degraded), (25, Level::Unhealthy)] {
        let run = ask_with(dsn, &format!("SELECT 'x' AS t, {n} AS n"), levels.clone()).await;
        assert_eq!(run.succeeded().level("value"), Some(level), "{n}");
    }
    let run = ask_with(dsn, "SELECT 'x' AS t, NULL AS n", levels.clone()).await;
    assert_eq!(run.failure().to_string(), "n is NULL, expected a number (assertion)");
    let run = ask_with(dsn, "SELECT 'x' AS t", levels.clone()).await;
    assert_eq!(run.failure().to_string(), "the result has no column n (assertion)");
    let run = ask_with(dsn, "SELECT 'x' AS t, 1 AS n WHERE 1 = 0", levels).await;
    assert_eq!(run.failure().to_string(), "the query gave no rows (assertion)");
    ask_with(dsn, "SELECT 'up' AS state", json!({ "expect": { "equals": "up", "regex": "^u" } }))
        .await
        .succeeded();
    let run = ask_with(dsn, "SELECT 'down' AS state", json!({ "expect": { "equals": "up" } })).await;
    assert_eq!(run.failure().to_string(), "state is down, expected up (assertion)");
    ask_with(dsn, "SELECT 3", json!({ "expect": { "equals": "3.0", "rows_min": 1, "rows_max": 1 } }))
        .await
        .succeeded();
    let run = ask_with(dsn, "SELECT 1 UNION SELECT 2", json!({ "expect": { "rows_max": 1 } })).await;
    assert_eq!(run.failure().to_string(), "the query gave 2 rows, expected at most 1 (assertion)");
}

/// Asserts that every phase of a server was measured.
fn all_phases_took_time(run: &Run) {
    for phase in super::NETWORK_PHASES {
        let label = format!("{{phase={phase:?}}}");
        let took = run.value("breakwatch_database_duration_seconds", &label).unwrap();
        assert!(took > 0.0, "{phase}: {took}");
    }
}
