//! The real OpenTelemetry Collector between the daemon and a receiver of the test: what it understood is what the
//! daemon holds, sample by sample, by gRPC and by HTTP; logs and spans arrive too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]

mod common;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use breakwatch_sim::left_out;
use breakwatch_sim::receiver::{Receiver, Recorded};
use breakwatch_sim::servers::free_port;
use common::{Bench, Daemon, PATIENCE, program};
use serde_json::Value;

/// A collector; killed when dropped.
struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Series (as a sorted label set in text) and time in milliseconds.
type Samples = BTreeMap<(String, i64), f64>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collector_understands_what_the_daemon_holds() {
    let Some(collector) = program("otelcol-breakwatch") else {
        return left_out("the OpenTelemetry Collector (scripts/test builds it)");
    };
    let (by_grpc, by_http) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let (grpc, http) = (free_port(), free_port());
    let bench = Bench::new(&config(grpc, http));
    bench.write("collector.yml", &collector_config(grpc, http, &by_grpc.url(""), &by_http.url("")));
    let start = || {
        let log = std::fs::File::create(bench.path("collector.log")).unwrap();
        let child = Command::new(&collector)
            .arg(format!("--config={}", bench.path("collector.yml").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Collector(child.unwrap())
    };
    // The collector comes late: nothing that happened meanwhile may be lost, and no check may wait for it.
    let daemon = bench.start();
    daemon.wait("some runs", |daemon| runs(daemon) >= 5.0);
    let _collector = start();
    let since = now(&daemon);
    for (receiver, name) in [(&by_grpc, "gRPC"), (&by_http, "HTTP")] {
        wait_until(|| newest(&metrics(&receiver.requests())) > since + 10_000, name, &bench).await;
        let received = metrics(&receiver.requests());
        let held = held(&daemon);
        let (first, last) = (received.keys().map(|(_, t)| *t).min().unwrap(), newest(&received));
        for (key, value) in &received {
            let same = held.get(key).is_some_and(|v| v == value || v.is_nan() && value.is_nan());
            assert!(same, "{name}: {key:?} is {value} at the receiver, {:?} in the daemon", held.get(key));
        }
        // What lies well before the newest sample received has been sent: none of it may be missing.
        let settled = last - 6_000;
        let missing: Vec<_> = held
            .keys()
            .filter(|(_, t)| (first..=settled).contains(t))
            .filter(|key| !received.contains_key(key))
            .collect();
        assert!(
            missing.is_empty(),
            "{name}: {} of {} lost: {:?}",
            missing.len(),
            held.len(),
            &missing[..missing.len().min(5)]
        );
        assert!(received.len() > 200, "{name}: only {} points", received.len());
    }
    wait_until(|| has(&by_grpc.requests(), "/v1/traces", "check.run"), "spans", &bench).await;
    daemon.post("/api/resilience/circuit-breakers/load/open", r#"{"reason":"drill"}"#);
    wait_until(|| has(&by_grpc.requests(), "/v1/logs", "circuit_opened"), "log records", &bench).await;
    let opened = |samples: &Samples| {
        samples.iter().any(|((series, _), v)| {
            *v == 1.0
                && series.contains("breakwatch_breaker_state{")
                && series.contains("load")
                && series.contains("\"open\"")
        })
    };
    wait_until(|| opened(&metrics(&by_http.requests())), "the transition by OTLP", &bench).await;
}

#[test]
fn a_collector_that_is_down_or_silent_delays_no_check() {
    // Accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::new(&config(silent.local_addr().unwrap().port(), free_port()));
    let daemon = bench.start();
    daemon.wait("an attempt at the collector that is down", |daemon| daemon.log().contains("export_failed"));
    let before = runs(&daemon);
    daemon.wait("ten more runs", |daemon| runs(daemon) >= before + 10.0);
    assert_eq!(daemon.json("/api/v1/checks/memory")["data"]["status"], "healthy");
    let missed = r#"breakwatch_check_missed_runs_total{check="memory",target="memory",type="memory"}"#;
    assert_eq!(daemon.metric(missed), Some(0.0));
    let (status, took) = daemon.stop();
    assert!(status.code() == Some(0) && took < Duration::from_secs(10), "{status} {took:?}");
}

fn config(grpc: u16, http: u16) -> String {
    format!(
        "defaults: {{ interval: 500ms, timeout: 400ms }}\n\
         checks: {{ memory: {{}}, load: {{}} }}\n\
         store: {{ path: data }}\n\
         exporters:\n  otlp/grpc: {{ endpoint: 'http://127.0.0.1:{grpc}', tls: {{ insecure: true }} }}\n  \
         otlp_http/http: {{ endpoint: 'http://127.0.0.1:{http}' }}\n\
         telemetry: {{ otlp: {{ endpoint: 'http://127.0.0.1:{grpc}', protocol: grpc }} }}\n"
    )
}

fn collector_config(grpc: u16, http: u16, by_grpc: &str, by_http: &str) -> String {
    let (by_grpc, by_http) = (by_grpc.trim_end_matches('/'), by_http.trim_end_matches('/'));
    format!(
        "receivers:\n  otlp/grpc: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:{grpc}' }} }} }}\n  \
         otlp/http: {{ protocols: {{ http: {{ endpoint: '127.0.0.1:{http}' }} }} }}\n\
         exporters:\n  otlp_http/grpc: {{ endpoint: '{by_grpc}', encoding: json, compression: none }}\n  \
         otlp_http/http: {{ endpoint: '{by_http}', encoding: json, compression: none }}\n\
         service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines:\n    \
         metrics/grpc: {{ receivers: [otlp/grpc], exporters: [otlp_http/grpc] }}\n    \
         metrics/http: {{ receivers: [otlp/http], exporters: [otlp_http/http] }}\n    \
         traces: {{ receivers: [otlp/grpc], exporters: [otlp_http/grpc] }}\n    \
         logs: {{ receivers: [otlp/grpc], exporters: [otlp_http/grpc] }}\n"
    )
}

fn runs(daemon: &Daemon) -> f64 {
    let series =
        r#"breakwatch_check_runs_total{check="memory",status="healthy",target="memory",type="memory"}"#;
    daemon.metric(series).unwrap_or(0.0)
}

fn now(daemon: &Daemon) -> i64 {
    (daemon.query("vector(time())").unwrap() * 1000.0) as i64
}

fn newest(samples: &Samples) -> i64 {
    samples.keys().map(|(_, t)| *t).max().unwrap_or(0)
}

#[expect(clippy::disallowed_methods, reason = "tests poll the real world with a deadline")]
async fn wait_until(holds: impl Fn() -> bool, what: &str, bench: &Bench) {
    let started = std::time::Instant::now();
    while !holds() {
        let log = std::fs::read_to_string(bench.path("collector.log")).unwrap_or_default();
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}; the collector says:\n{log}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn has(requests: &[Recorded], path: &str, text: &str) -> bool {
    requests.iter().any(|request| request.path == path && request.text().contains(text))
}

/// Everything the daemon holds of the last hour.
fn held(daemon: &Daemon) -> Samples {
    let query: String = url::form_urlencoded::byte_serialize(br#"{__name__=~".+"}[1h]"#).collect();
    let answer = daemon.json(&format!("/api/v1/query?query={query}"));
    let mut samples = Samples::new();
    for series in answer["data"]["result"].as_array().unwrap() {
        let labels: BTreeMap<&str, &str> = series["metric"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str().unwrap()))
            .collect();
        for pair in series["values"].as_array().unwrap() {
            let at = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            samples.insert((identity(&labels), at), number(pair[1].as_str().unwrap()));
        }
    }
    samples
}

fn identity(labels: &BTreeMap<&str, &str>) -> String {
    let name = labels.get("__name__").copied().unwrap_or_default();
    let rest: Vec<String> =
        labels.iter().filter(|(n, _)| **n != "__name__").map(|(n, v)| format!("{n}={v:?}")).collect();
    format!("{name}{{{}}}", rest.join(","))
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        other => other.parse().unwrap(),
    }
}

/// Every data point of every metrics request, as the samples a Prometheus would make of it.
fn metrics(requests: &[Recorded]) -> Samples {
    let mut samples = Samples::new();
    for request in requests.iter().filter(|request| request.path == "/v1/metrics") {
        let body = request.json();
        for resource in items(&body["resourceMetrics"]) {
            let attributes = attributes(&resource["resource"]["attributes"]);
            let job = attributes.get("service.name").cloned().unwrap_or_default();
            let instance = attributes.get("service.instance.id").cloned().unwrap_or_default();
            for metric in items(&resource["scopeMetrics"]).flat_map(|scope| items(&scope["metrics"])) {
                take(metric, &job, &instance, &mut samples);
            }
        }
    }
    samples
}

fn take(metric: &Value, job: &str, instance: &str, samples: &mut Samples) {
    let name = metric["name"].as_str().unwrap();
    let mut add = |suffix: &str, point: &Value, le: Option<&str>, value: f64| {
        let own = attributes(&point["attributes"]);
        let full = format!("{name}{suffix}");
        let mut labels: BTreeMap<&str, &str> = own.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        labels.extend([("__name__", full.as_str()), ("job", job), ("instance", instance)]);
        labels.extend(le.map(|le| ("le", le)));
        labels.retain(|_, value| !value.is_empty());
        let at: i64 = point["timeUnixNano"].as_str().unwrap().parse::<i64>().unwrap() / 1_000_000;
        samples.insert((identity(&labels), at), value);
    };
    for point in items(&metric["gauge"]["dataPoints"]).chain(items(&metric["sum"]["dataPoints"])) {
        // "No recorded value" is a staleness marker, which a query does not show.
        if point["flags"].as_u64().unwrap_or(0) & 1 == 0 {
            let value = point["asDouble"].as_f64().or_else(|| point["asDouble"].as_str().map(number));
            add("", point, None, value.unwrap_or_else(|| point["asInt"].as_str().unwrap().parse().unwrap()));
        }
    }
    for point in items(&metric["histogram"]["dataPoints"]) {
        let count = |value: &Value| value.as_str().map_or(0.0, |text| text.parse::<f64>().unwrap());
        let bounds: Vec<f64> = items(&point["explicitBounds"]).map(|bound| bound.as_f64().unwrap()).collect();
        let mut total = 0.0;
        for (i, bucket) in items(&point["bucketCounts"]).enumerate() {
            total += count(bucket);
            let le = bounds.get(i).map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound}"));
            add("_bucket", point, Some(&le), total);
        }
        add("_count", point, None, count(&point["count"]));
        add("_sum", point, None, point["sum"].as_f64().unwrap_or(0.0));
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn attributes(value: &Value) -> BTreeMap<String, String> {
    let pair = |item: &Value| {
        Some((item["key"].as_str()?.to_owned(), item["value"]["stringValue"].as_str()?.to_owned()))
    };
    items(value).filter_map(pair).collect()
}
