//! The query engine: prepares an expression once, evaluates it at one time or over a grid of times.
//!
//! Evaluation is column by column: a *column* holds one series' values at all evaluation times, so each
//! series is read from the store once, functions run as tight loops, and aggregations add each column to their
//! groups and drop it. What is held in memory is the result (or what an operator must see as a whole, such as
//! one side of a vector match) plus one window of samples, never the selected range.

mod annotation;
mod error;
mod exec;
mod plan;
mod prepared;
mod value;

use std::time::Duration;

use breakwatch_model::{CancelToken, Queryable, Timestamp};

pub use annotation::Annotations;
pub use error::{ErrorType, QueryError};
pub use prepared::Prepared;
pub use value::{QueryResult, SampleCounts, Series, Value, VectorSample};

use crate::ast::ValueType;
use crate::parser::ParseOptions;
use exec::{Evaluator, Grid};

/// Limits and semantics of an engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How old the last sample of a series may be for an instant selector to take it.
    pub lookback: Duration,
    /// How many samples a query may hold in memory at once.
    pub max_samples: usize,
    /// How many series one selector may name.
    pub max_series: usize,
    /// How many points per series a range query may ask for.
    pub max_points: usize,
    /// The resolution of subqueries that do not say one; Prometheus takes its evaluation interval.
    pub subquery_step: Duration,
    /// Whether metric names are dropped at the end of the query instead of by each operation
    /// (Prometheus' feature flag `promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Whether `rate` and `increase` extrapolate to the left edge as Prometheus 2 did: it compared the time at
    /// which a counter would have been zero with the distance to the edge before it limited that distance.
    /// Only for comparing answers with an old Prometheus.
    pub prometheus2_extrapolation: bool,
    /// What the parser accepts.
    pub parse: ParseOptions,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            // 160 MB of values; Prometheus' 50 million take 800 MB there.
            max_samples: 20_000_000,
            max_series: 1_000_000,
            max_points: 11_000,
            subquery_step: Duration::from_secs(60),
            delayed_name_removal: false,
            prometheus2_extrapolation: false,
            parse: ParseOptions::default(),
        }
    }
}

/// Evaluates queries. Holds nothing but its options; one engine serves any number of threads.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    options: EngineOptions,
}

impl Engine {
    /// An engine with these limits.
    #[must_use]
    pub const fn new(options: EngineOptions) -> Self {
        Self { options }
    }

    /// The engine's limits.
    #[must_use]
    pub const fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Parses and checks a query, for evaluating it any number of times.
    ///
    /// # Errors
    /// [`QueryError::Parse`].
    pub fn prepare(&self, text: &str) -> Result<Prepared, QueryError> {
        let expr = crate::parser::parse_with(text, &self.options.parse)?;
        Prepared::new(text.to_owned(), expr)
    }

    /// The value of the query at one time.
    ///
    /// # Errors
    /// What the query or its data do not allow, a limit, the store, or the token saying stop.
    pub fn instant(
        &self,
        store: &dyn Queryable,
        query: &Prepared,
        at: Timestamp,
        cancel: &CancelToken,
    ) -> Result<QueryResult, QueryError> {
        let evaluator = Evaluator::new(&self.options, store, query, Grid::instant(at.0), cancel);
        let value = evaluator.instant(query.root())?;
        Ok(evaluator.finish(value))
    }

    /// The values of the query from `start` to `end`, every `step`.
    ///
    /// # Errors
    /// As [`Engine::instant`], and for ranges, strings, a step of zero, an end before the start or too many
    /// points.
    pub fn range(
        &self,
        store: &dyn Queryable,
        query: &Prepared,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        cancel: &CancelToken,
    ) -> Result<QueryResult, QueryError> {
        let value_type = query.expr().value_type();
        if !matches!(value_type, ValueType::Scalar | ValueType::Vector) {
            return Err(QueryError::BadData(format!(
                "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                value_type.documented()
            )));
        }
        let grid = self.grid(start, end, step)?;
        let evaluator = Evaluator::new(&self.options, store, query, grid, cancel);
        let value = evaluator.range(query.root())?;
        Ok(evaluator.finish(value))
    }

    fn grid(&self, start: Timestamp, end: Timestamp, step: Duration) -> Result<Grid, QueryError> {
        let bad = |message: &str| Err(QueryError::BadData(message.to_owned()));
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        if step <= 0 {
            return bad(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            );
        }
        if end < start {
            return bad("end timestamp must not be before start time");
        }
        let steps = end.0.saturating_sub(start.0) / step;
        if usize::try_from(steps).map_or(true, |steps| steps > self.options.max_points) {
            let most = with_thousands(self.options.max_points);
            return bad(&format!(
                "exceeded maximum resolution of {most} points per timeseries. Try decreasing the query resolution (?step=XX)"
            ));
        }
        Ok(Grid::new(start.0, step, steps as usize + 1))
    }
}

/// `11000` as `11,000`.
fn with_thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
