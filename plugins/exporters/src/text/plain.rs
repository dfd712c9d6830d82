//! Text format 0.0.4.

use breakwatch_model::{MetricFamily, Point, Suffix};

use super::family::{Content, Family, Histogram, collect};
use super::number::write_value;
use super::{BYTES_PER_POINT, write_escaped, write_labels, written_name};

/// Families as text format 0.0.4, sorted by name and labels.
#[must_use]
pub fn write_text<'f>(families: impl IntoIterator<Item = &'f MetricFamily>) -> Vec<u8> {
    let (families, points) = collect(families);
    let mut out = Vec::with_capacity(points * BYTES_PER_POINT);
    for family in &families {
        write_family(&mut out, family);
    }
    out
}

fn write_family(out: &mut Vec<u8>, family: &Family<'_>) {
    let name = &written_name(family.name);
    if !family.meta.help.is_empty() {
        out.extend_from_slice(b"# HELP ");
        out.extend_from_slice(name);
        out.push(b' ');
        write_escaped(out, &family.meta.help, false);
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    out.extend_from_slice(name);
    out.push(b' ');
    out.extend_from_slice(family.meta.kind.text_type().as_bytes());
    out.push(b'\n');
    match &family.content {
        Content::Plain(points) => points.iter().for_each(|point| write_point(out, name, point)),
        Content::Histograms(histograms) => {
            histograms.iter().for_each(|histogram| write_histogram(out, name, histogram));
        }
        Content::Summaries(summaries) => {
            for summary in summaries {
                let points = summary.quantiles.iter().chain(&summary.sum).chain(&summary.count);
                points.for_each(|point| write_point(out, name, point));
            }
        }
    }
}

fn write_point(out: &mut Vec<u8>, name: &[u8], point: &Point) {
    out.extend_from_slice(name);
    out.extend_from_slice(point.suffix.as_str().as_bytes());
    write_labels(out, &point.labels, None);
    write_end(out, point.value);
}

fn write_histogram(out: &mut Vec<u8>, name: &[u8], histogram: &Histogram<'_>) {
    for (_, labels, value) in &histogram.buckets {
        out.extend_from_slice(name);
        out.extend_from_slice(Suffix::Bucket.as_str().as_bytes());
        write_labels(out, labels, Some(labels.value("le")));
        write_end(out, *value);
    }
    for (suffix, value) in [(Suffix::Sum, histogram.sum), (Suffix::Count, Some(histogram.count))] {
        let Some(value) = value else { continue };
        out.extend_from_slice(name);
        out.extend_from_slice(suffix.as_str().as_bytes());
        write_labels(out, histogram.labels, None);
        write_end(out, value);
    }
}

fn write_end(out: &mut Vec<u8>, value: f64) {
    out.push(b' ');
    write_value(out, value);
    out.push(b'\n');
}
