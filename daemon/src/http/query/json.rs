//! Answers of the query API, written straight into the body: ten thousand series are not worth a tree of values.

use std::fmt::Write as _;
use std::time::Duration;

use breakwatch_model::{Labels, Sample, Timestamp};
use breakwatch_promql::number::write_value;
use breakwatch_promql::{Annotations, QueryResult, SampleCounts, Value};

/// Prometheus sends at most this many annotations of each kind.
const MAX_ANNOTATIONS: usize = 10;

/// The warning of an answer that a limit has cut.
pub(in crate::http) const TRUNCATED: &str = "results truncated due to limit";

/// How long the parts of a query took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timings {
    /// Reading the query.
    pub(super) preparation: Duration,
    /// Waiting for a thread.
    pub(super) queue: Duration,
    /// Evaluating, sorting included.
    pub(super) evaluation: Duration,
    /// All of it.
    pub(super) total: Duration,
}

/// The whole answer; `limit` (0: none) bounds the number of series. With `timings` the answer has statistics.
#[must_use]
pub(super) fn answer(result: QueryResult, limit: usize, timings: Option<Timings>) -> Vec<u8> {
    let mut annotations = result.annotations;
    let mut out = String::with_capacity(1024);
    out.push_str(r#"{"status":"success","data":{"resultType":""#);
    out.push_str(result.value.type_name());
    out.push_str(r#"","result":"#);
    let cut = write_result(&mut out, &result.value, limit);
    if let Some(timings) = timings {
        write_stats(&mut out, timings, result.samples);
    }
    out.push('}');
    if cut {
        annotations.warnings.push(TRUNCATED.to_owned());
    }
    write_annotations(&mut out, &annotations);
    out.push('}');
    out.into_bytes()
}

/// Statistics under the names Prometheus gives them. Sorting is part of the evaluation here.
fn write_stats(out: &mut String, timings: Timings, samples: SampleCounts) {
    let stats = serde_json::json!({
        "timings": {
            "evalTotalTime": (timings.preparation + timings.evaluation).as_secs_f64(),
            "resultSortTime": 0,
            "queryPreparationTime": timings.preparation.as_secs_f64(),
            "innerEvalTime": timings.evaluation.as_secs_f64(),
            "execQueueTime": timings.queue.as_secs_f64(),
            "execTotalTime": timings.total.as_secs_f64(),
        },
        "samples": { "totalQueryableSamples": samples.queryable, "peakSamples": samples.peak },
    });
    let _ = write!(out, r#","stats":{stats}"#);
}

/// Writes the value; says whether the limit cut something.
fn write_result(out: &mut String, value: &Value, limit: usize) -> bool {
    match value {
        Value::Scalar(sample) => write_sample(out, *sample),
        Value::String(at, text) => {
            out.push('[');
            write_time(out, *at);
            out.push(',');
            write_string(out, text);
            out.push(']');
        }
        Value::Vector(samples) => {
            return write_list(out, samples, limit, |out, item| {
                out.push_str(r#"{"metric":"#);
                write_labels(out, &item.labels);
                out.push_str(r#","value":"#);
                write_sample(out, item.sample);
                out.push('}');
            });
        }
        Value::Matrix(series) => {
            return write_list(out, series, limit, |out, item| {
                out.push_str(r#"{"metric":"#);
                write_labels(out, &item.labels);
                out.push_str(r#","values":"#);
                write_list(out, &item.samples, 0, |out, sample| write_sample(out, *sample));
                out.push('}');
            });
        }
    }
    false
}

fn write_list<T>(out: &mut String, items: &[T], limit: usize, write: impl Fn(&mut String, &T)) -> bool {
    let shown = if limit == 0 { items.len() } else { items.len().min(limit) };
    out.push('[');
    for (i, item) in items.iter().take(shown).enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
    shown < items.len()
}

fn write_sample(out: &mut String, sample: Sample) {
    out.push('[');
    write_time(out, sample.t);
    out.push_str(",\"");
    write_value(out, sample.v);
    out.push_str("\"]");
}

/// Seconds, with exactly three digits behind the point when the milliseconds are not zero.
fn write_time(out: &mut String, time: Timestamp) {
    let (millis, sign) = (time.0.unsigned_abs(), if time.0 < 0 { "-" } else { "" });
    let _ = write!(out, "{sign}{}", millis / 1000);
    if millis % 1000 != 0 {
        let _ = write!(out, ".{:03}", millis % 1000);
    }
}

fn write_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_string(out, value);
    }
    out.push('}');
}

fn write_string(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    out.push('"');
    if text.bytes().all(plain) {
        out.push_str(text);
    } else {
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if (c as u32) < 0x20 => {
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                c => out.push(c),
            }
        }
    }
    out.push('"');
}

fn write_annotations(out: &mut String, annotations: &Annotations) {
    for (name, texts) in [("warnings", &annotations.warnings), ("infos", &annotations.infos)] {
        if texts.is_empty() {
            continue;
        }
        let _ = write!(out, r#","{name}":"#);
        let shown = &texts[..texts.len().min(MAX_ANNOTATIONS)];
        write_list(out, shown, 0, |out, text: &String| write_string(out, text));
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_promql::VectorSample;

    use super::*;

    #[test]
    fn an_answer_is_valid_json_with_prometheus_numbers() {
        let labels = Labels::from_pairs([("__name__", "up"), ("path", "C:\\\"x\"\n\u{1}")]);
        let sample = |t, v| VectorSample { labels: labels.clone(), sample: Sample::new(Timestamp(t), v) };
        let value =
            Value::Vector(vec![sample(1_700_000_000_120, 0.1), sample(4000, f64::INFINITY), sample(5, 1e21)]);
        let result =
            QueryResult { value, annotations: Annotations::default(), samples: SampleCounts::default() };
        let body: serde_json::Value = serde_json::from_slice(&answer(result, 2, None)).unwrap();
        assert_eq!(body["data"]["result"][0]["value"][0].to_string(), "1700000000.12");
        assert_eq!(body["data"]["result"][0]["value"][1], "0.1");
        assert_eq!(body["data"]["result"][1]["value"], serde_json::json!([4, "+Inf"]));
        assert_eq!(body["data"]["result"][0]["metric"]["path"], "C:\\\"x\"\n\u{1}");
        assert_eq!(body["warnings"], serde_json::json!([TRUNCATED]));
        assert_eq!(body["data"]["result"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_scalar_is_what_grafana_expects_of_its_test_query() {
        let value = Value::Scalar(Sample::new(Timestamp(4000), 2.0));
        let result =
            QueryResult { value, annotations: Annotations::default(), samples: SampleCounts::default() };
        let text = String::from_utf8(answer(result, 0, None)).unwrap();
        assert_eq!(text, r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#);
    }
}
