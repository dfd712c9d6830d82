//! The two servers under measurement: started on loopback with empty stores, written to and asked in the same way.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use breakwatch_sim::servers::free_port;
use serde_json::Value;
use tempfile::TempDir;

/// A start may take this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Prometheus, Alertmanager and the daemon say that they are ready.
pub(super) const READY: &str = "/-/ready";

/// A running server; stopped when dropped.
pub(super) struct Server {
    child: Child,
    url: String,
    token: Option<String>,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    _dir: TempDir,
}

impl Server {
    /// Debian's Prometheus with these rules.
    pub(super) fn prometheus(rules: &str) -> Result<Self, String> {
        let dir = directory(rules)?;
        let config = "global: { scrape_interval: 1h }\nrule_files: [rules.yml]\n";
        put(dir.path(), "prometheus.yml", config)?;
        let port = free_port();
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"]);
        command.arg("--web.enable-remote-write-receiver");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Self::start(command, port, dir, READY)
    }

    /// The daemon with these rules, without anything to do besides.
    pub(super) fn breakwatch(binary: &Path, rules: &str) -> Result<Self, String> {
        let dir = directory(rules)?;
        let config = "checks: { memory: { interval: 1h } }\nrules: { shipped: false, files: [rules.yml] }\nstore: { path: data }\n";
        put(dir.path(), "breakwatch.yml", config)?;
        let port = free_port();
        let mut command = Command::new(binary);
        command.args(["run", "--config", "breakwatch.yml", "--listen", &format!("127.0.0.1:{port}")]);
        let mut server = Self::start(command, port, dir, READY)?;
        let token = std::fs::read_to_string(server._dir.path().join("data/token"));
        server.token = Some(token.map_err(|error| format!("token: {error}"))?.trim().to_owned());
        Ok(server)
    }

    /// A program that listens on this port, once it answers the path `ready`. It runs in `dir`.
    #[expect(clippy::disallowed_methods, reason = "waits for another process")]
    pub(super) fn start(mut command: Command, port: u16, dir: TempDir, ready: &str) -> Result<Self, String> {
        command.current_dir(dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let server = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            token: None,
            client: reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?,
            runtime: runtime.map_err(|error| error.to_string())?,
            _dir: dir,
        };
        let deadline = Instant::now() + PATIENCE;
        while server.get(ready).is_err() {
            if Instant::now() > deadline {
                return Err(format!("{command:?} does not get ready"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The body of an answer.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        self.runtime.block_on(async {
            let answer = self.client.get(format!("{}{path}", self.url)).send().await;
            let answer = answer.and_then(reqwest::Response::error_for_status).map_err(|e| e.to_string())?;
            answer.bytes().await.map(Vec::from).map_err(|error| error.to_string())
        })
    }

    /// An answer as JSON.
    pub(super) fn json(&self, path: &str) -> Result<Value, String> {
        serde_json::from_slice(&self.get(path)?).map_err(|error| format!("{path}: {error}"))
    }

    /// How long a request takes, up to the last byte of its answer.
    #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
    pub(super) fn time(&self, path: &str) -> Result<Duration, String> {
        let started = Instant::now();
        self.get(path)?;
        Ok(started.elapsed())
    }

    /// Remote write.
    pub(super) fn write(&self, packed: &[u8]) -> Result<(), String> {
        let kind = "application/x-protobuf";
        let mut request = self.client.post(format!("{}/api/v1/write", self.url)).body(packed.to_vec());
        request = request.header("Content-Type", kind).header("Content-Encoding", "snappy");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.map_err(|error| error.to_string())?;
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            Err(format!("remote write: {status} {}", answer.text().await.unwrap_or_default()))
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn directory(rules: &str) -> Result<TempDir, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    put(dir.path(), "rules.yml", rules)?;
    Ok(dir)
}

pub(super) fn put(dir: &Path, name: &str, text: &str) -> Result<(), String> {
    std::fs::write(dir.join(name), text).map_err(|error| format!("{name}: {error}"))
}
