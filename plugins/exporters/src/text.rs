//! Prometheus' text format 0.0.4 and OpenMetrics 1.0: what `/metrics` answers.
//!
//! A writer of our own, because the library writers want to own the metrics. Families of one name that come
//! from several checks stand under one header; what a strict reader would refuse (a series twice, a histogram
//! without its last bucket) is left out rather than spoil the whole answer.

mod accept;
mod family;
mod number;
mod openmetrics;
mod plain;

use breakwatch_model::{Labels, MetricFamily};

pub use accept::{Format, negotiate};
pub use openmetrics::write_openmetrics;
pub use plain::write_text;

/// Families in the format asked for.
#[must_use]
pub fn write<'f>(format: Format, families: impl IntoIterator<Item = &'f MetricFamily>) -> Vec<u8> {
    match format {
        Format::Text => write_text(families),
        Format::OpenMetrics => write_openmetrics(families),
    }
}

/// Room for a series, in bytes, so that the buffer is not copied as it grows: measured at 142 on average.
const BYTES_PER_POINT: usize = 160;

/// A metric or label name as the formats allow it: other characters become `_`, as `escaping=underscores` says.
fn write_name(out: &mut Vec<u8>, name: &str, colons: bool) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    if name.chars().next().is_none_or(|first| first.is_ascii_digit()) {
        out.push(b'_');
    }
    if name.chars().all(allowed) {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.extend(name.chars().map(|c| if allowed(c) { c as u8 } else { b'_' }));
    }
}

/// `{name="value",…}`; nothing when there are no labels. `le` is given apart, so that a bucket's bound can be
/// written as its format wants it.
fn write_labels(out: &mut Vec<u8>, labels: &Labels, bound: Option<&str>) {
    let mut separator = b'{';
    let mut pair = |out: &mut Vec<u8>, name: &str, value: &str| {
        out.push(separator);
        separator = b',';
        write_name(out, name, false);
        out.extend_from_slice(b"=\"");
        write_escaped(out, value, true);
        out.push(b'"');
    };
    for (name, value) in labels.iter() {
        if name != "__name__" && !(bound.is_some() && name == "le") {
            pair(out, name, value);
        }
    }
    if let Some(bound) = bound {
        pair(out, "le", bound);
    }
    if separator == b',' {
        out.push(b'}');
    }
}

/// Text with `\`, line breaks and (if asked) quotes escaped.
fn write_escaped(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}
