//! Remote write to the daemon, and questions as Grafana asks them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses the part it needs")]
#![expect(clippy::disallowed_methods, reason = "tests poll the real world with a deadline")]

use std::time::{SystemTime, UNIX_EPOCH};

use breakwatch_sim::remote_write;
use serde_json::Value;

use super::common::{Bench, request, ureq};

/// Sends a request as Prometheus does; status and body of the answer.
pub fn write(url: &str, token: Option<&str>, request: &[u8]) -> (u16, String) {
    send(url, token, &remote_write::HEADERS, remote_write::pack(request))
}

/// Sends bytes to the remote write endpoint.
pub fn send(url: &str, token: Option<&str>, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(format!("{url}/api/v1/write")).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

/// The daemon's token.
pub fn token(bench: &Bench) -> String {
    std::fs::read_to_string(bench.path("data/token")).unwrap().trim().to_owned()
}

/// Seconds since the epoch.
pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A request as Grafana sends it: a form by `POST`, or a `GET`.
pub fn ask(url: &str, post: bool, path: &str, form: &str) -> (u16, Value) {
    let (status, body) = if post {
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        request(ureq("POST", &format!("{url}{path}"), &kind, Some(form)))
    } else {
        request(ureq("GET", &format!("{url}{path}?{form}"), &[], None))
    };
    let body = serde_json::from_str(&body);
    (status, body.unwrap_or_else(|error| panic!("{path}?{form}: {status} {error}")))
}
