//! Grafana's requests, Prometheus' answers: the query API of the running daemon beside a real Prometheus that was
//! written the same samples, on an empty and on a filled store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod common;
mod remote;

use breakwatch_sim::remote_write::{Series, encode};
use breakwatch_sim::servers::Prometheus;
use common::{Bench, Daemon};
use remote::{ask, token, write};
use serde_json::{Value, json};

/// No checks of its own and no rules: what is in the store was written by the test.
const CONFIG: &str = "
checks: { memory: { interval: 1h } }
rules: { shipped: false }
store: { path: data }
";

/// What Grafana sends: whether by `POST`, path, form. Times around the samples that the test writes.
fn grafana(now: i64) -> Vec<(bool, &'static str, String)> {
    let (start, end) = (now - 600, now);
    let range = format!("start={start}&end={end}");
    vec![
        // Save & test.
        (true, "/api/v1/query", "query=1%2B1&time=4".to_owned()),
        // Panels, with times as decimal seconds.
        (
            true,
            "/api/v1/query_range",
            format!(
                "query=sum+by%28job%29+%28rate%28requests_total%5B2m%5D%29%29&start={start}.0&end={end}.0&step=15.0&timeout=60s"
            ),
        ),
        (true, "/api/v1/query_range", format!("query=temperature&{range}&step=15")),
        (true, "/api/v1/query", format!("query=temperature&time={end}")),
        (true, "/api/v1/query", format!("query=sort_desc%28requests_total%29&time={end}.123")),
        (true, "/api/v1/query", format!("query=requests_total%5B1m%5D&time={end}")),
        (true, "/api/v1/query", format!("query=%22text%22&time={end}")),
        (true, "/api/v1/query_exemplars", format!("query=temperature&{range}")),
        // Variables and the label browser.
        (true, "/api/v1/labels", range.clone()),
        (true, "/api/v1/labels", format!("match%5B%5D=temperature&{range}")),
        (false, "/api/v1/label/__name__/values", format!("{range}&match%5B%5D=%7Binstance%3D%22a%22%7D")),
        (false, "/api/v1/label/job/values", range.clone()),
        (false, "/api/v1/label/nothing/values", range.clone()),
        (true, "/api/v1/series", format!("match%5B%5D=%7B__name__%21%3D%22%22%2Cjob%3D%22web%22%7D&{range}")),
        (true, "/api/v1/series", format!("match%5B%5D=requests_total&match%5B%5D=temperature&{range}")),
        (false, "/api/v1/metadata", "metric=no_such_metric".to_owned()),
        (true, "/api/v1/format_query", "query=sum+by+%28job%29%28requests_total%29%2B1".to_owned()),
    ]
}

/// Only what the test wrote; the daemon's own series are left out, as Prometheus' are.
fn theirs_and_ours(body: &Value) -> Value {
    let mut body = body.clone();
    let foreign = |item: &Value| {
        let labels = if item["metric"].is_object() { &item["metric"] } else { item };
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        text(&labels["job"]) == "breakwatch"
            || text(item).starts_with("breakwatch")
            || ["probe_success", "up"].contains(&&*text(item))
    };
    let list = if body["data"]["result"].is_array()
        && body["data"]["resultType"] != "scalar"
        && body["data"]["resultType"] != "string"
    {
        body["data"]["result"].as_array_mut()
    } else {
        body["data"].as_array_mut()
    };
    if let Some(list) = list {
        list.retain(|item| !foreign(item));
        if list.iter().all(Value::is_object) {
            // The order of a vector is free, and a rate may differ in its last bits.
            list.sort_by_key(|item| item["metric"].to_string() + &item.to_string());
        }
    }
    body
}

/// Equal, with numbers in texts compared as numbers.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::String(x), Value::String(y)) => match (x.parse::<f64>(), y.parse::<f64>()) {
            (Ok(x), Ok(y)) => x == y || (x - y).abs() <= 1e-12 * x.abs().max(y.abs()),
            _ => x == y,
        },
        _ => a == b,
    }
}

fn series(now: i64) -> Vec<Series> {
    let mut all = Vec::new();
    for (index, (job, instance)) in [("web", "a"), ("web", "b"), ("db", "a")].into_iter().enumerate() {
        let labels = |name: &'static str| [("__name__", name), ("instance", instance), ("job", job)];
        // Off the grid of the queries, so that it does not matter on which side a window is closed.
        let times =
            (0..40).map(|step| (now - 600 + step * 15 + 7) * 1000 + 137).filter(|at| *at <= now * 1000);
        let number = |at: i64| (at / 1000 % 1000) as f64;
        all.push(Series::new(labels("temperature"), times.clone().map(|at| (at, number(at) / 7.0))));
        let counter = times.enumerate().map(|(step, at)| (at, (step * (index + 3)) as f64));
        all.push(Series::new(labels("requests_total"), counter));
    }
    all
}

#[test]
fn grafana_gets_from_the_daemon_what_it_gets_from_prometheus() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let prometheus = Prometheus::start();
    let now = remote::now();
    for filled in [false, true] {
        if filled {
            let body = encode(&series(now), &[]);
            assert_eq!(write(&daemon.url, Some(&token(&bench)), &body), (204, String::new()));
            if let Some(prometheus) = &prometheus {
                assert_eq!(write(&prometheus.url(), None, &body).0, 204);
            }
        }
        for (post, path, form) in grafana(now) {
            let (status, ours) = ask(&daemon.url, post, path, &form);
            assert_eq!((status, &ours["status"]), (200, &json!("success")), "{path}?{form}: {ours}");
            if filled && form.starts_with("query=temperature&") && !path.ends_with("exemplars") {
                assert_eq!(ours["data"]["result"].as_array().map(Vec::len), Some(3), "{path}?{form}: {ours}");
            }
            let Some(prometheus) = &prometheus else { continue };
            let (_, theirs) = ask(&prometheus.url(), post, path, &form);
            if path == "/api/v1/labels" && !form.contains("match") || path == "/api/v1/label/job/values" {
                // The daemon's own series have labels of their own; theirs must be among them.
                let among = |name: &Value| ours["data"].as_array().unwrap().contains(name);
                assert!(
                    theirs["data"].as_array().unwrap().iter().all(among),
                    "{path}?{form}: {ours} {theirs}"
                );
                continue;
            }
            let (ours, theirs) = (theirs_and_ours(&ours), theirs_and_ours(&theirs));
            assert!(same(&ours, &theirs), "filled: {filled}, {path}?{form}\nours   {ours}\ntheirs {theirs}");
        }
    }
}

#[test]
fn grafana_takes_the_daemon_for_a_prometheus_and_not_for_a_mimir() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let (_, test) = ask(&daemon.url, true, "/api/v1/query", "query=1%2B1&time=4");
    assert_eq!(
        test.to_string(),
        json!({ "status": "success", "data": { "resultType": "scalar", "result": [4, "2"] } }).to_string()
    );
    let build = daemon.json("/api/v1/status/buildinfo")["data"].clone();
    assert!(build.get("features").is_none());
    for key in [
        "version",
        "revision",
        "branch",
        "buildUser",
        "buildDate",
        "goVersion",
        "application",
        "applicationVersion",
    ] {
        assert!(build[key].is_string(), "{key}: {build}");
    }
    assert_eq!(build["application"], "breakwatch");
    let version: Vec<u32> =
        build["version"].as_str().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version >= vec![2, 24, 0], "label values with match[] need a version from 2.24 on");
    assert_eq!(daemon.json("/api/v1/rules")["data"], json!({ "groups": [] }));
    assert_eq!(daemon.json("/api/v1/alerts")["data"], json!({ "alerts": [] }));
    shapes(&daemon);
}

/// What status requests of Prometheus have must be there, of the same type.
fn shapes(daemon: &Daemon) {
    let Some(prometheus) = Prometheus::start() else { return };
    for path in [
        "/api/v1/status/buildinfo",
        "/api/v1/status/runtimeinfo",
        "/api/v1/status/tsdb",
        "/api/v1/status/walreplay",
        "/api/v1/status/config",
        "/api/v1/targets",
        "/api/v1/targets/metadata",
        "/api/v1/alertmanagers",
        "/api/v1/metadata",
        "/api/v1/rules",
        "/api/v1/alerts",
    ] {
        let (theirs, ours) = (ask(&prometheus.url(), false, path, "").1, daemon.json(path));
        contains(path, &ours, &theirs);
    }
}

fn contains(path: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, theirs) in theirs {
                let ours = ours.get(key).unwrap_or_else(|| panic!("{path}: no {key}"));
                contains(&format!("{path} {key}"), ours, theirs);
            }
        }
        (ours, theirs) => {
            assert_eq!(
                std::mem::discriminant(ours),
                std::mem::discriminant(theirs),
                "{path}: {ours} {theirs}"
            );
        }
    }
}

#[test]
fn statistics_have_the_names_and_the_counts_of_prometheus() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let now = remote::now();
    let body = encode(&series(now), &[]);
    assert_eq!(write(&daemon.url, Some(&token(&bench)), &body), (204, String::new()));
    let plain = ask(&daemon.url, false, "/api/v1/query", "query=temperature").1;
    assert!(plain["data"].get("stats").is_none(), "{plain}");
    let prometheus = Prometheus::start();
    if let Some(prometheus) = &prometheus {
        assert_eq!(write(&prometheus.url(), None, &body).0, 204);
    }
    let range = format!("start={}&end={now}&step=15", now - 600);
    for (path, form) in [
        ("/api/v1/query", format!("query=temperature&time={now}&stats=true")),
        ("/api/v1/query", format!("query=sum%28rate%28requests_total%5B2m%5D%29%29&time={now}&stats=true")),
        ("/api/v1/query_range", format!("query=temperature&{range}&stats=true")),
        ("/api/v1/query_range", format!("query=rate%28requests_total%5B2m%5D%29&{range}&stats=true")),
    ] {
        let ours = ask(&daemon.url, false, path, &form).1["data"]["stats"].clone();
        assert!(ours["samples"]["totalQueryableSamples"].as_u64() > Some(2), "{path}?{form}: {ours}");
        assert!(ours["timings"]["execTotalTime"].as_f64() > Some(0.0), "{path}?{form}: {ours}");
        let Some(prometheus) = &prometheus else { continue };
        let theirs = ask(&prometheus.url(), false, path, &form).1["data"]["stats"].clone();
        contains("timings", &ours["timings"], &theirs["timings"]);
        let total = |stats: &Value| stats["samples"]["totalQueryableSamples"].clone();
        assert_eq!(total(&ours), total(&theirs), "{path}?{form}");
    }
}
