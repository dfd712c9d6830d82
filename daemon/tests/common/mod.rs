//! Runs the real binary on free loopback ports, with a configuration and a data directory of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may be blunt")]
#![allow(dead_code, unreachable_pub, reason = "each test program uses the part it needs")]
#![expect(clippy::disallowed_methods, reason = "tests poll the real world with a deadline")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A slow, noisy machine is given this long for anything that should be a matter of moments.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Begins every secret in the configurations of tests: wherever the daemon lets it out, [`leaks`] finds it.
pub const CANARY: &str = "cAnArY-";

/// A directory with a configuration; starts the daemon as often as a test wants.
pub struct Bench {
    pub dir: TempDir,
    pub environment: Vec<(String, String)>,
}

impl Bench {
    /// A bench with this text as its `breakwatch.yml`; data go into `data/`.
    pub fn new(config: &str) -> Self {
        let bench = Self { dir: tempfile::tempdir().expect("temporary directory"), environment: Vec::new() };
        bench.write("breakwatch.yml", config);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("write file");
    }

    /// A command of the binary in this directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_breakwatch"));
        command.current_dir(self.dir.path()).args(args).env_remove("BREAKWATCH_CONFIG");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end: exit code, stdout, stderr.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).stdin(Stdio::null()).output().expect("run breakwatch");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Starts the daemon on a free port and waits until it is ready.
    pub fn start(&self) -> Daemon {
        self.try_start().unwrap_or_else(|log| panic!("the daemon did not start:\n{log}"))
    }

    /// As [`Bench::start`]; gives the log if the daemon ends instead.
    pub fn try_start(&self) -> Result<Daemon, String> {
        self.try_start_with(&["--config", "breakwatch.yml"])
    }

    /// As [`Bench::try_start`], with these options of `run` instead of the bench's configuration.
    pub fn try_start_with(&self, options: &[&str]) -> Result<Daemon, String> {
        let mut child = self
            .command(&["run", "--listen", "127.0.0.1:0", "--log-format", "logfmt"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start breakwatch");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("stderr");
        let (sink, stderr) = (Arc::clone(&log), BufReader::new(stderr));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut daemon = Daemon { child, log, url: String::new(), token: self.path("data/token") };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(url) = daemon.announced_url() {
                daemon.url = url;
                break;
            }
            if daemon.child.try_wait().expect("child").is_some() || Instant::now() > deadline {
                std::thread::sleep(Duration::from_millis(100));
                return Err(daemon.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon.wait("readiness", |daemon| daemon.get("/-/ready").0 == 200);
        Ok(daemon)
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    pub child: Child,
    log: Arc<Mutex<String>>,
    pub url: String,
    token: PathBuf,
}

impl Daemon {
    fn announced_url(&self) -> Option<String> {
        let log = self.log.lock().unwrap();
        let line = log.lines().find(|line| line.contains("msg=breakwatch_started"))?;
        let url = line.split(" url=").nth(1)?.split(' ').next()?;
        Some(url.trim_end_matches('/').to_owned())
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pid")
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([&format!("-{signal}"), &self.pid().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        self.signal("TERM");
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("child") {
                return (status, started.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the daemon did not stop:\n{}", self.log());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        request(ureq("GET", &format!("{}{path}", self.url), &[], None))
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        request(ureq("GET", &format!("{}{path}", self.url), headers, None))
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {status} {error}: {body}"))
    }

    /// POST with the daemon's own token.
    pub fn post(&self, path: &str, body: &str) -> (u16, String) {
        let token = std::fs::read_to_string(&self.token).expect("token");
        let authorization = format!("Bearer {}", token.trim());
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        request(ureq("POST", &format!("{}{path}", self.url), &headers, Some(body)))
    }

    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        request(ureq("POST", &format!("{}{path}", self.url), headers, Some(body)))
    }

    /// The single value of an instant query.
    pub fn query(&self, expr: &str) -> Option<f64> {
        let encoded: String = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect();
        let answer = self.json(&format!("/api/v1/query?query={encoded}"));
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// The value of a series in `/metrics` whose line begins with `series `.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let (_, body) = self.get("/metrics");
        let line = body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    /// Polls until something holds.
    pub fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A daemon that a test is done with must not have let any secret out.
impl Drop for Daemon {
    fn drop(&mut self) {
        let runs = matches!(self.child.try_wait(), Ok(None)) && !self.url.is_empty();
        let shown = if runs && !std::thread::panicking() {
            let paths = ["/metrics", "/api/v1/status/config", "/api/v1/ledger", "/api/v1/outbox"];
            paths.map(|path| (path.to_owned(), self.get(path).1)).to_vec()
        } else {
            Vec::new()
        };
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let data = self.token.parent().expect("data directory");
            let mut texts = shown;
            texts.push(("the log".to_owned(), self.log()));
            let leaks = leaks(data, &texts);
            assert!(leaks.is_empty(), "secrets were let out:\n{leaks:#?}");
        }
    }
}

/// Where a secret of a test's configuration (see [`CANARY`]) stands: in these texts, or in the files of a directory. Told
/// with what surrounds it.
pub fn leaks(directory: &Path, texts: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in texts {
        found.extend(around(text).map(|excerpt| format!("{name}: {excerpt}")));
    }
    let mut directories = vec![directory.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                directories.push(entry.path());
            } else if let Ok(bytes) = std::fs::read(entry.path()) {
                let text = String::from_utf8_lossy(&bytes);
                found.extend(around(&text).map(|excerpt| format!("{}: {excerpt}", entry.path().display())));
            }
        }
    }
    found
}

/// What stands around the first secret in a text. A secret in base64 is one too.
fn around(text: &str) -> Option<String> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(CANARY);
    let at = text.find(CANARY).or_else(|| text.find(&encoded[..8]))?;
    let start = (at.saturating_sub(200)..=at).find(|at| text.is_char_boundary(*at))?;
    Some(text[start..].chars().take(300).collect())
}

/// Polls until something holds.
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A request, ready to be sent.
pub struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

pub fn ureq(method: &'static str, url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method, url: url.to_owned(), headers, body: body.map(str::to_owned) }
}

/// Sends a request on a runtime of its own, so that tests may be plain functions. Status 0: no answer.
pub fn request(request: Request) -> (u16, String) {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .tls_danger_accept_invalid_certs(true)
                .timeout(Duration::from_secs(20))
                .build();
            let method = request.method.parse().expect("method");
            let mut built = client.expect("client").request(method, &request.url);
            for (name, value) in &request.headers {
                built = built.header(name, value);
            }
            if let Some(body) = request.body {
                built = built.body(body);
            }
            match built.send().await {
                Ok(response) => (response.status().as_u16(), response.text().await.unwrap_or_default()),
                Err(_) => (0, String::new()),
            }
        })
    };
    // Tests that run inside a runtime may not block on another one.
    std::thread::spawn(work).join().expect("request thread")
}

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace").to_path_buf()
}

/// The path of a program, if it is installed.
pub fn program(name: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("BREAKWATCH_TEST_TOOLS").map(PathBuf::from);
    let tools = tools.unwrap_or_else(|| workspace().join("target/test-tools"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = vec![tools.join("bin"), tools.join("venv/bin")];
    directories.extend(std::env::split_paths(&path));
    directories.extend(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from));
    directories.into_iter().map(|directory| directory.join(name)).find(|path| path.is_file())
}
