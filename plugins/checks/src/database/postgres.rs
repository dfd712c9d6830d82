//! PostgreSQL by sqlx's driver.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Row, TypeInfo, ValueRef};

use super::relay::Relay;
use super::table::{Cell, Table};

/// Types whose text is a number.
const NUMERIC: [&str; 7] = ["INT2", "INT4", "INT8", "FLOAT4", "FLOAT8", "NUMERIC", "OID"];

/// Shakes hands over the relay.
pub(super) async fn connect(options: &PgConnectOptions, relay: &Relay) -> Result<PgConnection, sqlx::Error> {
    options.clone().socket(relay.path()).connect().await
}

/// Asks, and lets the server end the query after `timeout`.
pub(super) async fn ask(
    connection: &mut PgConnection,
    query: &str,
    timeout: Option<Duration>,
) -> Result<Table, sqlx::Error> {
    // Several statements in one message are one transaction, so the setting ends with it: a pooler that hands the
    // server connection to others hands no setting on.
    let sql = match timeout {
        Some(timeout) => format!("SET LOCAL statement_timeout = {}; {query}", timeout.as_millis().max(1)),
        None => query.to_owned(),
    };
    Table::collect(sqlx::raw_sql(AssertSqlSafe(sql)).fetch(connection), read_row).await
}

fn read_row(row: &PgRow) -> Vec<(String, Cell)> {
    let cell = |index: usize| {
        let value = row.try_get_raw(index).ok().filter(|value| !value.is_null())?;
        let kind = value.type_info().name().to_owned();
        // The simple protocol sends every value as text.
        let text: String = row.try_get_unchecked(index).ok()?;
        Some(match (kind.as_str(), text.as_str()) {
            ("BOOL", "t") => Cell::Number(1.0, "true".to_owned()),
            ("BOOL", _) => Cell::Number(0.0, "false".to_owned()),
            (kind, _) => Cell::from_text(text, NUMERIC.contains(&kind)),
        })
    };
    let columns = row.columns().iter().enumerate();
    columns.map(|(index, column)| (column.name().to_owned(), cell(index).unwrap_or(Cell::Null))).collect()
}
