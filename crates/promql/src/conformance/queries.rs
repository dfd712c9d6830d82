//! Queries with the answers a real Prometheus gave over a fixed data set, one JSON object per line.

use std::time::Duration;

use breakwatch_model::{CancelToken, Labels, Sample, Timestamp};
use serde::Deserialize;

use super::compare::almost_equal;
use super::{Report, open_metrics};
use crate::number::parse_float;
use crate::testing::MemoryStore;
use crate::{Engine, EngineOptions, QueryError, Series, Value, VectorSample};

/// The relative tolerance of the compliance tester.
const EPSILON: f64 = 1e-5;

#[derive(Deserialize)]
struct Line {
    query: String,
    instant: Answer,
    range: Answer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    error_type: Option<String>,
    result_type: Option<String>,
    #[serde(default)]
    result: serde_json::Value,
}

/// One series of an answer.
#[derive(Deserialize)]
struct Item {
    metric: Labels,
    value: Option<Point>,
    #[serde(default)]
    values: Vec<Point>,
}

#[derive(Deserialize)]
struct Point(f64, String);

/// The times at which the answers were recorded.
const INSTANT: Timestamp = Timestamp::from_secs(1_700_003_000);
const RANGE_END: Timestamp = Timestamp::from_secs(1_700_004_200);
const RANGE_STEP: Duration = Duration::from_secs(120);

/// Compares this engine's answers with the recorded ones, one case for the instant and one for the range form
/// of each query. `expected` is the recorded file, `data` the data set in OpenMetrics text.
///
/// # Errors
/// Input that is not of the form described above.
pub fn run_queries(expected: &str, data: &str) -> Result<Report, String> {
    let store = MemoryStore::new();
    open_metrics::load(data, &store)?;
    // The answers are those of a Prometheus 2.
    let engine = Engine::new(EngineOptions { prometheus2_extrapolation: true, ..EngineOptions::default() });
    let mut report = Report::default();
    for (index, line) in expected.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line =
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", index + 1))?;
        for (form, answer) in [("instant", &line.instant), ("range", &line.range)] {
            let got = evaluate(&engine, &store, &line.query, form == "instant");
            match compare(&line.query, answer, &got) {
                Ok(()) => report.passed += 1,
                Err(why) => {
                    let text = format!("{}: {} ({form})\n    {why}", index + 1, line.query);
                    match got {
                        Err(QueryError::Unsupported(_)) => report.refusals.push(text),
                        _ => report.failures.push(text),
                    }
                }
            }
        }
    }
    Ok(report)
}

fn evaluate(engine: &Engine, store: &MemoryStore, query: &str, instant: bool) -> Result<Value, QueryError> {
    let (query, cancel) = (engine.prepare(query)?, CancelToken::new());
    let result = if instant {
        engine.instant(store, &query, INSTANT, &cancel)?
    } else {
        engine.range(store, &query, INSTANT, RANGE_END, RANGE_STEP, &cancel)?
    };
    Ok(result.value)
}

/// Label names outside the classic form are accepted as Prometheus 3 does; 2.42, which gave the answers,
/// refused them.
fn newly_accepted(query: &str) -> bool {
    query.contains("~invalid")
}

fn compare(query: &str, answer: &Answer, got: &Result<Value, QueryError>) -> Result<(), String> {
    match (&answer.error_type, got) {
        (Some(_), Err(_)) => Ok(()),
        (Some(_), Ok(_)) if newly_accepted(query) => Ok(()),
        (Some(kind), Ok(got)) => Err(format!("expected an error of type {kind}, got {got:?}")),
        (None, Err(error)) => Err(format!("expected an answer, got error: {error}")),
        (None, Ok(got)) => {
            let (wanted, kind) = (&answer.result, answer.result_type.as_deref().unwrap_or_default());
            if kind != got.type_name() {
                return Err(format!("expected a {kind}, got a {}", got.type_name()));
            }
            values(query, wanted, got)
        }
    }
}

fn values(query: &str, wanted: &serde_json::Value, got: &Value) -> Result<(), String> {
    let unreadable = |error: serde_json::Error| format!("the recorded answer cannot be read: {error}");
    match got {
        Value::Scalar(got) => {
            let point: Point = serde_json::from_value(wanted.clone()).map_err(unreadable)?;
            points(std::slice::from_ref(&point), std::slice::from_ref(got))
        }
        Value::String(_, got) => {
            let point: Point = serde_json::from_value(wanted.clone()).map_err(unreadable)?;
            if point.1 == *got { Ok(()) } else { Err(format!("expected {:?}, got {got:?}", point.1)) }
        }
        Value::Vector(got) => {
            let items: Vec<Item> = serde_json::from_value(wanted.clone()).map_err(unreadable)?;
            vector(is_ordered(query), &items, got)
        }
        Value::Matrix(got) => {
            let items: Vec<Item> = serde_json::from_value(wanted.clone()).map_err(unreadable)?;
            matrix(&items, got)
        }
    }
}

/// Whether the order of an instant answer counts.
fn is_ordered(query: &str) -> bool {
    ["topk", "bottomk", "sort"].iter().any(|name| query.starts_with(name)) && !query.contains("by")
}

fn vector(ordered: bool, wanted: &[Item], got: &[VectorSample]) -> Result<(), String> {
    if wanted.len() != got.len() {
        return Err(format!("expected {} elements, got {}: {got:?}", wanted.len(), got.len()));
    }
    for (place, item) in wanted.iter().enumerate() {
        let found = if ordered {
            got.get(place).filter(|element| element.labels == item.metric)
        } else {
            got.iter().find(|element| element.labels == item.metric)
        };
        let Some(found) = found else {
            return Err(format!("missing {} (or not at place {place}): {got:?}", item.metric));
        };
        points(item.value.as_slice(), std::slice::from_ref(&found.sample))
            .map_err(|why| format!("{}: {why}", item.metric))?;
    }
    Ok(())
}

fn matrix(wanted: &[Item], got: &[Series]) -> Result<(), String> {
    if wanted.len() != got.len() {
        return Err(format!("expected {} series, got {}: {got:?}", wanted.len(), got.len()));
    }
    for item in wanted {
        let Some(found) = got.iter().find(|series| series.labels == item.metric) else {
            return Err(format!("missing {}", item.metric));
        };
        points(&item.values, &found.samples).map_err(|why| format!("{}: {why}", item.metric))?;
    }
    Ok(())
}

fn points(wanted: &[Point], got: &[Sample]) -> Result<(), String> {
    if wanted.len() != got.len() {
        return Err(format!("expected {} points, got {got:?}", wanted.len()));
    }
    for (Point(time, text), got) in wanted.iter().zip(got) {
        let value = parse_float(text).ok_or_else(|| format!("recorded value {text:?}"))?;
        let same_time = Timestamp::from_secs_f64(*time) == got.t;
        if !same_time || !almost_equal(value, got.v, EPSILON) {
            return Err(format!("expected {text} at {time}, got {got:?}"));
        }
    }
    Ok(())
}
