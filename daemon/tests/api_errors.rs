//! What the query API says to requests that are wrong, in Prometheus' words, by `GET` and by `POST`; and beside a real
//! Prometheus where one is installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod common;
mod remote;

use breakwatch_sim::servers::Prometheus;
use common::{Bench, request, ureq};
use remote::ask;

const CONFIG: &str = "
checks: { memory: { interval: 1h } }
rules: { shipped: false }
store: { path: data }
";

/// Path, form, status, `errorType`, `error`; whether it may be sent by `POST` too; whether Debian's Prometheus 2.42
/// says the same (newer ones name the parameter of a query that does not parse, and know limits).
type Row = (&'static str, &'static str, u16, &'static str, &'static str, bool, bool);

const TABLE: &[Row] = &[
    (
        "query",
        "query=up%7B",
        400,
        "bad_data",
        r#"invalid parameter "query": 1:4: parse error: unexpected end of input inside braces"#,
        true,
        true,
    ),
    (
        "query",
        "query=up&time=x",
        400,
        "bad_data",
        r#"invalid parameter "time": Invalid time value for 'time': cannot parse "x" to a valid timestamp"#,
        true,
        true,
    ),
    (
        "query",
        "query=up&timeout=x",
        400,
        "bad_data",
        r#"invalid parameter "timeout": cannot parse "x" to a valid duration"#,
        true,
        true,
    ),
    (
        "query",
        "query=up&limit=x",
        400,
        "bad_data",
        r#"invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax"#,
        true,
        false,
    ),
    (
        "query",
        "query=up&limit=-1",
        400,
        "bad_data",
        r#"invalid parameter "limit": limit must be non-negative"#,
        true,
        false,
    ),
    (
        "query_range",
        "query=up",
        400,
        "bad_data",
        r#"invalid parameter "start": cannot parse "" to a valid timestamp"#,
        true,
        true,
    ),
    (
        "query_range",
        "query=up&start=1&end=x&step=1",
        400,
        "bad_data",
        r#"invalid parameter "end": cannot parse "x" to a valid timestamp"#,
        true,
        true,
    ),
    (
        "query_range",
        "query=up&start=1&end=2&step=x",
        400,
        "bad_data",
        r#"invalid parameter "step": cannot parse "x" to a valid duration"#,
        true,
        true,
    ),
    (
        "query_range",
        "query=up&start=2&end=1&step=1",
        400,
        "bad_data",
        r#"invalid parameter "end": end timestamp must not be before start time"#,
        true,
        true,
    ),
    (
        "query_range",
        "query=up&start=1&end=2&step=0",
        400,
        "bad_data",
        r#"invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer"#,
        true,
        true,
    ),
    (
        "query_range",
        "query=up&start=1&end=2&step=-1",
        400,
        "bad_data",
        r#"invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer"#,
        true,
        true,
    ),
    (
        "query_range",
        "query=up&start=1&end=20000&step=1",
        400,
        "bad_data",
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        true,
        true,
    ),
    (
        "query_range",
        "query=up%7B&start=1&end=2&step=1",
        400,
        "bad_data",
        r#"invalid parameter "query": 1:4: parse error: unexpected end of input inside braces"#,
        true,
        false,
    ),
    ("series", "", 400, "bad_data", "no match[] parameter provided", true, true),
    (
        "series",
        "match%5B%5D=up&start=x",
        400,
        "bad_data",
        r#"invalid parameter "start": Invalid time value for 'start': cannot parse "x" to a valid timestamp"#,
        true,
        true,
    ),
    (
        "series",
        "match%5B%5D=up&end=x",
        400,
        "bad_data",
        r#"invalid parameter "end": Invalid time value for 'end': cannot parse "x" to a valid timestamp"#,
        true,
        true,
    ),
    (
        "series",
        "match%5B%5D=%7B%7D",
        400,
        "bad_data",
        r#"invalid parameter "match[]": match[] must contain at least one non-empty matcher"#,
        true,
        true,
    ),
    (
        "series",
        "match%5B%5D=%7Ba%3D~%22.*%22%7D",
        400,
        "bad_data",
        r#"invalid parameter "match[]": match[] must contain at least one non-empty matcher"#,
        true,
        true,
    ),
    (
        "series",
        "match%5B%5D=up%7B",
        400,
        "bad_data",
        r#"invalid parameter "match[]": 1:4: parse error: unexpected end of input inside braces"#,
        true,
        true,
    ),
    (
        "series",
        "match%5B%5D=1",
        400,
        "bad_data",
        r#"invalid parameter "match[]": 1:1: parse error: unexpected number "1""#,
        true,
        true,
    ),
    (
        "labels",
        "start=x",
        400,
        "bad_data",
        r#"invalid parameter "start": Invalid time value for 'start': cannot parse "x" to a valid timestamp"#,
        true,
        true,
    ),
    ("label/a-b/values", "", 400, "bad_data", r#"invalid label name: "a-b""#, false, true),
    (
        "label/job/values",
        "limit=-1",
        400,
        "bad_data",
        r#"invalid parameter "limit": limit must be non-negative"#,
        false,
        false,
    ),
    ("metadata", "limit=x", 400, "bad_data", "limit must be a number", false, true),
    ("targets/metadata", "limit=x", 400, "bad_data", "limit must be a number", false, true),
    ("rules", "type=x", 400, "bad_data", r#"invalid parameter "type": not supported value "x""#, false, true),
    (
        "rules",
        "exclude_alerts=maybe",
        400,
        "bad_data",
        r#"invalid parameter "exclude_alerts": error converting exclude_alerts: strconv.ParseBool: parsing "maybe": invalid syntax"#,
        false,
        false,
    ),
    (
        "format_query",
        "query=a%2B",
        400,
        "bad_data",
        r#"invalid parameter "query": 1:3: parse error: unexpected end of input"#,
        true,
        true,
    ),
    (
        "parse_query",
        "query=a%2B",
        400,
        "bad_data",
        r#"invalid parameter "query": 1:3: parse error: unexpected end of input"#,
        true,
        false,
    ),
    (
        "query_exemplars",
        "query=up&start=2&end=1",
        400,
        "bad_data",
        "end timestamp must not be before start timestamp",
        true,
        true,
    ),
    (
        "query_exemplars",
        "query=up%7B&start=1&end=2",
        400,
        "bad_data",
        "1:4: parse error: unexpected end of input inside braces",
        true,
        true,
    ),
    (
        "query",
        "query=1%2Bsum%28up%29%2B%22s%22",
        400,
        "bad_data",
        r#"invalid parameter "query": 1:11: parse error: binary expression must contain only scalar and instant vector types"#,
        true,
        true,
    ),
];

#[test]
fn wrong_requests_are_told_what_prometheus_would_tell_them() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let prometheus = Prometheus::start();
    for (path, form, code, kind, text, by_post, in_242) in TABLE {
        let path = format!("/api/v1/{path}");
        for post in [false, true] {
            if post && !by_post {
                continue;
            }
            let (status, body) = ask(&daemon.url, post, &path, form);
            let expected = serde_json::json!({ "status": "error", "errorType": kind, "error": text });
            assert_eq!((status, &body), (*code, &expected), "{path}?{form}");
        }
        if let Some(prometheus) = prometheus.as_ref().filter(|_| *in_242) {
            let (status, body) = ask(&prometheus.url(), false, &path, form);
            assert_eq!((status, body["error"].as_str()), (*code, Some(*text)), "Prometheus: {path}?{form}");
        }
    }
}

#[test]
fn unknown_paths_and_methods_are_no_api() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    assert_eq!(daemon.get("/api/v1/nope"), (404, "404 page not found\n".to_owned()));
    // What Prometheus gives by GET alone is given by GET alone.
    for path in ["metadata", "rules", "alerts", "targets", "status/buildinfo", "label/job/values"] {
        assert_eq!(daemon.post(&format!("/api/v1/{path}"), "").0, 405, "{path}");
    }
    let accepts = [("Accept-Encoding", "gzip")];
    let raw = request(ureq("GET", &format!("{}/api/v1/label/__name__/values", daemon.url), &accepts, None));
    // The body comes as it was sent: the test's client does not unpack.
    assert!(raw.0 == 200 && raw.1.contains('\u{1f}'), "a large answer is packed where that is welcome");
}
