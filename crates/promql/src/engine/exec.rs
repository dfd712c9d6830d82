//! Running a plan.
//!
//! Operators hand each other one series at a time, as a column of values with the series' labels. A consumer
//! that needs everything at once (one side of a vector match, a ranking) collects; all others work on the
//! column they are given and pass it on.

mod absent;
mod aggregate;
pub(super) mod arithmetic;
mod chain;
mod column;
mod date;
mod histogram;
mod info;
mod join;
mod label;
mod map;
mod merge;
mod meta;
mod natural;
mod quantile;
mod range;
mod scalar;
mod select;
mod set;
mod signature;
mod sort;
mod subquery;
mod vector;
mod window;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use breakwatch_model::{CancelToken, Queryable, Sample, Selector, Timestamp};

use super::EngineOptions;
use super::annotation::{Collected, Severity};
use super::error::QueryError;
use super::plan::QueryTimes;
use super::plan::{MatrixSource, Plan, Vector};
use super::prepared::Prepared;
use super::value::{QueryResult, SampleCounts, Series, Value, VectorSample};
use crate::ast::AtModifier;
use crate::span::Span;
pub(super) use column::Grid;
use column::{Column, Owned, is_absent};
use meta::Meta;

pub(super) type Eval<T> = Result<T, QueryError>;

/// Takes one series after the other.
type Sink<'s> = dyn FnMut(Column<'_>) -> Eval<()> + 's;

/// The state of one evaluation.
pub(super) struct Evaluator<'a> {
    options: &'a EngineOptions,
    store: &'a dyn Queryable,
    query: &'a Prepared,
    /// The evaluation times of the whole query.
    grid: Grid,
    times: QueryTimes,
    cancel: &'a CancelToken,
    annotations: RefCell<Collected>,
    /// How many samples are held in memory, and how many were at most.
    held: Cell<usize>,
    peak: Cell<usize>,
    /// How many samples selectors gave.
    looked_at: Cell<u64>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        options: &'a EngineOptions,
        store: &'a dyn Queryable,
        query: &'a Prepared,
        grid: Grid,
        cancel: &'a CancelToken,
    ) -> Self {
        let times = QueryTimes {
            step: if grid.len() == 1 && grid.is_instant() { 0.0 } else { grid.step() as f64 / 1000.0 },
            range: (grid.end() - grid.start()) as f64 / 1000.0,
        };
        Self {
            options,
            store,
            query,
            grid,
            times,
            cancel,
            annotations: RefCell::default(),
            held: Cell::new(0),
            peak: Cell::new(0),
            looked_at: Cell::new(0),
        }
    }

    /// The result with what is known of its making.
    pub(super) fn finish(self, value: Value) -> QueryResult {
        let samples = SampleCounts { queryable: self.looked_at.get(), peak: self.peak.get() };
        QueryResult { value, annotations: self.annotations.into_inner().finish(self.query.text()), samples }
    }

    /// The value at the one time of the grid.
    pub(super) fn instant(&self, plan: &Plan) -> Eval<Value> {
        self.check()?;
        let at = Timestamp(self.grid.start());
        Ok(match plan {
            Plan::Scalar(scalar) => {
                let values = self.scalar(scalar, &self.grid)?;
                Value::Scalar(Sample::new(at, values.first().copied().unwrap_or(f64::NAN)))
            }
            Plan::String(text) => Value::String(at, text.clone()),
            Plan::Vector(vector) => {
                let series = self.final_series(vector)?;
                let sample = |owned: Owned| VectorSample {
                    labels: owned.labels,
                    sample: Sample::new(at, owned.values.first().copied().unwrap_or(f64::NAN)),
                };
                Value::Vector(series.into_iter().map(sample).collect())
            }
            Plan::Matrix(source) => Value::Matrix(self.raw_matrix(source)?),
        })
    }

    /// The values at all times of the grid.
    pub(super) fn range(&self, plan: &Plan) -> Eval<Value> {
        self.check()?;
        let grid = self.grid;
        let to_samples = |values: &[f64]| -> Vec<Sample> {
            let present = values.iter().enumerate().filter(|(_, value)| !is_absent(**value));
            present.map(|(step, value)| Sample::new(Timestamp(grid.time(step)), *value)).collect()
        };
        let mut series: Vec<Series> = match plan {
            Plan::Scalar(scalar) => {
                let values = self.scalar(scalar, &grid)?;
                vec![Series { labels: breakwatch_model::Labels::empty(), samples: to_samples(&values) }]
            }
            Plan::Vector(vector) => {
                let owned = self.final_series(vector)?;
                owned
                    .into_iter()
                    .map(|owned| Series { samples: to_samples(&owned.values), labels: owned.labels })
                    .collect()
            }
            Plan::Matrix(_) | Plan::String(_) => return Ok(Value::Matrix(Vec::new())),
        };
        series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Value::Matrix(series))
    }

    /// The series of the whole query, with names dropped as they must be and none without a value.
    fn final_series(&self, vector: &Vector) -> Eval<Vec<Owned>> {
        let mut series = self.collect(vector, &self.grid)?;
        series.retain(|owned| owned.values.iter().any(|value| !is_absent(*value)));
        if self.options.delayed_name_removal && series.iter().any(|owned| owned.drop_name) {
            for owned in series.iter_mut().filter(|owned| owned.drop_name) {
                owned.labels = meta::without_metadata(&owned.labels);
            }
            series = self.merge_same_labels(series)?;
        }
        Ok(series)
    }

    /// All series of a vector, each with its labels as they are at this point.
    fn collect(&self, vector: &Vector, grid: &Grid) -> Eval<Vec<Owned>> {
        let mut collected = Vec::new();
        self.vector(vector, grid, &mut |column| {
            if column.values.iter().all(|value| is_absent(*value)) {
                return Ok(());
            }
            self.hold(column.values.len())?;
            collected.push(Owned {
                labels: column.meta.labels(),
                drop_name: column.meta.drop_name,
                values: column.values.to_vec(),
            });
            Ok(())
        })?;
        Ok(collected)
    }

    /// Counts samples that are kept in memory.
    fn hold(&self, samples: usize) -> Eval<()> {
        let held = self.held.get() + samples;
        if held > self.options.max_samples {
            return Err(QueryError::too_many_samples());
        }
        self.held.set(held);
        self.peak.set(self.peak.get().max(held));
        Ok(())
    }

    /// Counts samples that a selector has given.
    fn look_at(&self, samples: usize) {
        self.looked_at.set(self.looked_at.get() + samples as u64);
    }

    fn release(&self, samples: usize) {
        self.held.set(self.held.get().saturating_sub(samples));
    }

    fn release_all(&self, series: &[Owned]) {
        self.release(series.iter().map(|owned| owned.values.len()).sum());
    }

    fn check(&self) -> Eval<()> {
        Ok(self.cancel.check()?)
    }

    fn warn(&self, text: impl Into<String>, span: Span) {
        self.annotations.borrow_mut().add(Severity::Warning, text.into(), span);
    }

    fn inform(&self, text: impl Into<String>, span: Span) {
        self.annotations.borrow_mut().add(Severity::Info, text.into(), span);
    }

    /// The series of a selector, if they are not too many.
    fn series(&self, slot: usize) -> Eval<Arc<Selector>> {
        let selector = self.query.series(slot, self.store, self.cancel)?;
        let (found, most) = (selector.series.len(), self.options.max_series);
        if found > most {
            return Err(QueryError::execution(format!(
                "a selector of the query names {found} series, at most {most} are allowed"
            )));
        }
        Ok(selector)
    }

    /// The fixed time of an `@` modifier.
    fn fixed_time(&self, at: Option<AtModifier>) -> Option<i64> {
        at.map(|at| match at {
            AtModifier::Time(millis) => millis,
            AtModifier::Start => self.grid.start(),
            AtModifier::End => self.grid.end(),
        })
    }

    const fn lookback(&self) -> i64 {
        self.options.lookback.as_millis() as i64
    }

    /// The samples a range or subquery selects at the one time of the query.
    fn raw_matrix(&self, source: &MatrixSource) -> Eval<Vec<Series>> {
        let mut series = Vec::new();
        self.windows(source, &self.grid, &mut |meta, windows| {
            let samples = windows.at(0)?.1.to_vec();
            if !samples.is_empty() {
                self.hold(samples.len())?;
                series.push(Series { labels: meta.labels(), samples });
            }
            Ok(())
        })?;
        series.sort_unstable_by(|a: &Series, b: &Series| a.labels.cmp(&b.labels));
        Ok(series)
    }
}
