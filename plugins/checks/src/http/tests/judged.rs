//! What a good answer leaves in the record, and every expectation held against an answer.

use breakwatch_model::FailureReason;
use breakwatch_plugin_api::Level;
use http::{Method, Response};
use serde_json::{Value, json};

use super::super::{ENTRY, PHASES};
use crate::testing::server::{self, Server, ok};
use crate::testing::{Run, run_with};

async fn health() -> Server {
    server::http(|request| {
        let mut response = ok(r#"{"db":"up","queue":3,"nodes":[{"up":true},{"up":true}]}"#);
        let headers = response.headers_mut();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert("last-modified", "Tue, 15 Nov 1994 12:45:26 GMT".parse().unwrap());
        headers.insert("x-method", request.method().as_str().parse().unwrap());
        if request.uri().path() == "/teapot" {
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        }
        response
    })
    .await
}

async fn expect(server: &Server, expect: Value) -> Run {
    run_with(&ENTRY, &json!({ "url": server.url("/"), "expect": expect })).await
}

#[tokio::test]
async fn a_good_answer_is_measured_in_every_way() {
    let server = health().await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/health") })).await;
    run.succeeded();
    for (name, value) in [
        ("probe_http_status_code", 200.0),
        ("probe_http_content_length", 55.0),
        ("probe_http_uncompressed_body_length", 55.0),
        ("probe_http_redirects", 0.0),
        ("probe_http_ssl", 0.0),
        ("probe_http_version", 1.1),
        ("probe_failed_due_to_regex", 0.0),
        ("probe_ip_protocol", 4.0),
        ("probe_http_last_modified_timestamp_seconds", 784_903_526.0),
    ] {
        assert_eq!(run.value(name, ""), Some(value), "{name}");
    }
    for phase in PHASES {
        let label = format!("{{phase={phase:?}}}");
        let took = run.value("probe_http_duration_seconds", &label).unwrap();
        assert_eq!(took > 0.0, *phase != "tls", "{phase}: {took}");
    }
    assert_eq!(run.fact("status"), Some("HTTP/1.1 200 OK"));
    assert_eq!(run.fact("address"), Some("127.0.0.1"));
    assert_eq!(run.fact("body"), None, "a body is shown only when it was the trouble");
}

#[tokio::test]
async fn the_wrong_status_fails_and_shows_the_body() {
    let server = health().await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/teapot") })).await;
    assert_eq!(run.failure().to_string(), "status is 418 I'm a teapot, expected 2xx (status)");
    assert!(run.fact("body").unwrap().starts_with(r#"{"db":"up""#));
    let accepted = json!({ "url": server.url("/teapot"), "expect": { "status": ["2xx", 418] } });
    run_with(&ENTRY, &accepted).await.succeeded();
}

#[tokio::test]
async fn every_expectation_can_hold_and_fail() {
    let server = health().await;
    for good in [
        json!({ "body_regex": "\"db\":\"up\"" }),
        json!({ "body_regex": ["db", "queue"], "body_not_regex": "down" }),
        json!({ "header_regex": { "Content-Type": "^application/json$" } }),
        json!({ "header_not_regex": { "content-type": "html" }, "version": "1.1", "tls": false }),
        json!({ "json": { "$.db": "up", "$.queue": { "at_most": 5 }, "$.nodes[*].up": true } }),
        json!({ "body_min": 10, "body_max": "1KiB" }),
    ] {
        expect(&server, good).await.succeeded();
    }
    for (bad, message, regex) in [
        (json!({ "body_regex": "down" }), "the body does not match /down/", 1.0),
        (json!({ "body_not_regex": ["x", "up"] }), "the body matches /up/", 1.0),
        (
            json!({ "header_regex": { "content-type": "html" } }),
            "header content-type is \"application/json\", expected a match of /html/",
            1.0,
        ),
        (
            json!({ "header_regex": { "x-missing": "." } }),
            "header x-missing is missing, expected a match of /./",
            1.0,
        ),
        (json!({ "header_not_regex": { "x-method": "GET" } }), "header x-method matches /GET/", 1.0),
        (json!({ "json": { "$.db": "down" } }), "JSON $.db is \"up\", expected down", 0.0),
        (json!({ "version": ["2"] }), "HTTP version is 1.1, expected 2", 0.0),
        (json!({ "tls": true }), "the answer did not come over TLS", 0.0),
        (json!({ "body_min": 56 }), "the body has 55 bytes, expected at least 56", 0.0),
        (json!({ "body_max": 54 }), "the body has 55 bytes, expected at most 54", 0.0),
    ] {
        let run = expect(&server, bad).await;
        assert_eq!(run.failure().message, message);
        assert_eq!(run.failure().reason, FailureReason::Assertion, "{message}");
        assert_eq!(run.value("probe_failed_due_to_regex", ""), Some(regex), "{message}");
    }
}

#[tokio::test]
async fn the_request_is_what_the_settings_say() {
    let server = server::http(|request| {
        let mut text = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            text += &format!("{name}: {}\n", value.to_str().unwrap());
        }
        ok(text)
    })
    .await;
    let host = server.address.to_string();
    let settings = json!({
        "url": format!("http://user:p%40ss@{host}/a?b=c%20d#fragment"),
        "method": "POST",
        "body": "hello",
        "headers": { "X-One": "1", "User-Agent": "mine" },
        "expect": {
            "body_regex": [
                "^POST /a\\?b=c%20d\n", "(?m)^x-one: 1$", "(?m)^user-agent: mine$", "content-length: 5",
                // user:p@ss
                "(?m)^authorization: Basic dXNlcjpwQHNz$",
                format!("(?m)^host: {}$", regex::escape(&host)),
            ],
            "body_not_regex": "breakwatch",
        },
    });
    run_with(&ENTRY, &settings).await.succeeded().hides(&["p@ss", "p%40ss", "dXNlcjpwQHNz"]);
    let bearer = json!({
        "url": server.url("/"),
        "auth": { "bearer": "t0ken" },
        "headers": { "Host": "other.example" },
        "expect": { "body_regex": ["(?m)^authorization: Bearer t0ken$", "(?m)^host: other.example$"] },
    });
    run_with(&ENTRY, &bearer).await.succeeded();
}

#[tokio::test]
async fn the_answer_to_head_has_no_body() {
    let server = server::http(|request| {
        assert_eq!(request.method(), Method::HEAD);
        Response::builder()
            .header("content-encoding", "gzip")
            .header("content-length", 9000)
            .body(ok("").into_body())
            .unwrap()
    })
    .await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/"), "method": "HEAD" })).await;
    run.succeeded();
    assert_eq!(run.value("probe_http_content_length", ""), Some(9000.0));
    assert_eq!(run.value("probe_http_uncompressed_body_length", ""), Some(0.0));
}

#[tokio::test]
async fn http2_without_tls_by_prior_knowledge() {
    let server = server::h2c(|request| ok(format!("{} {}", request.method(), request.uri()))).await;
    let wanted = format!("^GET http://{}/x\\?y$", regex::escape(&server.address.to_string()));
    let settings = json!({
        "url": server.url("/x?y"),
        "http_version": "2",
        "expect": { "version": ["2"], "body_regex": wanted },
    });
    let run = run_with(&ENTRY, &settings).await;
    run.succeeded();
    assert_eq!(run.value("probe_http_version", ""), Some(2.0));
}

#[tokio::test]
async fn latency_has_levels() {
    let server = health().await;
    // Nothing answers in under a millisecond's thousandth part, and everything within an hour.
    let slow = json!({
        "url": server.url("/"),
        "degraded": { "latency": "1ms" }, "unhealthy": { "latency": "1h" },
        "http_version": "1.1",
    });
    let run = run_with(&ENTRY, &slow).await;
    run.succeeded();
    let took: f64 = PHASES
        .iter()
        .filter_map(|phase| run.value("probe_http_duration_seconds", &format!("{{phase={phase:?}}}")))
        .sum();
    let expected = if took >= 0.001 { Level::Degraded } else { Level::Fine };
    assert_eq!(run.level("latency"), Some(expected), "{took}");
}
