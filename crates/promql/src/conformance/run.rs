//! Runs the commands of a script.

use std::time::Duration;

use breakwatch_model::{CancelToken, Labels, Timestamp};

use super::Report;
use super::at_variants::at_variants;
use super::compare::compare;
use super::script::{Case, Command, Expected, Load, Times, Wanted};
use crate::testing::MemoryStore;
use crate::{Annotations, Engine, Prepared, QueryError, QueryResult, Value, VectorSample};

/// Why a case did not pass.
enum Trouble {
    Failed(String),
    Refused(String),
}

pub(super) fn run(name: &str, commands: &[Command], engine: &Engine) -> Report {
    let mut runner = Runner { engine, store: MemoryStore::new(), unsupported: Vec::new() };
    let mut report = Report::default();
    for command in commands {
        match command {
            Command::Clear => {
                runner.store = MemoryStore::new();
                runner.unsupported.clear();
            }
            Command::Load(load) => runner.load(load),
            Command::Eval(case) => {
                let place = format!("{name}:{}: {}", case.line, case.query);
                match runner.case(case) {
                    Ok(()) => report.passed += 1,
                    Err(Trouble::Failed(why)) => report.failures.push(format!("{place}\n    {why}")),
                    Err(Trouble::Refused(why)) => report.refusals.push(format!("{place}\n    {why}")),
                }
            }
        }
    }
    report
}

struct Runner<'e> {
    engine: &'e Engine,
    store: MemoryStore,
    /// Loaded series the engine cannot hold.
    unsupported: Vec<Labels>,
}

impl Runner<'_> {
    fn load(&mut self, load: &Load) {
        for (labels, values) in &load.series {
            self.store.load_values(labels, values, Timestamp(0), load.step);
        }
        self.unsupported.extend(load.unsupported.iter().cloned());
    }

    fn case(&self, case: &Case) -> Result<(), Trouble> {
        if let Some(why) = &case.unsupported {
            return Err(Trouble::Refused(format!("expects {why}")));
        }
        let query = match self.engine.prepare(&case.query) {
            Ok(query) => query,
            Err(error) => return settle(case, &error),
        };
        if self.needs_unsupported(&query) {
            return Err(Trouble::Refused("selects native histograms or start timestamps".to_owned()));
        }
        match case.times {
            Times::Instant(at) => self.instant_case(case, &query, at),
            Times::Range { start, end, step } => {
                match self.engine.range(&self.store, &query, start, end, step, &CancelToken::new()) {
                    Ok(result) => check(case, &result, start, step),
                    Err(error) => settle(case, &error),
                }
            }
        }
    }

    fn needs_unsupported(&self, query: &Prepared) -> bool {
        query.expr().selectors().iter().any(|selector| {
            self.unsupported
                .iter()
                .any(|labels| selector.matchers.iter().all(|matcher| matcher.matches_labels(labels)))
        })
    }

    /// An instant case is run as it is, pinned by `@` at other times, and each time as the middle of a range.
    fn instant_case(&self, case: &Case, query: &Prepared, at: Timestamp) -> Result<(), Trouble> {
        self.instant(case, query, at)?;
        let Some((pinned, times)) = at_variants(&case.query, at) else { return Ok(()) };
        let within = |trouble| match trouble {
            Trouble::Failed(why) => Trouble::Failed(format!("as {pinned}: {why}")),
            refused => refused,
        };
        let query = match self.engine.prepare(&pinned) {
            Ok(query) => query,
            Err(error) => return settle(case, &error).map_err(within),
        };
        for at in times {
            self.instant(case, &query, at).map_err(within)?;
        }
        Ok(())
    }

    fn instant(&self, case: &Case, query: &Prepared, at: Timestamp) -> Result<(), Trouble> {
        let cancel = CancelToken::new();
        let result = match self.engine.instant(&self.store, query, at, &cancel) {
            Ok(result) => result,
            Err(error) => return settle(case, &error),
        };
        check(case, &result, at, Duration::ZERO)?;
        // The order and the times of the query differ between the forms; ranges and texts have no range form.
        let ranged = matches!(result.value, Value::Scalar(_) | Value::Vector(_));
        let about_query =
            ["start()", "end()", "step()", "range()"].iter().any(|word| case.query.contains(word));
        if !ranged || case.ordered || about_query {
            return Ok(());
        }
        let minute = Duration::from_secs(60);
        let range = self.engine.range(&self.store, query, at - minute, at + minute, minute, &cancel);
        let value = match range.map(|result| result.value) {
            Ok(Value::Matrix(series)) => middle(series, at, &result.value),
            Ok(other) => other,
            Err(error) => return Err(Trouble::Failed(format!("as a range query: {error}"))),
        };
        compare(&case.expected, false, &value, at, Duration::ZERO)
            .map_err(|why| Trouble::Failed(format!("as a range query: {why}")))
    }
}

/// The part of a range query's value at one time, as an instant query would have given it.
fn middle(series: Vec<crate::Series>, at: Timestamp, like: &Value) -> Value {
    let at_time = |series: crate::Series| {
        let sample = series.samples.iter().find(|sample| sample.t == at).copied()?;
        Some(VectorSample { labels: series.labels, sample })
    };
    let vector: Vec<VectorSample> = series.into_iter().filter_map(at_time).collect();
    match (like, vector.first()) {
        (Value::Scalar(_), Some(only)) => Value::Scalar(only.sample),
        _ => Value::Vector(vector),
    }
}

/// An error is what some cases want; a clear refusal is told apart from a wrong error.
fn settle(case: &Case, error: &QueryError) -> Result<(), Trouble> {
    match (&case.expected, error) {
        (Expected::Fail(None), _) => Ok(()),
        (Expected::Fail(Some(text)), error) if text.matches(&error.to_string()) => Ok(()),
        (_, QueryError::Unsupported(_) | QueryError::Parse(_)) => Err(Trouble::Refused(error.to_string())),
        (expected, error) => Err(Trouble::Failed(format!("expected {expected:?}, got error: {error}"))),
    }
}

fn check(case: &Case, result: &QueryResult, start: Timestamp, step: Duration) -> Result<(), Trouble> {
    if let Expected::Fail(_) = case.expected {
        return Err(Trouble::Failed(format!("expected an error, got {:?}", result.value)));
    }
    compare(&case.expected, case.ordered, &result.value, start, step).map_err(Trouble::Failed)?;
    let Annotations { warnings, infos } = &result.annotations;
    annotations("warning", &case.warn, warnings)?;
    annotations("info", &case.info, infos)
}

fn annotations(what: &str, wanted: &Wanted, got: &[String]) -> Result<(), Trouble> {
    let fail = |why: String| Err(Trouble::Failed(why));
    if wanted.none && !got.is_empty() {
        return fail(format!("expected no {what}, got {got:?}"));
    }
    if wanted.any && got.is_empty() {
        return fail(format!("expected a {what}, got none"));
    }
    match wanted.texts.iter().find(|text| !got.iter().any(|got| text.matches(got))) {
        Some(text) => fail(format!("expected {what} {text:?}, got {got:?}")),
        None => Ok(()),
    }
}
