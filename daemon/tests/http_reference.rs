//! The list of routes: as documented, and closed to those who may not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Bench, request, ureq, workspace};
use serde_json::Value;

const READER: &str = "a-token-that-only-reads";
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

fn routes(index: &Value) -> BTreeSet<(String, String)> {
    let text = |route: &Value, key: &str| route[key].as_str().unwrap().to_owned();
    index["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| (text(route, "path"), text(route, "access")))
        .collect()
}

#[test]
fn the_reference_lists_every_route_with_its_role() {
    let bench = Bench::new("checks: { memory: { interval: 1h } }\nstore: { path: data }\n");
    let daemon = bench.start();
    let text = std::fs::read_to_string(workspace().join("docs/reference/http-api.md")).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let documented: BTreeSet<(String, String)> = text
        .lines()
        .filter(|line| line.starts_with("| `/"))
        .map(|line| (cells(line)[1].trim_matches('`').to_owned(), cells(line)[2].clone()))
        .collect();
    assert_eq!(documented, routes(&daemon.json("/api")));
}

#[test]
fn no_route_lets_in_who_may_not_come_in() {
    let bench = Bench::new(&format!(
        "checks: {{ memory: {{ interval: 1h }} }}\n\
         server: {{ enable_lifecycle: true, auth: {{ tokens: [{{ name: reader, role: read, token: {READER} }}] }} }}\n\
         store: {{ path: data }}\n"
    ));
    let daemon = bench.start();
    let bearer = format!("Bearer {READER}");
    let reader = [("Authorization", bearer.as_str())];
    let (status, index) = request(ureq("GET", &format!("{}/api", daemon.url), &reader, None));
    assert_eq!(status, 200, "{index}");
    let mut needed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, access) in routes(&serde_json::from_str(&index).unwrap()) {
        needed.entry(path).or_default().push(access);
    }
    for (path, roles) in needed {
        let url = format!("{}{}", daemon.url, path.replace("{*name}", "x/y").replace(['{', '}'], ""));
        let ask = |method: &'static str, headers: &[(&str, &str)]| {
            let body = (method != "GET").then_some("{}");
            request(ureq(method, &url, headers, body)).0
        };
        let strangers = METHODS.map(|method| ask(method, &[]));
        let closed = !roles.contains(&"open".to_owned());
        // 405: the method leads nowhere, whoever asks.
        assert!(
            !closed || strangers.iter().all(|status| matches!(status, 401 | 405)),
            "{path}: {strangers:?}"
        );
        assert!(strangers.contains(&401) == closed, "{path}: {strangers:?}");
        // Changing is refused to whoever may only read, whatever else the path is for.
        if roles.iter().any(|role| role == "operate" || role == "admin") {
            let readers = METHODS.map(|method| ask(method, &reader));
            assert!(readers.contains(&403), "{path}: {readers:?}");
            assert!(readers[1..].iter().all(|status| matches!(status, 403 | 405)), "{path}: {readers:?}");
        }
    }
}
