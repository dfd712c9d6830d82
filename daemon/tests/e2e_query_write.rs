//! Remote write in: taken, refused, described, kept over a restart; and a query that asks for too much beside rules that
//! must go on, and one that nobody waits for any more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod common;
mod remote;

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use breakwatch_sim::remote_write::{Series, encode};
use common::Bench;
use remote::{ask, send, token, write};

const CONFIG: &str = "
checks: { memory: { interval: 1h } }
rules: { shipped: false }
store: { path: data }
";

#[test]
fn what_is_written_is_answered_and_kept() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let token = token(&bench);
    let now = remote::now() * 1000;
    let labels = [("__name__", "boiler_temperature_celsius"), ("job", "heating"), ("zone.name", "attic")];
    let series = Series::new(labels, vec![(now - 2000, 20.5), (now - 1000, f64::NAN), (now, 21.5)]);
    let body = encode(&[series], &[(2, "boiler_temperature_celsius", "How hot it is.", "celsius")]);
    assert_eq!(write(&daemon.url, Some(&token), &body), (204, String::new()));
    let at = format!("query=boiler_temperature_celsius%5B1m%5D&time={}", now / 1000 + 1);
    let (_, answer) = ask(&daemon.url, true, "/api/v1/query", &at);
    let item = &answer["data"]["result"][0];
    assert_eq!(item["metric"]["zone.name"], "attic");
    let values: Vec<&str> =
        item["values"].as_array().unwrap().iter().map(|pair| pair[1].as_str().unwrap()).collect();
    assert_eq!(values, ["20.5", "NaN", "21.5"]);
    let expected = serde_json::json!([{ "type": "gauge", "help": "How hot it is.", "unit": "celsius" }]);
    let metadata = daemon.json("/api/v1/metadata?metric=boiler_temperature_celsius");
    assert_eq!(metadata["data"]["boiler_temperature_celsius"], expected);
    // A name outside the classic form, in Prometheus' encoding of it.
    let values = daemon.json("/api/v1/label/U__zone_2e_name/values");
    assert_eq!(values["data"], serde_json::json!(["attic"]));
    assert!(daemon.stop().0.success());
    let daemon = bench.start();
    assert_eq!(ask(&daemon.url, true, "/api/v1/query", &at).1["data"], answer["data"]);
}

#[test]
fn what_cannot_be_taken_is_refused_with_the_code_senders_act_on() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let token = token(&bench);
    let write = |body: &[u8]| write(&daemon.url, Some(&token), body);
    let now = remote::now() * 1000;
    let sample =
        |name: &str, at: i64, value: f64| Series::new([("__name__", name), ("job", "t")], vec![(at, value)]);
    assert_eq!(write(&encode(&[sample("a", now, 1.0)], &[])).0, 204);
    // The same once more is no mistake: a sender that saw no answer repeats itself.
    assert_eq!(write(&encode(&[sample("a", now, 1.0)], &[])).0, 204);
    let (status, text) = write(&encode(&[sample("a", now, 2.0), sample("b", now, 7.0)], &[]));
    assert!(status == 400 && text.contains("duplicate sample for timestamp"), "{status} {text}");
    assert_eq!(daemon.query("b"), Some(7.0), "one bad sample does not take the rest with it");
    let (status, text) = write(&encode(&[sample("a", now - 60_000, 2.0)], &[]));
    assert!(status == 400 && text.contains("out of order sample"), "{status} {text}");
    let (status, text) = write(&encode(&[sample("a", now + 3_600_000, 2.0)], &[]));
    assert!(status == 400 && text.contains("out of bounds"), "{status} {text}");
    let nameless = Series::new([("job", "t")], vec![(now, 1.0)]);
    assert_eq!(write(&encode(&[nameless], &[])).0, 400);
    let twice = Series::new([("__name__", "c"), ("job", "t"), ("job", "u")], vec![(now, 1.0)]);
    assert_eq!(write(&encode(&[twice], &[])).0, 400);
    assert_eq!(write(b"\xff\xff\xff").0, 400);

    let send = |token: Option<&str>, headers: &[(&str, &str)], body: &[u8]| {
        send(&daemon.url, token, headers, body.to_vec())
    };
    assert_eq!(send(None, &[], b"").0, 401);
    let protobuf = [("Content-Type", "application/x-protobuf")];
    assert_eq!(
        send(Some(&token), &protobuf, b"not snappy at all"),
        (400, "snappy: corrupt input\n".to_owned())
    );
    let second = [("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")];
    assert_eq!(send(Some(&token), &second, b"").0, 415);
    assert_eq!(send(Some(&token), &[("Content-Encoding", "zstd")], b"").0, 415);
    // A few bytes that claim to be very many.
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; (16 << 20) + 1]).unwrap();
    assert_eq!(send(Some(&token), &protobuf, &bomb).0, 413);
}

#[test]
fn a_query_that_wants_too_much_is_stopped_and_rules_go_on() {
    let bench = Bench::new(
        "
checks: { memory: { interval: 1h } }
rules: { shipped: false, files: [rules.yml] }
store: { path: data }
",
    );
    bench.write(
        "rules.yml",
        "groups: [{ name: g, interval: 1s, rules: [{ record: ticks, expr: 'vector(time())' }] }]\n",
    );
    let daemon = bench.start();
    let token = token(&bench);
    let now = remote::now() * 1000;
    let series = |number: usize| {
        let samples = (0..60).map(|step| (now - 60_000 + step * 1000, step as f64));
        Series::new([("__name__", "many"), ("number", &number.to_string())], samples)
    };
    let all: Vec<Series> = (0..2500).map(series).collect();
    assert_eq!(write(&daemon.url, Some(&token), &encode(&all, &[])).0, 204);
    let evaluated = |daemon: &common::Daemon| daemon.query("max_over_time(ticks[1h])").unwrap_or(0.0);
    daemon.wait("the first evaluation", |daemon| evaluated(daemon) > 0.0);
    let before = evaluated(&daemon);
    // 2,500 series of 11,000 points are more than a query may hold.
    let end = now / 1000;
    let form = format!("query=last_over_time%28many%5B1d%5D%29&start={end}&end={}&step=1", end + 10_999);
    let (status, body) = ask(&daemon.url, true, "/api/v1/query_range", &form);
    assert_eq!((status, body["errorType"].as_str()), (422, Some("execution")), "{body}");
    let text = "query processing would load too many samples into memory in query execution";
    assert_eq!(body["error"], text);
    // A join of everything with everything, with less time than it needs.
    let slow = "count(many * on() group_left() (count by(number) (max_over_time(many[1h:1s]))))";
    let slow: String = url::form_urlencoded::byte_serialize(slow.as_bytes()).collect();
    let (status, body) = ask(&daemon.url, true, "/api/v1/query", &format!("query={slow}&timeout=1ms"));
    assert_eq!((status, body["errorType"].as_str()), (503, Some("timeout")), "{body}");
    daemon.wait("rules to go on", |daemon| evaluated(daemon) > before + 1.0);
    assert_eq!(daemon.get("/-/healthy").0, 200);
}

/// Processor time the daemon has used, in the kernel's ticks of 10 ms.
fn ticks(daemon: &common::Daemon) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_query_ends_when_its_client_goes_away() {
    let bench = Bench::new(CONFIG);
    let daemon = bench.start();
    let now = remote::now() * 1000;
    let series = |number: i64| {
        let samples = (0..240).map(|step| (now - 3_600_000 + step * 15_000, (step * number % 97) as f64));
        Series::new([("__name__", "many"), ("number", &number.to_string())], samples)
    };
    let all: Vec<Series> = (0..1000).map(series).collect();
    assert_eq!(write(&daemon.url, Some(&token(&bench)), &encode(&all, &[])).0, 204);
    // Minutes of work in little memory: a sort for each of 11,000 windows of 1,000 series.
    let query = "count%28quantile_over_time%280.5%2Cmany%5B1h%5D%29%29";
    let (start, end) = (now / 1000 - 3600, now / 1000 + 7399);
    let request = format!(
        "GET /api/v1/query_range?query={query}&start={start}&end={end}&step=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    );
    let mut client = TcpStream::connect(daemon.url.trim_start_matches("http://")).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    let before = ticks(&daemon);
    daemon.wait("the query to run", |daemon| ticks(daemon) > before + 50);
    drop(client);
    // Two seconds in which the daemon does next to nothing, although the query alone could fill them.
    daemon.wait("the query to end", |daemon| {
        let before = ticks(daemon);
        pause(Duration::from_secs(2));
        ticks(daemon) < before + 10
    });
}

#[expect(clippy::disallowed_methods, reason = "watches another process")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
