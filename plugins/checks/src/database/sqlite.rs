//! SQLite by sqlx's driver.
//!
//! The library runs on a thread of the driver's. A query that is no longer waited for would go on there, so the
//! library asks us from time to time whether to continue, and is told no once the run is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use breakwatch_model::CheckFailure;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row, TypeInfo, ValueRef};

use super::error::Explainer;
use super::table::{Cell, Table};
use crate::phases::Phases;

/// How many steps of SQLite's machine lie between two questions: some ten microseconds.
const STEPS: i32 = 1000;

/// Says that nobody waits any more when it is dropped.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Opens the file and asks.
pub(super) async fn ask(
    options: &SqliteConnectOptions,
    query: &str,
    timeout: Duration,
    phases: &mut Phases<'_>,
    explainer: &Explainer<'_>,
) -> Result<Table, CheckFailure> {
    phases.enter("connect");
    let abandoned = Abandon(Arc::default());
    // A file that others have locked is waited for as long as the run has.
    let options = options.clone().busy_timeout(timeout);
    let mut connection = options.connect().await.map_err(|error| explainer.explain(&error))?;
    watch(&mut connection, &abandoned.0).await.map_err(|error| explainer.explain(&error))?;
    phases.enter("query");
    let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    let table = Table::collect(rows, read_row).await.map_err(|error| explainer.explain(&error))?;
    phases.leave();
    let _ = connection.close().await;
    Ok(table)
}

async fn watch(connection: &mut SqliteConnection, abandoned: &Arc<AtomicBool>) -> Result<(), sqlx::Error> {
    let abandoned = Arc::clone(abandoned);
    let mut handle = connection.lock_handle().await?;
    handle.set_progress_handler(STEPS, move || !abandoned.load(Ordering::Relaxed));
    Ok(())
}

fn read_row(row: &SqliteRow) -> Vec<(String, Cell)> {
    let cell = |index: usize| {
        let value = row.try_get_raw(index).ok().filter(|value| !value.is_null())?;
        // SQLite's types belong to values, not to columns.
        match value.type_info().name() {
            "INTEGER" | "BOOLEAN" => {
                let number: i64 = row.try_get_unchecked(index).ok()?;
                Some(Cell::Number(number as f64, number.to_string()))
            }
            "REAL" => {
                let number: f64 = row.try_get_unchecked(index).ok()?;
                Some(Cell::Number(number, number.to_string()))
            }
            "BLOB" => {
                let bytes: Vec<u8> = row.try_get_unchecked(index).ok()?;
                Some(Cell::Text(String::from_utf8_lossy(&bytes).into_owned()))
            }
            _ => row.try_get_unchecked(index).ok().map(Cell::Text),
        }
    };
    let columns = row.columns().iter().enumerate();
    columns.map(|(index, column)| (column.name().to_owned(), cell(index).unwrap_or(Cell::Null))).collect()
}
