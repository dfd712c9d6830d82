//! A real Prometheus on loopback: started with an empty store, written to by remote write, asked by its API.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use breakwatch_model::{Labels, Sample};
use serde_json::Value;

/// The server; stopped when dropped.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts the installed Prometheus; nothing if there is none.
    pub(crate) fn start() -> Option<Self> {
        let program = std::env::var_os("BREAKWATCH_PROMETHEUS")
            .map_or_else(|| PathBuf::from("/usr/bin/prometheus"), PathBuf::from);
        if !program.exists() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", program.display());
            println!("LEFT OUT: {} is missing", program.display());
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), "global: { scrape_interval: 1h }\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port, _folder: folder };
        server.wait_ready();
        Some(server)
    }

    #[expect(clippy::disallowed_methods, reason = "waits for another process")]
    fn wait_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.request("GET", "/-/ready", "", &[]).is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "Prometheus does not get ready");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// One request; nothing if the server cannot be reached.
    fn request(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Encoding: {}\r\n\
             X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            if kind.contains("protobuf") { "snappy" } else { "identity" },
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let status = std::str::from_utf8(&answer[..end]).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer[end + 4..].to_vec()))
    }

    /// Writes series by remote write.
    pub(crate) fn write(&self, series: &[(Labels, Vec<Sample>)]) {
        let mut request = Vec::new();
        for (labels, samples) in series {
            let mut message = Vec::new();
            for (name, value) in labels.iter() {
                let mut label = Vec::new();
                bytes_field(&mut label, 1, name.as_bytes());
                bytes_field(&mut label, 2, value.as_bytes());
                bytes_field(&mut message, 1, &label);
            }
            for sample in samples {
                let mut encoded = vec![0x09];
                encoded.extend_from_slice(&sample.v.to_le_bytes());
                encoded.push(0x10);
                varint(&mut encoded, sample.t.0 as u64);
                bytes_field(&mut message, 2, &encoded);
            }
            bytes_field(&mut request, 1, &message);
        }
        let packed = snap::raw::Encoder::new().compress_vec(&request).unwrap();
        let (status, body) =
            self.request("POST", "/api/v1/write", "application/x-protobuf", &packed).unwrap();
        assert_eq!(status, 204, "{}", String::from_utf8_lossy(&body));
    }

    /// Asks the API; the answer's `data`, or its error.
    pub(crate) fn ask(&self, path: &str, form: &[(&str, &str)]) -> Result<Value, String> {
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let (_, answer) = self
            .request("POST", path, "application/x-www-form-urlencoded", body.join("&").as_bytes())
            .expect("Prometheus answers");
        let mut answer: Value = serde_json::from_slice(&answer).expect("Prometheus answers in JSON");
        if answer["status"] == "success" {
            Ok(answer["data"].take())
        } else {
            Err(answer["error"].to_string())
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
