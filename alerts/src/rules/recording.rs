//! A recording rule: the result of an expression becomes series.

use std::collections::HashSet;
use std::time::Duration;

use breakwatch_model::{Labels, METRIC_NAME, Sample, Timestamp};
use breakwatch_promql::{Value, VectorSample};

use super::RecordConfig;
use super::output::Environment;

/// The rule's series at `at` minus `offset`.
///
/// # Errors
/// The expression failed, two series came out the same, or there are more than `limit`.
pub(super) fn evaluate(
    rule: &RecordConfig,
    at: Timestamp,
    offset: Duration,
    limit: usize,
    env: &Environment<'_>,
) -> Result<Vec<(Labels, Sample)>, String> {
    let vector = query(env, &rule.query, at - offset)?;
    let mut seen = HashSet::with_capacity(vector.len());
    let mut samples = Vec::with_capacity(vector.len());
    for element in vector {
        let mut labels = element.labels.to_builder();
        labels.set(METRIC_NAME, &*rule.name);
        for (name, value) in rule.labels.pairs() {
            labels.set(name.clone(), value.clone());
        }
        let labels = labels.build();
        if !seen.insert(labels.clone()) {
            return Err(
                "vector contains metrics with the same labelset after applying rule labels".to_owned()
            );
        }
        samples.push((labels, element.sample));
    }
    if limit > 0 && samples.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", samples.len()));
    }
    Ok(samples)
}

/// The expression's elements; a scalar counts as one element without labels.
pub(super) fn query(
    env: &Environment<'_>,
    query: &breakwatch_promql::Prepared,
    at: Timestamp,
) -> Result<Vec<VectorSample>, String> {
    let result = env.engine.instant(env.store, query, at, env.cancel).map_err(|error| error.to_string())?;
    match result.value {
        Value::Vector(vector) => Ok(vector),
        Value::Scalar(sample) => Ok(vec![VectorSample { labels: Labels::empty(), sample }]),
        _ => Err("rule result is not a vector or scalar".to_owned()),
    }
}
