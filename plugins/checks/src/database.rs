//! The `database` check: one connection, one query, by the database's own protocol.
//!
//! The drivers are sqlx's, without a pool: a pool would hide why a connection failed behind its own time-out, and keep
//! connections that a probe should have to make. Name lookup and connection are ours (see [`relay`]), so that each
//! phase is timed by itself.

mod dsn;
mod error;
mod expect;
mod mysql;
mod postgres;
mod relay;
mod sqlite;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{
    BuildContext, Check, CheckContext, CheckEntry, Diagnostics, Field, Node, Recorder, Section,
};
use tokio::net::UnixStream;

use crate::limits::{LATENCY_FIELDS, Limits};
use crate::net::resolve::{declare_address, record_address};
use crate::net::{self, IpFamily, resolve};
use crate::phases::Phases;
use crate::report::fact;
use dsn::{Address, Driver, Dsn};
use error::Explainer;
use expect::Expect;
use relay::{Relay, Stream};
use table::Table;

/// The phases of a database server.
const NETWORK_PHASES: &[&str] = &["resolve", "connect", "auth", "query"];
/// The phases of a database in a file.
const FILE_PHASES: &[&str] = &["connect", "query"];

/// The row in the table of checks.
pub(crate) const ENTRY: CheckEntry = CheckEntry {
    key: "database",
    summary: "Connects to PostgreSQL, MySQL, MariaDB or SQLite and judges the result of a query.",
    fields: FIELDS,
    local: false,
    parse,
};

const FIELDS: &[Field] = &[
    Field {
        name: "dsn",
        kind: "DSN",
        default: "",
        help: "Where the database is: `postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=ca.pem`, \
               `mysql://user:password@host/name?ssl-mode=VERIFY_IDENTITY`, `postgres:///name?host=/run/postgresql`, \
               `sqlite:///var/lib/app.db?mode=ro`. Best kept in a file: `${file:/etc/breakwatch/main.dsn}`.",
    },
    Field {
        name: "query",
        kind: "text",
        default: "SELECT 1",
        help: "What is asked; its first row is judged.",
    },
    Field {
        name: "column",
        kind: "text",
        default: "",
        help: "The column that `value` and `expect` judge; the first if not set.",
    },
    Field {
        name: "value",
        kind: "levels of a number",
        default: "",
        help: "Limits on the number in that column: `{ degraded: 100, unhealthy: 1000 }`.",
    },
    Field {
        name: "expect",
        kind: "mapping",
        default: "",
        help: "`equals` and `regex` (on the value as text), `rows_min` and `rows_max` (at most 1000 are counted).",
    },
    LATENCY_FIELDS[0],
    LATENCY_FIELDS[1],
    Field {
        name: "cancel_on_timeout",
        kind: "`true` or `false`",
        default: "true",
        help: "Whether the server is told the run's time-out, so that it ends a query nobody waits for any more. To be \
               switched off for servers that know no such setting, such as a connection pooler's own console.",
    },
    IpFamily::FIELD,
];

fn parse(node: &Node, context: &BuildContext, diagnostics: &Diagnostics) -> Option<Box<dyn Check>> {
    crate::settings::read(node, diagnostics, |section| Database::read(section, context))
}

struct Database {
    dsn: Dsn,
    query: String,
    expect: Expect,
    limits: Limits,
    cancel_on_timeout: bool,
    ip_family: IpFamily,
}

impl Database {
    fn read(section: &mut Section<'_>, context: &BuildContext) -> Option<Self> {
        let dsn = section
            .required("dsn")
            .and_then(|node| Dsn::read(node, &context.base_dir, section.diagnostics()));
        let query = section.string("query").unwrap_or_else(|| "SELECT 1".to_owned());
        if query.trim().is_empty() {
            section.error_at("query", "a query that asks nothing");
        }
        let expect = Expect::read(section);
        let limits = Limits::read(section, false);
        let cancel_on_timeout = section.bool("cancel_on_timeout").unwrap_or(true);
        let ip_family = IpFamily::read(section);
        Some(Self { dsn: dsn?, query, expect, limits, cancel_on_timeout, ip_family })
    }

    /// The time after which the server shall end the query by itself.
    fn server_timeout(&self, ctx: &CheckContext) -> Option<Duration> {
        self.cancel_on_timeout.then_some(ctx.timeout)
    }

    /// Resolves and connects; the driver then talks through the relay.
    async fn connect(&self, address: &Address, phases: &mut Phases<'_>) -> Result<Relay, CheckFailure> {
        let stream = match address {
            Address::Tcp { host, port } => {
                phases.enter("resolve");
                let address = resolve(host, *port, self.ip_family).await?;
                phases.leave();
                let lookup = phases.spent("resolve").as_secs_f64();
                record_address(phases, address.ip(), lookup);
                phases.enter("connect");
                Stream::Tcp(net::connect(address).await?)
            }
            Address::Unix(path) => {
                phases.enter("connect");
                let connected = UnixStream::connect(path).await;
                let doing = format!("connecting to {}", path.display());
                Stream::Unix(connected.map_err(|error| net::from_io(&error, FailureReason::Connect, &doing))?)
            }
        };
        Relay::open(stream, self.dsn.socket_suffix())
            .map_err(|error| net::from_io(&error, FailureReason::Internal, "preparing the connection"))
    }

    async fn ask(&self, ctx: &CheckContext, phases: &mut Phases<'_>) -> Result<Table, CheckFailure> {
        let timeout = self.server_timeout(ctx);
        match &self.dsn.driver {
            Driver::Postgres(options) => {
                let relay = self.connect(&self.dsn.address, phases).await?;
                let explainer = Explainer::new(&self.dsn, Some(&relay), ctx.started_at);
                phases.enter("auth");
                let connection = postgres::connect(options, &relay).await;
                let mut connection = connection.map_err(|error| explainer.explain(&error))?;
                phases.enter("query");
                let asked = postgres::ask(&mut connection, &self.query, timeout).await;
                let result = asked.map_err(|error| explainer.explain(&error));
                settle(result, phases, relay, connection).await
            }
            Driver::MySql(options) => {
                let relay = self.connect(&self.dsn.address, phases).await?;
                let explainer = Explainer::new(&self.dsn, Some(&relay), ctx.started_at);
                phases.enter("auth");
                let connection = mysql::connect(options, &relay, timeout).await;
                let mut connection = connection.map_err(|error| explainer.explain(&error))?;
                phases.enter("query");
                let asked = mysql::ask(&mut connection, &self.query).await;
                let result = asked.map_err(|error| explainer.explain(&error));
                settle(result, phases, relay, connection).await
            }
            Driver::Sqlite(options) => {
                let explainer = Explainer::new(&self.dsn, None, ctx.started_at);
                sqlite::ask(options, &self.query, ctx.timeout, phases, &explainer).await
            }
        }
    }
}

/// Stops the clock, then says goodbye to the server: what is measured ends with the answer.
async fn settle(
    result: Result<Table, CheckFailure>,
    phases: &mut Phases<'_>,
    relay: Relay,
    connection: impl sqlx::Connection,
) -> Result<Table, CheckFailure> {
    if result.is_err() {
        fact(phases, "stopped in phase", "query");
    }
    phases.leave();
    relay.part(connection).await;
    result
}

#[async_trait]
impl Check for Database {
    async fn run(&self, ctx: &CheckContext, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let is_file = matches!(self.dsn.driver, Driver::Sqlite(_));
        let names = if is_file { FILE_PHASES } else { NETWORK_PHASES };
        let help = "How long each phase took; `auth` includes TLS.";
        let mut phases = Phases::start(rec, &ctx.clock, "breakwatch_database_duration_seconds", help, names);
        if matches!(self.dsn.address, Address::Tcp { .. }) && !is_file {
            declare_address(&mut phases);
        }
        let table = self.ask(ctx, &mut phases).await?;
        phases.leave();
        let took = phases.total();
        self.limits.judge_latency(&mut phases, took);
        table.record(&mut phases);
        self.expect.judge(&table, &mut phases)
    }

    fn target(&self) -> String {
        self.dsn.shown.clone()
    }
}
