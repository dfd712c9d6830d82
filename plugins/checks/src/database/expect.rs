//! What the result must be.

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{Levels, Recorder, Section, Unit};
use regex::Regex;

use super::table::{Cell, Table};
use crate::pattern;
use crate::report::clean;

/// How much of a value a message shows.
const SHOWN: usize = 100;

/// The settings `column`, `value` and `expect`.
#[derive(Default)]
pub(super) struct Expect {
    column: Option<String>,
    value: Option<Levels>,
    equals: Option<String>,
    regex: Option<Regex>,
    rows_min: Option<u64>,
    rows_max: Option<u64>,
}

impl Expect {
    /// Reads the settings.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut expect = Self {
            column: section.string("column"),
            value: section.levels("value", Unit::Number),
            ..Self::default()
        };
        let Some(mut inner) = section.section("expect") else { return expect };
        expect.equals = inner.string("equals");
        expect.regex = inner.parse("regex", pattern::text);
        // One less than what is counted, so that "more" can be told.
        expect.rows_min = inner.integer("rows_min", 0..=1000);
        expect.rows_max = inner.integer("rows_max", 0..=999);
        if let (Some(min), Some(max)) = (expect.rows_min, expect.rows_max)
            && min > max
        {
            inner.error_at("rows_min", "`rows_min` is greater than `rows_max`: nothing could satisfy both");
        }
        inner.finish();
        expect
    }

    /// Holds the result against the settings.
    pub(super) fn judge(&self, table: &Table, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let rows = table.rows;
        if let Some(min) = self.rows_min.filter(|min| rows < *min) {
            return Err(failed(format!("the query gave {rows} rows, expected at least {min}")));
        }
        if let Some(max) = self.rows_max.filter(|max| rows > *max) {
            return Err(failed(format!("the query gave {rows} rows, expected at most {max}")));
        }
        let wants_value = self.value.is_some() || self.equals.is_some() || self.regex.is_some();
        if !wants_value && (self.column.is_none() || rows == 0) {
            return Ok(());
        }
        let Some((name, cell)) = table.cell(self.column.as_deref()) else {
            return Err(failed(match &self.column {
                Some(column) if rows > 0 => format!("the result has no column {column}"),
                _ => "the query gave no rows".to_owned(),
            }));
        };
        self.judge_text(name, cell)?;
        self.judge_number(name, cell, rec)
    }

    fn judge_text(&self, name: &str, cell: &Cell) -> Result<(), CheckFailure> {
        let shown = || clean(cell.text().unwrap_or("NULL"), SHOWN);
        if let Some(wanted) = self.equals.as_ref().filter(|wanted| !equals(cell, wanted)) {
            return Err(failed(format!("{name} is {}, expected {wanted}", shown())));
        }
        match self.regex.as_ref().filter(|regex| !cell.text().is_some_and(|text| regex.is_match(text))) {
            Some(regex) => Err(failed(format!("{name} is {}, expected a match of /{regex}/", shown()))),
            None => Ok(()),
        }
    }

    fn judge_number(&self, name: &str, cell: &Cell, rec: &mut Recorder) -> Result<(), CheckFailure> {
        let Some(levels) = &self.value else { return Ok(()) };
        let number = match cell {
            Cell::Number(number, _) => Some(*number),
            Cell::Text(text) => text.trim().parse::<f64>().ok(),
            Cell::Null => None,
        };
        let Some(number) = number.filter(|number| !number.is_nan()) else {
            let shown = clean(cell.text().unwrap_or("NULL"), SHOWN);
            return Err(failed(format!("{name} is {shown}, expected a number")));
        };
        rec.judge("value", FailureReason::Threshold, number, levels);
        Ok(())
    }
}

/// Equal as text, or as numbers where both are.
fn equals(cell: &Cell, wanted: &str) -> bool {
    match cell {
        Cell::Null => wanted == "NULL",
        Cell::Text(text) => text == wanted,
        Cell::Number(number, text) => {
            text == wanted || wanted.parse::<f64>().is_ok_and(|wanted| wanted == *number)
        }
    }
}

fn failed(message: String) -> CheckFailure {
    CheckFailure::new(FailureReason::Assertion, message)
}
