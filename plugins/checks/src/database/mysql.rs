//! MySQL and MariaDB by sqlx's driver.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Executor, Row, TypeInfo, ValueRef};

use super::relay::Relay;
use super::table::{Cell, Table};

/// Types whose text is a number, unsigned ones without that word.
const NUMERIC: [&str; 10] =
    ["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "YEAR", "BOOLEAN"];

/// Shakes hands over the relay, and lets the server end queries after `timeout`.
pub(super) async fn connect(
    options: &MySqlConnectOptions,
    relay: &Relay,
    timeout: Option<Duration>,
) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = options.clone().socket(relay.path()).connect().await?;
    if let Some(timeout) = timeout {
        match connection.execute(sqlx::raw_sql(AssertSqlSafe(limit_statement(timeout)))).await {
            // A server that does not know the setting is as good without it.
            Ok(_) | Err(sqlx::Error::Database(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(connection)
}

/// Asks.
pub(super) async fn ask(connection: &mut MySqlConnection, query: &str) -> Result<Table, sqlx::Error> {
    Table::collect(sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch(connection), read_row).await
}

/// Tells the server how long a statement may take. Each server runs the comment that is meant for it and skips the
/// other: MySQL since 5.7.8 counts milliseconds, MariaDB since 10.1.2 seconds.
fn limit_statement(timeout: Duration) -> String {
    format!(
        "SET @breakwatch = 1 /*!50708 , SESSION max_execution_time = {} */ /*M!100102 , SESSION max_statement_time = \
         {:.3} */",
        timeout.as_millis().max(1),
        timeout.as_secs_f64().max(0.001)
    )
}

fn read_row(row: &MySqlRow) -> Vec<(String, Cell)> {
    let cell = |index: usize| {
        let value = row.try_get_raw(index).ok().filter(|value| !value.is_null())?;
        let kind = value.type_info().name().to_owned();
        let numeric = NUMERIC.contains(&kind.trim_end_matches(" UNSIGNED"));
        // The text protocol sends every value as text, binary columns as their bytes.
        let bytes: Vec<u8> = row.try_get_unchecked(index).ok()?;
        Some(Cell::from_text(String::from_utf8_lossy(&bytes).into_owned(), numeric))
    };
    let columns = row.columns().iter().enumerate();
    columns.map(|(index, column)| (column.name().to_owned(), cell(index).unwrap_or(Cell::Null))).collect()
}
