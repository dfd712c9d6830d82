//! The result of a query: its first row, and how many rows there are.

use breakwatch_model::{Labels, MetricFamily};
use breakwatch_plugin_api::Recorder;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;

use crate::report::{clean, fact};

/// Rows after this many are not fetched: a probe asks for a figure, not for a copy.
const MAX_ROWS: u64 = 1000;
/// The most columns taken.
const MAX_COLUMNS: usize = 64;
/// How much of a name becomes a label.
const NAME: usize = 100;

/// One value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Cell {
    Null,
    /// A number, and how the database writes it.
    Number(f64, String),
    Text(String),
}

impl Cell {
    /// The value as text; nothing for NULL.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Number(_, text) | Self::Text(text) => Some(text),
        }
    }

    /// A number out of its text, or the text as it is.
    pub(super) fn from_text(text: String, numeric: bool) -> Self {
        match text.parse::<f64>() {
            Ok(number) if numeric => Self::Number(number, text),
            _ => Self::Text(text),
        }
    }
}

/// What a query gave.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Table {
    /// The first row, by column. A name that comes again is left out.
    pub(super) first: Vec<(String, Cell)>,
    /// Rows, counted up to a limit.
    pub(super) rows: u64,
}

impl Table {
    /// Collects rows until the end or the limit.
    pub(super) async fn collect<R>(
        mut rows: BoxStream<'_, Result<R, sqlx::Error>>,
        read: impl Fn(&R) -> Vec<(String, Cell)>,
    ) -> Result<Self, sqlx::Error> {
        let mut table = Self::default();
        while let Some(row) = rows.try_next().await? {
            if table.rows == 0 {
                for (name, cell) in read(&row).into_iter().take(MAX_COLUMNS) {
                    let name = clean(&name, NAME);
                    if !table.first.iter().any(|(known, _)| *known == name) {
                        table.first.push((name, cell));
                    }
                }
            }
            table.rows += 1;
            if table.rows >= MAX_ROWS {
                break;
            }
        }
        Ok(table)
    }

    /// The value of a column, or of the first.
    pub(super) fn cell(&self, column: Option<&str>) -> Option<&(String, Cell)> {
        match column {
            Some(wanted) => self.first.iter().find(|(name, _)| name == wanted),
            None => self.first.first(),
        }
    }

    /// Numbers become series, texts evidence.
    pub(super) fn record(&self, rec: &mut Recorder) {
        rec.gauge(
            "breakwatch_database_rows",
            "",
            "Rows of the result, counted up to 1000.",
            self.rows as f64,
        );
        let help = "Numbers in the first row of the result.";
        let mut family = MetricFamily::gauge("breakwatch_database_value", "", help);
        let mut shown = Vec::with_capacity(self.first.len());
        for (name, cell) in &self.first {
            if let Cell::Number(number, _) = cell {
                family.push(Labels::from_pairs([("column", name.as_str())]), *number);
            }
            shown.push(format!("{name}={}", cell.text().unwrap_or("NULL")));
        }
        if !family.points.is_empty() {
            rec.family(family);
        }
        if !shown.is_empty() {
            fact(rec, "row", shown.join(", "));
        }
    }
}
