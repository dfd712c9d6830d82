//! A real Alertmanager with a webhook receiver of ours, in real time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Action, Message, content};

/// The names under which Alertmanager is installed.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "this half of the comparison lives in real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this half of the comparison lives in real time")]
fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Runs the script; `None` if no Alertmanager is installed.
pub(crate) fn run(config: &str, script: &[(f64, Action)], end: f64) -> Option<Vec<Message>> {
    let name = NAMES.iter().find(|name| Command::new(name).arg("--version").output().is_ok())?;
    let hook = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook_address = hook.local_addr().unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in hook.incoming().flatten() {
            let sink = Arc::clone(&sink);
            std::thread::spawn(move || serve(stream, &sink));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, config.replace("URL", &hook_address.to_string())).unwrap();
    let (_running, address) = start(name, folder.path(), &file);
    let begin = now();
    let wait_until = |seconds: f64| {
        let until = begin + Duration::from_secs_f64(seconds);
        sleep(until.saturating_duration_since(now()));
    };
    for (at, action) in script {
        wait_until(*at);
        act(address, action);
    }
    wait_until(end);
    let received = received.lock().unwrap();
    let to_message = |(at, body): &(Instant, Value)| Message {
        at: at.saturating_duration_since(begin).as_secs_f64(),
        content: content(body),
    };
    Some(received.iter().map(to_message).collect())
}

fn start(name: &str, folder: &std::path::Path, file: &std::path::Path) -> (Running, SocketAddr) {
    let deadline = now() + START;
    loop {
        // The port is free now; should somebody else take it in between, another one is tried.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = Command::new(name)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        loop {
            assert!(now() < deadline, "Alertmanager does not start");
            if child.try_wait().unwrap().is_some() {
                break;
            }
            if request(address, "GET", "/-/ready", "").is_some_and(|status| status == 200) {
                return (Running(child), address);
            }
            sleep(Duration::from_millis(50));
        }
    }
}

fn act(address: SocketAddr, action: &Action) {
    let (path, body) = match action {
        Action::Post(alerts) => {
            let past = time_after(-1.0);
            let post = |text: &&str| match text.strip_prefix('-') {
                Some(text) => json!({ "labels": super::ours::labels(text), "endsAt": past }),
                None => json!({ "labels": super::ours::labels(text) }),
            };
            ("/api/v2/alerts", Value::from(alerts.iter().map(post).collect::<Vec<_>>()))
        }
        Action::Silence(name, seconds) => {
            let matcher = json!({ "name": "alertname", "value": name, "isRegex": false });
            let body = json!({
                "matchers": [matcher], "startsAt": time_after(0.0), "endsAt": time_after(*seconds),
                "createdBy": "oracle", "comment": "oracle",
            });
            ("/api/v2/silences", body)
        }
    };
    assert_eq!(request(address, "POST", path, &body.to_string()), Some(200), "{path} {body}");
}

/// The wall clock now, and some seconds, in RFC 3339.
fn time_after(seconds: f64) -> String {
    #[expect(clippy::disallowed_methods, reason = "this half of the comparison lives in real time")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    breakwatch_model::Timestamp::from_secs_f64(now.as_secs_f64() + seconds).to_rfc3339()
}

/// A request; gives the status code.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    answer.split_whitespace().nth(1)?.parse().ok()
}

/// Answers webhooks on one connection.
fn serve(stream: TcpStream, sink: &Mutex<Vec<(Instant, Value)>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        sink.lock().unwrap().push((now(), serde_json::from_slice(&body).unwrap()));
        if writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}
