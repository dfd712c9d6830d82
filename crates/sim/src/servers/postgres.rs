//! A real PostgreSQL.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::database::{DATABASE, PASSWORD, USER};
use super::support::{Home, Process, free_port};

/// A PostgreSQL server with a superuser [`USER`], scram authentication over TCP and none over its socket.
pub struct Postgres {
    home: Home,
    programs: PathBuf,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
}

impl Postgres {
    /// Starts a server, or says that there is none.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[], &[])
    }

    /// Starts a server with more `files` (name and content) in its directory and more `settings` (`ssl=on`). Files
    /// are named in settings by `@name`.
    ///
    /// # Panics
    /// When the server is installed but does not start.
    #[must_use]
    pub fn start_with(files: &[(&str, &str)], settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            crate::left_out("PostgreSQL is not installed (package postgresql)");
            return None;
        };
        let home = Home::new();
        let password = home.write("password", PASSWORD);
        let settings = settings.iter().map(|setting| {
            files.iter().fold((*setting).to_owned(), |text, (name, _)| {
                text.replace(&format!("@{name}"), &home.file(name))
            })
        });
        let settings: Vec<String> = settings.collect();
        for (name, content) in files {
            home.write(name, content);
        }
        let (data, password) = (home.file("data"), format!("--pwfile={password}"));
        home.run(
            &programs.join("initdb"),
            &[
                "--pgdata",
                &data,
                "--username",
                USER,
                &password,
                "--auth-host=scram-sha-256",
                "--auth-local=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ],
        );
        let mut server = Self { home, programs, port: 0, settings, process: None };
        server.restart();
        let (port, socket) = (server.port.to_string(), server.home.path().display().to_string());
        let arguments = ["--host", &socket, "--port", &port, "--username", USER, DATABASE];
        server.home.run(&server.programs.join("createdb"), &arguments);
        Some(server)
    }

    /// Starts a stopped server again, on the port it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.stop();
        // A free port may be taken by another before the server has it; then another one is tried.
        for _ in 0..5 {
            let port = if self.port == 0 { free_port() } else { self.port };
            let mut process = self.launch(port);
            if process.wait_until(|| self.is_ready(port)) {
                self.port = port;
                self.process = Some(process);
                return;
            }
        }
        assert!(self.process.is_some(), "PostgreSQL does not start:\n{}", self.log());
    }

    /// Stops the server at once, as by a crash of everything but the disk.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> String {
        self.home.path().display().to_string()
    }

    /// A DSN with everything right, for a database of the server.
    #[must_use]
    pub fn dsn(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.home.log("server.log")
    }

    fn launch(&self, port: u16) -> Process {
        let mut command = self.home.command(&self.programs.join("postgres"), "server.log");
        command.args(["-D", &self.home.file("data"), "-p", &port.to_string()]);
        let socket = format!("unix_socket_directories={}", self.home.path().display());
        // A test's data need not survive a power cut.
        let own =
            ["listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=16MB", "log_connections=on", &socket];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        Process::start(&mut command, Signal::SIGQUIT)
    }

    fn is_ready(&self, port: u16) -> bool {
        let mut command = self.home.command(&self.programs.join("pg_isready"), "setup.log");
        let socket = self.home.path().display().to_string();
        let status = command.args(["--quiet", "--host", &socket, "--port", &port.to_string()]).status();
        status.is_ok_and(|status| status.success())
    }
}

/// The directory of the newest installed version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbered =
        versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let newest = numbered.max().map(|(_, path)| path.join("bin"));
    let others = ["/usr/local/pgsql/bin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    newest.into_iter().chain(others).find(|directory| directory.join("initdb").is_file())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn starts_stops_and_starts_again_where_it_was() {
        let Some(mut server) = Postgres::start() else { return };
        let port = server.port();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        server.stop();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        server.restart();
        assert_eq!(server.port(), port);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
