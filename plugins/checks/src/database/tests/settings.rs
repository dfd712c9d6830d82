//! Mistakes in the settings.

use serde_json::json;

use super::super::ENTRY;
use crate::testing::{build, mistakes};

#[test]
fn mistakes_are_reported_at_their_place() {
    let dsn = "sqlite::memory:";
    for (settings, expected) in [
        (json!({}), "missing required key `dsn`"),
        (
            json!({ "dsn": "db2://x" }),
            "dsn: expected a DSN that begins with `postgres:`, `mysql:`, `mariadb:` or `sqlite:`",
        ),
        (json!({ "dsn": [] }), "dsn: expected a DSN such as `postgres://user:password@host/name`"),
        (json!({ "dsn": dsn, "query": " " }), "query: a query that asks nothing"),
        (json!({ "dsn": dsn, "querry": "x" }), "querry: unknown key `querry` (did you mean `query`?)"),
        (
            json!({ "dsn": dsn, "expect": { "rows_min": 2, "rows_max": 1 } }),
            "expect.rows_min: `rows_min` is greater than `rows_max`: nothing could satisfy both",
        ),
        (
            json!({ "dsn": dsn, "degraded": { "certificate_days": 3 } }),
            "degraded.certificate_days: unknown key `certificate_days` (known keys: latency)",
        ),
    ] {
        assert_eq!(mistakes(&ENTRY, &settings).first().map(String::as_str), Some(expected));
    }
}

#[test]
fn every_key_that_is_read_is_documented() {
    let settings = json!({
        "dsn": "sqlite::memory:", "query": "SELECT 1", "column": "x", "value": 1, "expect": {}, "degraded": {},
        "unhealthy": {}, "cancel_on_timeout": true, "ip_family": "any",
    });
    assert!(build(&ENTRY, &settings).is_ok());
    let mut read: Vec<&str> = settings.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented: Vec<&str> = ENTRY.fields.iter().map(|field| field.name).collect();
    read.sort_unstable();
    documented.sort_unstable();
    assert_eq!(read, documented);
}
