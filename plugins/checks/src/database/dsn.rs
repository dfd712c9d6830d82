//! The DSN: which driver, which address, and what of it may be shown.
//!
//! The driver's own reader is asked last. Before it, every parameter is held against the list of those it knows: it
//! ignores unknown ones, and writes their values into a log.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use breakwatch_plugin_api::{Diagnostics, Node, Secret, nearest, redact_url};
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use url::Url;

/// Parameters the drivers know (sqlx 0.9).
const POSTGRES: [&str; 19] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "options[*]",
];
const MYSQL: [&str; 13] = [
    "sslmode",
    "ssl-mode",
    "sslca",
    "ssl-ca",
    "charset",
    "collation",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "socket",
    "timezone",
];
const SQLITE: [&str; 4] = ["mode", "cache", "immutable", "vfs"];

/// Those of them that name files.
const CERTIFICATES: [&str; 8] =
    ["sslrootcert", "ssl-root-cert", "ssl-ca", "sslca", "sslcert", "ssl-cert", "sslkey", "ssl-key"];

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// A driver with its options.
pub(super) enum Driver {
    Postgres(PgConnectOptions),
    MySql(MySqlConnectOptions),
    Sqlite(SqliteConnectOptions),
}

/// A DSN that was understood.
pub(super) struct Dsn {
    pub(super) driver: Driver,
    /// Where the server listens; for a file its path.
    pub(super) address: Address,
    /// Fit to be shown.
    pub(super) shown: String,
    /// What must not appear in any message.
    pub(super) secrets: Vec<Secret>,
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Dsn {
    /// Reads a DSN; reports what is wrong without repeating any of it.
    pub(super) fn read(node: &Node, base_dir: &Path, diagnostics: &Diagnostics) -> Option<Self> {
        let complain = |what: &str| diagnostics.error(&node.place, what.to_owned());
        let Some(text) = node.as_str() else {
            complain("expected a DSN such as `postgres://user:password@host/name`");
            return None;
        };
        // A file read for its content usually ends its line.
        match Self::parse(text.trim(), base_dir) {
            Ok(dsn) => Some(dsn),
            Err(what) => {
                complain(&what);
                None
            }
        }
    }

    fn parse(text: &str, base_dir: &Path) -> Result<Self, String> {
        let scheme = text.split(':').next().unwrap_or_default();
        match scheme {
            "postgres" | "postgresql" => Self::postgres(text, base_dir),
            "mysql" | "mariadb" => Self::mysql(text, base_dir),
            "sqlite" => Self::sqlite(text, base_dir),
            _ => {
                Err("expected a DSN that begins with `postgres:`, `mysql:`, `mariadb:` or `sqlite:`"
                    .to_owned())
            }
        }
    }

    fn postgres(text: &str, base_dir: &Path) -> Result<Self, String> {
        let url = read_url(text, base_dir, &POSTGRES)?;
        let options = PgConnectOptions::from_str(url.as_str()).map_err(|_| unreadable("PostgreSQL"))?;
        let port = options.get_port();
        let host = options.get_host().to_owned();
        let directory =
            options.get_socket().cloned().or_else(|| host.starts_with('/').then(|| host.clone().into()));
        let address = match directory {
            Some(directory) => Address::Unix(directory.join(format!(".s.PGSQL.{port}"))),
            None => Address::Tcp { host, port },
        };
        // Queries may hold secrets; sqlx would log them.
        let options = options.disable_statement_logging().application_name("breakwatch");
        Ok(Self {
            driver: Driver::Postgres(options),
            address,
            shown: redact_url(text),
            secrets: secrets(&url),
        })
    }

    fn mysql(text: &str, base_dir: &Path) -> Result<Self, String> {
        let text = &text.replacen("mariadb:", "mysql:", 1);
        let url = read_url(text, base_dir, &MYSQL)?;
        let options = MySqlConnectOptions::from_str(url.as_str()).map_err(|_| unreadable("MySQL"))?;
        let address = match options.get_socket() {
            Some(path) => Address::Unix(path.clone()),
            None => Address::Tcp { host: options.get_host().to_owned(), port: options.get_port() },
        };
        // The session is left as the server has it: what is measured is what an application would see.
        let options = options
            .disable_statement_logging()
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false);
        Ok(Self { driver: Driver::MySql(options), address, shown: redact_url(text), secrets: secrets(&url) })
    }

    fn sqlite(text: &str, base_dir: &Path) -> Result<Self, String> {
        let (_, query) = text.split_once('?').unwrap_or((text, ""));
        for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
            check_parameter(&name, &SQLITE)?;
        }
        let options = SqliteConnectOptions::from_str(text).map_err(|_| unreadable("SQLite"))?;
        let file = options.get_filename().to_owned();
        // In memory there is no file, only a name of the driver's.
        let in_memory = file.starts_with("file:") || text.contains("mode=memory");
        let file = if in_memory { file } else { base_dir.join(file) };
        let options = if in_memory { options } else { options.filename(&file) };
        let shown = text.split('?').next().unwrap_or_default().to_owned();
        let options = options.disable_statement_logging();
        Ok(Self { driver: Driver::Sqlite(options), address: Address::Unix(file), shown, secrets: Vec::new() })
    }

    /// What the driver appends to the path of a socket it is given.
    pub(super) fn socket_suffix(&self) -> String {
        match &self.driver {
            Driver::Postgres(options) => format!("/.s.PGSQL.{}", options.get_port()),
            _ => String::new(),
        }
    }
}

fn unreadable(which: &str) -> String {
    format!(
        "is not a DSN {which}'s driver understands; special characters of a password are written as `%40`"
    )
}

/// Reads a DSN as a URL, holds its parameters against the known ones, and makes the paths of certificates absolute.
fn read_url(text: &str, base_dir: &Path, known: &[&str]) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| {
        format!("is not a DSN ({error}); special characters of a password are written as `%40`")
    })?;
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in url.query_pairs() {
        check_parameter(&name, known)?;
        let mut value = value.into_owned();
        if CERTIFICATES.contains(&&*name) {
            let path = base_dir.join(&value);
            if !path.is_file() {
                return Err(format!("`{name}` names no file: {}", path.display()));
            }
            value = path.display().to_string();
        }
        pairs.push((name.into_owned(), value));
    }
    if !pairs.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    Ok(url)
}

fn check_parameter(name: &str, known: &[&str]) -> Result<(), String> {
    let family = known.iter().filter_map(|known| known.strip_suffix("*]"));
    if known.contains(&name)
        || family.into_iter().any(|prefix| name.starts_with(prefix) && name.ends_with(']'))
    {
        return Ok(());
    }
    let hint = nearest(name, known.iter().copied()).map(|near| format!(" (did you mean `{near}`?)"));
    Err(format!("the DSN has an unknown parameter `{name}`{}", hint.unwrap_or_default()))
}

/// The password in every form in which it could turn up.
fn secrets(url: &Url) -> Vec<Secret> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let own = url.password().into_iter().flat_map(|raw| [raw.to_owned(), decoded(raw)]);
    let parameter =
        url.query_pairs().filter(|(name, _)| name == "password").map(|(_, value)| value.into_owned());
    own.chain(parameter).filter(|secret| !secret.is_empty()).map(Secret::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_choose_the_driver_and_the_address() {
        let tcp = |host: &str, port| Address::Tcp { host: host.to_owned(), port };
        for (text, address, shown) in [
            ("postgres://u:p@db/x", tcp("db", 5432), "postgres://db/x"),
            (
                "postgresql://u@[::1]:6000/x?sslmode=require",
                tcp("[::1]", 6000),
                "postgresql://[::1]:6000/x?sslmode=require",
            ),
            (
                "postgres:///x?host=/run/pg&port=6000",
                Address::Unix("/run/pg/.s.PGSQL.6000".into()),
                "postgres:///x?host=%2Frun%2Fpg&port=6000",
            ),
            ("mysql://u:p%40@db/x", tcp("db", 3306), "mysql://db/x"),
            ("mariadb://u@db:3307", tcp("db", 3307), "mysql://db:3307"),
            (
                "mysql://u:p@localhost/x?socket=/run/my.sock",
                Address::Unix("/run/my.sock".into()),
                "mysql://localhost/x?socket=%2Frun%2Fmy.sock",
            ),
            ("sqlite:x.db", Address::Unix("/etc/x.db".into()), "sqlite:x.db"),
            ("sqlite:///var/x.db?mode=ro", Address::Unix("/var/x.db".into()), "sqlite:///var/x.db"),
        ] {
            let dsn = Dsn::parse(text, Path::new("/etc")).unwrap_or_else(|what| panic!("{text}: {what}"));
            assert_eq!((&dsn.address, dsn.shown.as_str()), (&address, shown), "{text}");
        }
    }

    #[test]
    fn mistakes_never_repeat_the_password() {
        for (text, part) in [
            ("oracle://u:hunter2@db/x", "expected a DSN that begins with"),
            ("hunter2", "expected a DSN that begins with"),
            ("postgres://u:hunter2@db:port/x", "invalid port number"),
            ("postgres://u:hun/ter2@db/x", "invalid port number"),
            ("postgres://u:hunter2@db/x?sslmode=hunter2", "understands"),
            (
                "postgres://u:hunter2@db/x?sslmod=require",
                "unknown parameter `sslmod` (did you mean `sslmode`?)",
            ),
            (
                "postgres://u:hunter2@db/x?sslrootcert=no-such.pem",
                "`sslrootcert` names no file: /etc/no-such.pem",
            ),
            ("mysql://u:hunter2@db/x?ssl=hunter2", "unknown parameter `ssl`"),
            ("sqlite:x.db?mode=hunter2", "understands"),
            ("sqlite:x.db?pragma=1", "unknown parameter `pragma`"),
        ] {
            let what = Dsn::parse(text, Path::new("/etc")).unwrap_err();
            assert!(what.contains(part) && !what.contains("hunter2"), "{text}: {what}");
        }
    }

    #[test]
    fn the_password_is_known_in_all_its_forms() {
        let dsn = Dsn::parse("postgres://u:p%40ss@db/x?password=other", Path::new("/etc")).unwrap();
        let secrets: Vec<&str> = dsn.secrets.iter().map(Secret::expose).collect();
        assert_eq!(secrets, ["p%40ss", "p@ss", "other"]);
        assert!(!format!("{dsn:?}").contains("other"));
    }
}
