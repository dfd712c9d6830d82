//! Remote write from the sender's side, and a real Prometheus to write to.
#![allow(dead_code, unreachable_pub, reason = "each test program uses the part it needs")]
#![expect(clippy::disallowed_methods, reason = "tests poll the real world with a deadline")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use breakwatch_sim::servers::free_port;
use serde_json::Value;

use super::common::{Bench, PATIENCE, program, request, ureq};

/// A series on the wire.
pub struct Series {
    labels: Vec<(String, String)>,
    samples: Vec<(i64, f64)>,
}

impl Series {
    /// Labels, and samples as milliseconds and values.
    pub fn new(labels: &[(&str, &str)], samples: Vec<(i64, f64)>) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { labels: labels.iter().map(own).collect(), samples }
    }
}

/// A `prometheus.WriteRequest`, not compressed; `(type, family, help, unit)` describe metrics.
pub fn encode(series: &[Series], metadata: &[(u8, &str, &str, &str)]) -> Vec<u8> {
    let mut request = Vec::new();
    for series in series {
        let mut message = Vec::new();
        for (name, value) in &series.labels {
            let mut label = Vec::new();
            bytes_field(&mut label, 1, name.as_bytes());
            bytes_field(&mut label, 2, value.as_bytes());
            bytes_field(&mut message, 1, &label);
        }
        for (at, value) in &series.samples {
            let mut sample = vec![0x09];
            sample.extend_from_slice(&value.to_le_bytes());
            sample.push(0x10);
            varint(&mut sample, *at as u64);
            bytes_field(&mut message, 2, &sample);
        }
        bytes_field(&mut request, 1, &message);
    }
    for (kind, family, help, unit) in metadata {
        let mut message = vec![0x08, *kind];
        bytes_field(&mut message, 2, family.as_bytes());
        bytes_field(&mut message, 4, help.as_bytes());
        bytes_field(&mut message, 5, unit.as_bytes());
        bytes_field(&mut request, 3, &message);
    }
    request
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Sends a request as Prometheus does; status and body of the answer.
pub fn write(url: &str, token: Option<&str>, request: &[u8]) -> (u16, String) {
    let body = snap::raw::Encoder::new().compress_vec(request).unwrap();
    let headers = [
        ("Content-Type", "application/x-protobuf"),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ];
    send(url, token, &headers, body)
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

/// A real Prometheus with an empty store, stopped when dropped.
pub struct Prometheus {
    child: Child,
    pub url: String,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    /// Starts it, if it is installed.
    pub fn start() -> Option<Self> {
        let program = program("prometheus")?;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("prometheus.yml"), "global: { scrape_interval: 1h }\n").unwrap();
        let port = free_port();
        let child = Command::new(program)
            .current_dir(dir.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
            .arg("--web.enable-remote-write-receiver")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, url: format!("http://127.0.0.1:{port}"), _dir: dir };
        let deadline = Instant::now() + PATIENCE;
        while request(ureq("GET", &format!("{}/-/ready", server.url), &[], None)).0 != 200 {
            assert!(Instant::now() < deadline, "Prometheus does not get ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
