//! A driver's error as a reason and a sentence without credentials.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;

use breakwatch_model::{CheckFailure, FailureReason, Timestamp};
use breakwatch_plugin_api::{REDACTED, Secret};
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::dsn::Dsn;
use super::relay::Relay;
use crate::net::failure::out_of_descriptors;
use crate::net::tls::describe_error;
use crate::report::clean;

/// How long a message of the server may be.
const SHOWN: usize = 300;

/// Knows what is needed to explain an error.
pub(super) struct Explainer<'a> {
    secrets: &'a [Secret],
    relay: Option<&'a Relay>,
    now: Timestamp,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(dsn: &'a Dsn, relay: Option<&'a Relay>, now: Timestamp) -> Self {
        Self { secrets: &dsn.secrets, relay, now }
    }

    /// Explains an error.
    pub(super) fn explain(&self, error: &sqlx::Error) -> CheckFailure {
        let (reason, message) = self.classify(error);
        let message =
            self.secrets.iter().fold(message, |text, secret| text.replace(secret.expose(), REDACTED));
        CheckFailure::new(reason, clean(&message, SHOWN))
    }

    fn classify(&self, error: &sqlx::Error) -> (FailureReason, String) {
        if let Some(tls) = find_tls(error) {
            return (FailureReason::Tls, describe_error(tls, None, self.now));
        }
        match error {
            sqlx::Error::Database(database) => classify_database(&**database),
            sqlx::Error::Tls(error) => (FailureReason::Tls, format!("TLS: {error}")),
            sqlx::Error::Io(error) => self.classify_io(error),
            sqlx::Error::Protocol(what) => {
                // A connection that ends within a message is reported as a broken message.
                match self.relay.and_then(Relay::trouble) {
                    Some(trouble) => (FailureReason::Connect, trouble.to_owned()),
                    None => {
                        (FailureReason::Protocol, format!("the server does not keep to the protocol: {what}"))
                    }
                }
            }
            sqlx::Error::Configuration(what) => {
                (FailureReason::Internal, format!("the DSN cannot be used: {what}"))
            }
            sqlx::Error::WorkerCrashed => {
                (FailureReason::Internal, "the driver's thread has ended".to_owned())
            }
            other => (FailureReason::Protocol, other.to_string()),
        }
    }

    fn classify_io(&self, error: &io::Error) -> (FailureReason, String) {
        if crate::net::is_local(error) {
            return (FailureReason::Internal, crate::net::failure::describe(error));
        }
        let trouble = self.relay.and_then(Relay::trouble).map(str::to_owned);
        let message = trouble.unwrap_or_else(|| crate::net::failure::describe(error));
        (FailureReason::Connect, message)
    }
}

/// The TLS error among the causes of another.
fn find_tls(error: &sqlx::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    if let sqlx::Error::Tls(inner) = error {
        cause = Some(&**inner);
    }
    while let Some(current) = cause {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let io = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match io {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}

fn classify_database(error: &dyn DatabaseError) -> (FailureReason, String) {
    let code = error.code().unwrap_or(Cow::Borrowed(""));
    let message = error.message();
    if let Some(postgres) = error.try_downcast_ref::<PgDatabaseError>() {
        return (postgres_reason(postgres.code()), format!("{message} ({code})"));
    }
    if let Some(mysql) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return (mysql_reason(mysql.number()), format!("{message} ({})", mysql.number()));
    }
    let (reason, hint) = sqlite_reason(&code);
    (reason, format!("{message}{hint} (SQLite {code})"))
}

/// By SQLSTATE (PostgreSQL documentation, appendix A).
fn postgres_reason(code: &str) -> FailureReason {
    match code {
        // Cancelled by statement_timeout or by an operator.
        "57014" => FailureReason::Timeout,
        "42501" => FailureReason::Auth,
        _ => match code.get(..2) {
            Some("28") => FailureReason::Auth,
            // Connection exceptions, insufficient resources (too many connections), operator intervention (starting
            // up, shutting down).
            Some("08" | "53" | "57") => FailureReason::Connect,
            _ => FailureReason::Assertion,
        },
    }
}

/// By error number (MySQL and MariaDB reference manuals).
fn mysql_reason(number: u16) -> FailureReason {
    match number {
        // Access denied: to a database, a user, a table, a column, an operation; host not allowed; wrong plugin.
        1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1251 | 1275 | 1370 | 1524 | 1698 | 3159 | 4151 => {
            FailureReason::Auth
        }
        // Too many connections, host blocked, shutting down, too many for this user.
        1040 | 1053 | 1129 | 1203 | 1226 => FailureReason::Connect,
        // Interrupted: by KILL, by MariaDB's max_statement_time, by MySQL's max_execution_time.
        1317 | 1969 | 3024 => FailureReason::Timeout,
        _ => FailureReason::Assertion,
    }
}

/// By the primary result code, the low byte of the extended one (sqlite.org/rescode.html).
fn sqlite_reason(code: &str) -> (FailureReason, &'static str) {
    match code.parse::<u32>().unwrap_or(1) & 0xff {
        // Cannot open; without descriptors nothing can.
        14 if out_of_descriptors() => (FailureReason::Internal, ": out of file descriptors"),
        14 => (FailureReason::Connect, ""),
        // A permission the daemon lacks on the file.
        3 | 23 => (FailureReason::Internal, ""),
        // Busy, locked, interrupted.
        5 | 6 | 9 => (FailureReason::Timeout, ""),
        // I/O error, damaged, not a database.
        10 | 11 | 26 => (FailureReason::Protocol, ""),
        7 => (FailureReason::Internal, ": out of memory"),
        _ => (FailureReason::Assertion, ""),
    }
}
