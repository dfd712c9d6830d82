//! Redirects: followed to the end, never out of HTTP, and never with credentials to another host.

use std::sync::{Arc, Mutex};

use breakwatch_model::FailureReason;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;

use super::super::ENTRY;
use crate::testing::run_with;
use crate::testing::server::{self, Server, ok};

fn redirect(code: u16, location: impl AsRef<str>) -> Response<Full<bytes::Bytes>> {
    let mut response = ok("moved");
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert("location", location.as_ref().parse().unwrap());
    response
}

/// A server that notes the headers of every request.
async fn noting(
    answer: impl Fn(&Request<Incoming>) -> Response<Full<bytes::Bytes>> + Send + Sync + 'static,
) -> (Server, Arc<Mutex<Vec<String>>>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&notes);
    let server = server::http(move |request| {
        kept.lock().unwrap().push(format!("{} {} {:?}", request.method(), request.uri(), request.headers()));
        answer(&request)
    })
    .await;
    (server, notes)
}

#[tokio::test]
async fn followed_to_the_end_with_phases_summed() {
    let server = server::http(|request| match request.uri().path() {
        "/a" => redirect(302, "/b?token=secret-one"),
        "/b" => redirect(301, "c"),
        _ => ok("arrived"),
    })
    .await;
    let settings = json!({ "url": server.url("/a"), "expect": { "body_regex": "^arrived$" } });
    let run = run_with(&ENTRY, &settings).await;
    run.succeeded().hides(&["secret-one"]);
    assert_eq!(run.value("probe_http_redirects", ""), Some(2.0));
    assert_eq!(run.value("probe_http_status_code", ""), Some(200.0));
    let (b, c) = (server.url("/b?token=redacted"), server.url("/c"));
    assert_eq!(run.fact("redirects"), Some(format!("{b} -> {c}").as_str()));
}

#[tokio::test]
async fn endless_redirects_end() {
    let server = server::http(|_| redirect(302, "/again")).await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    assert_eq!(run.failure().to_string(), "more than 10 redirects (protocol)");
    let run = run_with(&ENTRY, &json!({ "url": server.url("/"), "max_redirects": 0 })).await;
    assert_eq!(run.failure().to_string(), "more than 0 redirects (protocol)");
    let stay = json!({ "url": server.url("/"), "follow_redirects": false, "expect": { "status": 302 } });
    run_with(&ENTRY, &stay).await.succeeded();
}

#[tokio::test]
async fn out_of_http_is_not_followed() {
    let server = server::http(|_| redirect(302, "file:///etc/passwd")).await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    assert_eq!(run.failure().reason, FailureReason::Protocol);
    assert!(run.failure().message.contains("only http and https are followed"), "{}", run.failure());
}

#[tokio::test]
async fn credentials_do_not_leave_the_host() {
    let (elsewhere, seen_there) = noting(|_| ok("elsewhere")).await;
    let target = elsewhere.url("/");
    let (home, seen_home) = noting(move |request| match request.uri().path() {
        "/start" => redirect(307, "/here"),
        _ => redirect(307, &target),
    })
    .await;
    let settings = json!({
        "url": home.url("/start"),
        "method": "POST",
        "auth": { "basic": { "username": "u", "password": "hunter2" } },
        "headers": { "X-Api-Key": "k3y", "Cookie": "session=s3ss", "Accept": "text/plain", "Host": "home.example" },
        "expect": { "body_regex": "elsewhere" },
    });
    run_with(&ENTRY, &settings).await.succeeded().hides(&["hunter2", "k3y", "s3ss", "dTpodW50ZXIy"]);
    let home = seen_home.lock().unwrap().join("\n");
    assert_eq!(home.matches("k3y").count(), 2, "both requests to the configured host carry the key: {home}");
    assert_eq!(home.matches("dTpodW50ZXIy").count(), 2, "{home}");
    let there = seen_there.lock().unwrap().join("\n");
    assert!(there.contains("POST /") && there.contains("text/plain"), "{there}");
    for secret in ["k3y", "s3ss", "authorization", "dTpodW50ZXIy", "home.example"] {
        assert!(!there.contains(secret), "{secret}: {there}");
    }
}

#[tokio::test]
async fn no_redirect_leads_to_a_denied_network() {
    let server = server::http(|_| redirect(302, "http://169.254.169.254/latest/meta-data/")).await;
    let run = run_with(&ENTRY, &json!({ "url": server.url("/") })).await;
    let message = "169.254.169.254 is at 169.254.169.254, which `deny_networks` forbids to ask";
    assert_eq!(run.failure().message, message);
    // By name, after resolution, and for the configured URL as well.
    let local = server.url("/").replace("127.0.0.1", "localhost");
    let settings = json!({ "url": local, "ip_family": "ipv4", "deny_networks": "127.0.0.0/8" });
    let run = run_with(&ENTRY, &settings).await;
    assert_eq!(run.failure().message, "localhost is at 127.0.0.1, which `deny_networks` forbids to ask");
}
