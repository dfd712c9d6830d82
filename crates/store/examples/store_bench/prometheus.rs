//! The same samples in Debian's Prometheus: by remote write for the live folder, then compacted.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::data::{DAY, NAMES, START, STEP, Target};
use crate::{Args, bytes_below, say, timed};

/// Samples per remote-write request.
const PER_REQUEST: usize = 2000;

/// A running Prometheus, killed when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(dir: &Path) -> Option<Self> {
        let config = dir.join("prometheus.yml");
        std::fs::create_dir_all(dir.join("data")).ok()?;
        std::fs::write(&config, "global: {}\n").ok()?;
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--storage.tsdb.retention.time=100y", "--storage.tsdb.max-block-duration=64h"])
            .args(["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--web.enable-lifecycle"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { child, port };
        for _ in 0..600 {
            if server.get("/-/ready").is_some_and(|text| text.starts_with("HTTP/1.1 200")) {
                return Some(server);
            }
            pause(Duration::from_millis(50));
        }
        None
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Processor seconds the server has used.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    fn rss(&self) -> f64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap_or_default();
        statm.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0 / 1e6
    }
}

#[expect(clippy::disallowed_methods, reason = "another process lives in real time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Sends the samples of [`crate::size`] to a Prometheus and prints what it makes of them.
pub(crate) fn compare(args: &Args, jitter: bool, targets: usize) {
    let dir = args.dir.join("prometheus");
    let _ = std::fs::remove_dir_all(&dir);
    let Some(server) = Server::start(&dir) else {
        say("Prometheus", "not installed here: no comparison");
        return;
    };
    let mut makers: Vec<Target> = (0..targets).map(|n| Target::new(n, jitter)).collect();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sent, mut request, mut held) = (0_usize, Vec::new(), 0);
    let (_, took) = timed(|| {
        for due in (START..START + 2 * DAY + 11 * 60_000).step_by(STEP as usize) {
            for (n, maker) in makers.iter_mut().enumerate() {
                let t = maker.time(due);
                for (name, value) in NAMES.iter().zip(maker.next()) {
                    put_series(&mut request, name, n, t, value);
                    held += 1;
                }
                if held >= PER_REQUEST {
                    post(&mut stream, &request);
                    sent += held;
                    held = 0;
                    request.clear();
                }
            }
        }
        post(&mut stream, &request);
        sent += held;
    });
    let days = (targets * 3) as f64 * 2.0 * (DAY / STEP) as f64;
    say(
        "Prometheus: remote write, samples/s of wall time",
        format!("{:.0} k", sent as f64 / took.as_secs_f64() / 1e3),
    );
    say("Prometheus: samples per CPU second", format!("{:.0} k", sent as f64 / server.cpu() / 1e3));
    say("Prometheus: resident memory", format!("{:.0} MB", server.rss()));
    let live = bytes_below(&dir.join("data"));
    say("Prometheus: whole folder", format!("{:.3} bytes/sample", live as f64 / sent as f64));
    drop(server);
    compacted(&dir, days);
}

/// Lets a fresh Prometheus compact what there is, with the head written out.
fn compacted(dir: &Path, days: f64) {
    let Some(server) = Server::start(dir) else { return };
    let reply = server.get("/metrics").unwrap_or_default();
    say("Prometheus: started again, series in the head", metric(&reply, "prometheus_tsdb_head_series"));
    // Compaction runs by itself a minute after the start.
    let mut blocks = Vec::new();
    for _ in 0..180 {
        pause(Duration::from_secs(1));
        let now = block_bytes(&dir.join("data"));
        let done = server
            .get("/metrics")
            .is_some_and(|text| metric(&text, "prometheus_tsdb_compactions_total") > 0.0);
        if done && now == blocks {
            break;
        }
        blocks = now;
    }
    drop(server);
    let stats = promtool_stats(&dir.join("data"));
    let (bytes, samples) = stats;
    say("Prometheus: blocks", format!("{} of {:.2} M samples", blocks.len(), samples / 1e6));
    say("Prometheus: compacted blocks", format!("{:.3} bytes/sample", bytes / samples.max(1.0)));
    let _ = days;
}

fn metric(text: &str, name: &str) -> f64 {
    let line =
        text.lines().find(|line| line.starts_with(name) && line.as_bytes().get(name.len()) == Some(&b' '));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

fn block_bytes(data: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    let blocks = entries.filter(|entry| entry.path().join("meta.json").exists());
    blocks.map(|entry| bytes_below(&entry.path())).collect()
}

/// Bytes and samples of the blocks, by their own word.
fn promtool_stats(data: &Path) -> (f64, f64) {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().join("meta.json").exists()).fold(
        (0.0, 0.0),
        |(bytes, samples), entry| {
            let text = std::fs::read_to_string(entry.path().join("meta.json")).unwrap_or_default();
            let meta: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let held = meta["stats"]["numSamples"].as_f64().unwrap_or(0.0);
            (bytes + bytes_below(&entry.path()) as f64, samples + held)
        },
    )
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A `TimeSeries` with one sample, as a field of a `WriteRequest`.
fn put_series(out: &mut Vec<u8>, name: &str, target: usize, t: i64, v: f64) {
    let mut series = Vec::with_capacity(200);
    for (label, value) in crate::data::labels(name, target).iter() {
        let mut pair = Vec::new();
        put_field(&mut pair, 1, label.as_bytes());
        put_field(&mut pair, 2, value.as_bytes());
        put_field(&mut series, 1, &pair);
    }
    let mut sample = vec![1 << 3 | 1];
    sample.extend_from_slice(&v.to_le_bytes());
    sample.push(2 << 3);
    put_varint(&mut sample, t as u64);
    put_field(&mut series, 2, &sample);
    put_field(out, 1, &series);
}

fn post(stream: &mut TcpStream, request: &[u8]) {
    let body = snap::raw::Encoder::new().compress_vec(request).unwrap();
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: snappy\r\n\
         Content-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let mut reply = [0; 4096];
    let read = stream.read(&mut reply).unwrap();
    let text = String::from_utf8_lossy(&reply[..read]);
    assert!(text.starts_with("HTTP/1.1 204"), "{text}");
}
