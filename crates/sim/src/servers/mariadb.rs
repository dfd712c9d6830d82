//! A real MariaDB.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::database::{DATABASE, PASSWORD, USER};
use super::support::{Home, Process, find, free_port};

/// A MariaDB server with a user [`USER`] and a database [`DATABASE`].
pub struct MariaDb {
    home: Home,
    program: PathBuf,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
}

impl MariaDb {
    /// Starts a server, or says that there is none.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[], &[])
    }

    /// Starts a server with more `files` (name and content) in its directory and more `settings` (`--ssl-cert=@name`).
    ///
    /// # Panics
    /// When the server is installed but does not start.
    #[must_use]
    pub fn start_with(files: &[(&str, &str)], settings: &[&str]) -> Option<Self> {
        let program = find(&[
            "/usr/sbin/mariadbd",
            "/usr/bin/mariadbd",
            "/usr/sbin/mysqld",
            "/usr/local/sbin/mariadbd",
        ]);
        let install = find(&["/usr/bin/mariadb-install-db", "/usr/bin/mysql_install_db"]);
        let (Some(program), Some(install)) = (program, install) else {
            crate::left_out("MariaDB is not installed (package mariadb-server)");
            return None;
        };
        let home = Home::new();
        for (name, content) in files {
            home.write(name, content);
        }
        let settings = settings.iter().map(|setting| {
            files.iter().fold((*setting).to_owned(), |text, (name, _)| {
                text.replace(&format!("@{name}"), &home.file(name))
            })
        });
        let settings: Vec<String> = settings.collect();
        home.write(
            "init.sql",
            &format!(
                "CREATE DATABASE IF NOT EXISTS {DATABASE};\n\
                 CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
                 CREATE USER IF NOT EXISTS '{USER}'@'localhost' IDENTIFIED BY '{PASSWORD}';\n\
                 GRANT ALL ON *.* TO '{USER}'@'%';\n\
                 GRANT ALL ON *.* TO '{USER}'@'localhost';\n"
            ),
        );
        let data = format!("--datadir={}", home.file("data"));
        let arguments =
            ["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"];
        home.run(&install, &arguments);
        let mut server = Self { home, program, port: 0, settings, process: None };
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
            let mut process = self.launch(port);
            if process.wait_until(|| greets(port)) {
                self.port = port;
                self.process = Some(process);
                return;
            }
        }
        assert!(self.process.is_some(), "MariaDB does not start:\n{}", self.log());
    }

    /// Stops the server at once.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> String {
        self.home.file("socket")
    }

    /// A DSN with everything right.
    #[must_use]
    pub fn dsn(&self) -> String {
        format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.home.log("server.log")
    }

    fn launch(&self, port: u16) -> Process {
        let mut command = self.home.command(&self.program, "server.log");
        command.args([
            "--no-defaults",
            &format!("--datadir={}", self.home.file("data")),
            &format!("--socket={}", self.socket()),
            &format!("--pid-file={}", self.home.file("pid")),
            &format!("--init-file={}", self.home.file("init.sql")),
            &format!("--port={port}"),
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M",
            "--skip-name-resolve",
        ]);
        command.args(&self.settings);
        // Its orderly end takes seconds; nothing here needs one.
        Process::start(&mut command, Signal::SIGKILL)
    }
}

/// Whether a server greets on the port: MariaDB speaks first.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let timeout = stream.set_read_timeout(Some(Duration::from_secs(1)));
    timeout.is_ok() && stream.read(&mut [0; 64]).is_ok_and(|read| read > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_stops_and_starts_again_where_it_was() {
        let Some(mut server) = MariaDb::start() else { return };
        let port = server.port();
        assert!(greets(port));
        server.stop();
        assert!(!greets(port));
        server.restart();
        assert_eq!(server.port(), port);
        drop(server);
        assert!(!greets(port));
    }
}
