//! A real Prometheus with an empty store, written to by remote write and asked by its API.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::support::{Home, Process, find, free_port};
use crate::remote_write::{self, Series};

/// A Prometheus that scrapes nothing and accepts remote write.
pub struct Prometheus {
    _process: Process,
    _home: Home,
    port: u16,
}

impl Prometheus {
    /// Starts it, or says that there is none.
    ///
    /// # Panics
    /// When it is installed but does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = find(&["/usr/bin/prometheus", "/usr/local/bin/prometheus"]) else {
            crate::left_out("Prometheus is not installed (package prometheus)");
            return None;
        };
        let (home, port) = (Home::new(), free_port());
        let config = home.write("prometheus.yml", "global: { scrape_interval: 1h }\n");
        let mut command = home.command(&program, "server.log");
        command.arg(format!("--config.file={config}"));
        command.arg(format!("--storage.tsdb.path={}", home.file("data")));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.args(["--web.enable-remote-write-receiver", "--log.level=error"]);
        let mut process = Process::start(&mut command, Signal::SIGTERM);
        let ready = || request(port, "GET", "/-/ready", &[], b"").is_some_and(|(status, _)| status == 200);
        assert!(process.wait_until(ready), "Prometheus does not start:\n{}", home.log("server.log"));
        Some(Self { _process: process, _home: home, port })
    }

    /// The URL without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Writes series.
    ///
    /// # Panics
    /// When it does not take them.
    pub fn write(&self, series: &[Series]) {
        let body = remote_write::pack(&remote_write::encode(series, &[]));
        let answer = request(self.port, "POST", "/api/v1/write", &remote_write::HEADERS, &body);
        let refusal = answer.filter(|(status, _)| *status != 204).map(|(_, body)| body);
        assert!(refusal.is_none(), "{}", String::from_utf8_lossy(&refusal.unwrap_or_default()));
    }

    /// Asks its API with a form; the answer's `data`, or its error.
    ///
    /// # Errors
    /// What Prometheus says is wrong with the question.
    pub fn ask(&self, path: &str, form: &[(&str, &str)]) -> Result<Value, String> {
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = request(self.port, "POST", path, &kind, body.join("&").as_bytes());
        let (_, answer) = answer.ok_or("Prometheus does not answer")?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        match answer.get("status").and_then(Value::as_str) {
            Some("success") => Ok(answer.get_mut("data").map(Value::take).unwrap_or_default()),
            _ => Err(answer.get("error").map(Value::to_string).unwrap_or_default()),
        }
    }
}

/// One request; nothing if the server cannot be reached.
fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = std::str::from_utf8(answer.get(..end)?).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_off(end + 4)))
}

fn escape(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
