//! The notation in which tests write series: `name{label="value"} 0 1+2x3 _ stale`.
//!
//! `a+bxn` and `a-bxn` are n + 1 values that grow by b, `axn` is a n + 1 times, `_` is no sample, `_xn` n of
//! them, `stale` the staleness marker. Rule unit tests and the conformance scripts use it.

use breakwatch_model::{Labels, stale_nan};

use crate::parser::{ParseError, parse_metric_prefix};
use crate::span::{Span, line_and_column};

/// The most values one series description may make: bounds memory for `1x999999999999`.
const MAX_VALUES: usize = 10_000_000;

/// One step of a described series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SequenceValue {
    /// A sample, possibly a staleness marker.
    Value(f64),
    /// No sample at this step.
    Omitted,
}

/// Reads a series with its values.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse_series(text: &str) -> Result<(Labels, Vec<SequenceValue>), ParseError> {
    let (labels, after) = parse_metric_prefix(text)?;
    let values = parse_values_at(text, after)?;
    Ok((labels, values))
}

/// Reads a series without values: `name{label="value"}`.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse_metric(text: &str) -> Result<Labels, ParseError> {
    let (labels, after) = parse_metric_prefix(text)?;
    if text[after..].trim().is_empty() {
        return Ok(labels);
    }
    Err(error(text, after, "unexpected text after the metric"))
}

/// Reads only the values: `0 1+2x3 _ stale`.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse_values(text: &str) -> Result<Vec<SequenceValue>, ParseError> {
    parse_values_at(text, 0)
}

fn parse_values_at(text: &str, mut at: usize) -> Result<Vec<SequenceValue>, ParseError> {
    let mut values = Vec::new();
    if text[at..].starts_with(|c: char| !c.is_ascii_whitespace()) && at > 0 {
        return Err(error(text, at, "expected a space before the values"));
    }
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        at += rest.len() - trimmed.len();
        let length = trimmed.find([' ', '\t', '\n', '\r']).unwrap_or(trimmed.len());
        if length == 0 {
            return Ok(values);
        }
        item(&trimmed[..length], &mut values).map_err(|message| error(text, at, &message))?;
        at += length;
    }
}

/// One item of a sequence.
fn item(text: &str, out: &mut Vec<SequenceValue>) -> Result<(), String> {
    if text.starts_with("{{") {
        return Err("native histograms are not supported".to_owned());
    }
    if text == "stale" {
        out.push(SequenceValue::Value(stale_nan()));
        return Ok(());
    }
    let bad = || format!("unexpected {} in series values", crate::quote::quote(text));
    let (body, times) = match text.rsplit_once('x') {
        Some((body, times)) => {
            let parsed: Result<usize, _> = times.parse();
            (
                body,
                Some(parsed.map_err(|_| {
                    format!("invalid repetition in series values: {}", crate::quote::quote(times))
                })?),
            )
        }
        None => (text, None),
    };
    if out.len().saturating_add(times.unwrap_or(0)) >= MAX_VALUES {
        return Err(format!("a series may have at most {MAX_VALUES} values"));
    }
    if body == "_" {
        out.extend(std::iter::repeat_n(SequenceValue::Omitted, times.unwrap_or(1)));
        return Ok(());
    }
    let split = increment_start(body);
    let (start, increment) = body.split_at(split);
    let mut value = number(start).ok_or_else(bad)?;
    match (increment.is_empty(), times) {
        (true, times) => {
            out.extend(std::iter::repeat_n(SequenceValue::Value(value), times.unwrap_or(0) + 1));
        }
        (false, None) => return Err(bad()),
        (false, Some(times)) => {
            let increment = number(increment).ok_or_else(bad)?;
            for _ in 0..=times {
                out.push(SequenceValue::Value(value));
                value += increment;
            }
        }
    }
    Ok(())
}

/// Where the sign of the increment stands: the first sign that neither starts the number nor its exponent.
fn increment_start(body: &str) -> usize {
    let bytes = body.as_bytes();
    let sign = |at: &usize| {
        let exponent = matches!(bytes.get(at - 1), Some(b'e' | b'E'))
            && bytes.first().is_some_and(|first| !first.is_ascii_alphabetic());
        matches!(bytes.get(*at), Some(b'+' | b'-')) && !exponent
    };
    (1..bytes.len()).find(sign).unwrap_or(bytes.len())
}

fn number(text: &str) -> Option<f64> {
    crate::number::parse_number(text).ok()
}

fn error(text: &str, at: usize, message: &str) -> ParseError {
    let (line, column) = line_and_column(text, at);
    ParseError { message: message.to_owned(), span: Span::new(at, text.len()), line, column }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SequenceValue::{Omitted, Value};

    fn values(text: &str) -> Vec<SequenceValue> {
        parse_values(text).unwrap()
    }

    #[test]
    fn sequences_expand() {
        assert_eq!(values("1 -2.5 1e3"), [Value(1.0), Value(-2.5), Value(1000.0)]);
        assert_eq!(values("1x2"), [Value(1.0); 3]);
        assert_eq!(values("1+2x2 5-1x1"), [1.0, 3.0, 5.0, 5.0, 4.0].map(Value));
        assert_eq!(values("-1-2x1 -1e-1+1e+0x1"), [-1.0, -3.0, -0.1, 0.9].map(Value));
        assert_eq!(values("_ _x2"), [Omitted; 3]);
        assert!(matches!(values("stale")[0], Value(v) if breakwatch_model::is_stale(v)));
        assert!(
            matches!(values("NaN Inf -Inf").as_slice(), [Value(a), Value(b), Value(_)] if a.is_nan() && b.is_infinite())
        );
    }

    #[test]
    fn series_have_labels_and_values() {
        let (labels, found) = parse_series("a:b{x=\"1\", \"y z\"=\"2\"} 1 2").unwrap();
        assert_eq!(labels, Labels::from_pairs([("__name__", "a:b"), ("x", "1"), ("y z", "2")]));
        assert_eq!(found, [Value(1.0), Value(2.0)]);
        assert_eq!(parse_series("{} 1").unwrap().0, Labels::empty());
        assert_eq!(parse_metric("{\"my.metric\"}").unwrap().metric_name(), "my.metric");
        assert_eq!(parse_metric("up").unwrap().metric_name(), "up");
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at) in [("a{x=\"1\" 1", "1:9"), ("a 1 b", "1:5"), ("a 1+2", "1:3"), ("a 1x2x", "1:3")] {
            assert!(
                parse_series(text).unwrap_err().to_string().starts_with(at),
                "{text}: {}",
                parse_series(text).unwrap_err()
            );
        }
        assert!(parse_values("1x99999999999").is_err());
    }
}
