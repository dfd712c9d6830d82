//! A real nginx whose answers a test can change while it runs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use breakwatch_model::{Clock, SystemClock};
use nix::sys::signal::Signal;

use super::support::{Home, Process, find, free_port};

/// An nginx that gives every request the same answer.
pub struct Nginx {
    home: Home,
    program: PathBuf,
    port: u16,
    answer: (u16, String),
    process: Option<Process>,
}

impl Nginx {
    /// Starts a server that answers 200 and `ok`, or says that there is none.
    ///
    /// # Panics
    /// When the server is installed but does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = find(&["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]) else {
            crate::left_out("nginx is not installed (package nginx)");
            return None;
        };
        let answer = (200, "ok".to_owned());
        let mut server = Self { home: Home::new(), program, port: 0, answer, process: None };
        server.restart();
        Some(server)
    }

    /// Starts a stopped server again, on the port it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.stop();
        for _ in 0..5 {
            let port = if self.port == 0 { free_port() } else { self.port };
            self.configure(port);
            let mut command = self.home.command(&self.program, "server.log");
            command.args(["-p", &self.home.file(""), "-c", &self.home.file("nginx.conf"), "-e", "stderr"]);
            let mut process = Process::start(&mut command, Signal::SIGTERM);
            if process.wait_until(|| status_of(port) == Some(self.answer.0)) {
                self.port = port;
                self.process = Some(process);
                return;
            }
        }
        assert!(self.process.is_some(), "nginx does not start:\n{}", self.log());
    }

    /// Stops the server at once.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// From now on every request is answered like this. Returns when that is so.
    ///
    /// # Panics
    /// When the server does not take the change.
    pub fn answer(&mut self, status: u16, body: &str) {
        self.answer = (status, body.to_owned());
        self.configure(self.port);
        let port = self.port;
        let Some(process) = &mut self.process else { return };
        let old = process.children();
        process.signal(Signal::SIGHUP);
        // An old worker may answer until it is gone, however slow the machine is.
        let taken = process.wait_until(|| status_of(port) == Some(status))
            && process.wait_gone(&old)
            && process.wait_until(|| status_of(port) == Some(status));
        assert!(taken, "nginx ended:\n{}", self.log());
    }

    /// The URL of its root.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.home.log("server.log")
    }

    fn configure(&self, port: u16) {
        let (status, body) = &self.answer;
        let body = body.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "");
        let mut temporary = String::new();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            temporary.push_str(&format!("    {kind}_temp_path {};\n", self.home.file(kind)));
        }
        let pid = self.home.file("pid");
        let configuration = format!(
            "daemon off;\nworker_processes 1;\npid {pid};\nevents {{ worker_connections 64; }}\nhttp {{\n    \
             access_log off;\n{temporary}    server {{\n        listen 127.0.0.1:{port};\n        \
             location / {{ return {status} \"{body}\"; }}\n    }}\n}}\n"
        );
        self.home.write("nginx.conf", &configuration);
    }
}

/// The status code the root is answered with.
fn status_of(port: u16) -> Option<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let (mut answer, start) = (Vec::new(), SystemClock.monotonic());
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if SystemClock.monotonic().duration_since(start) > Duration::from_secs(5) {
            break;
        }
    }
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_answer_can_be_changed() {
        let Some(mut server) = Nginx::start() else { return };
        assert_eq!(status_of(server.port()), Some(200));
        server.answer(500, "broken \"here\"");
        assert_eq!(status_of(server.port()), Some(500));
        server.answer(200, "ok");
        assert_eq!(status_of(server.port()), Some(200));
        let port = server.port();
        server.stop();
        assert_eq!(status_of(port), None);
        server.restart();
        assert_eq!(status_of(port), Some(200));
    }
}
