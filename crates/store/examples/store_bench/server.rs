//! A server under measurement, started on loopback with an empty store: Debian's Prometheus, or the daemon.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A start may take this many times 50 ms.
const PATIENCE: usize = 600;

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    token: Option<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Debian's Prometheus on `dir/data`; `None` when it is not installed or does not start.
    pub(crate) fn prometheus(dir: &Path) -> Option<Self> {
        let config = dir.join("prometheus.yml");
        std::fs::create_dir_all(dir.join("data")).ok()?;
        std::fs::write(&config, "global: {}\n").ok()?;
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .args(["--storage.tsdb.retention.time=100y", "--storage.tsdb.max-block-duration=64h"])
            .args(["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--web.enable-lifecycle"]);
        Self::start(command, "--web.listen-address=")
    }

    /// The daemon on `dir/data`, with next to nothing to do besides.
    pub(crate) fn daemon(binary: &Path, dir: &Path) -> Option<Self> {
        std::fs::create_dir_all(dir).ok()?;
        let (config, data) = (dir.join("breakwatch.yml"), dir.join("data"));
        let text = format!(
            "checks: {{ memory: {{ interval: 1h }} }}\nrules: {{ shipped: false }}\n\
             store: {{ path: {}, retention: {{ time: 36500d }} }}\n",
            data.display()
        );
        std::fs::write(&config, text).ok()?;
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(config);
        let mut server = Self::start(command, "--listen=")?;
        server.token = Some(std::fs::read_to_string(data.join("token")).ok()?.trim().to_owned());
        Some(server)
    }

    fn start(mut command: Command, listen: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        command.arg(format!("{listen}127.0.0.1:{port}"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Self { child, port, token: None };
        for _ in 0..PATIENCE {
            if server.get("/-/ready").is_some_and(|text| text.starts_with("HTTP/1.1 200")) {
                return Some(server);
            }
            pause(Duration::from_millis(50));
        }
        None
    }

    /// An answer, with its head.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = self.connect().ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// A value in `/metrics` whose line begins with `name` and a blank.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// A connection for requests to follow each other on.
    pub(crate) fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Sends a packed remote-write request and waits for its answer.
    pub(crate) fn write(&self, stream: &mut TcpStream, packed: &[u8]) {
        let token = self.token.as_ref();
        let authorization =
            token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Encoding: snappy\r\n\
             Content-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n\
             Content-Length: {}\r\n\r\n",
            packed.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(packed).unwrap();
        let mut reply = [0; 4096];
        let read = stream.read(&mut reply).unwrap();
        let text = String::from_utf8_lossy(&reply[..read]);
        assert!(text.starts_with("HTTP/1.1 204"), "{text}");
    }

    /// Processor seconds the server has used.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Resident memory now, in MB.
    pub(crate) fn rss(&self) -> f64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap_or_default();
        statm.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0 / 1e6
    }
}

/// Lets real time pass.
#[expect(clippy::disallowed_methods, reason = "another process lives in real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
