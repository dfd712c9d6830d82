//! What a family of each type may hold.

use std::collections::{HashMap, HashSet};

use crate::lines::{Sample, number};
use crate::reader::Family;

pub(crate) fn finite(number: f64) -> Result<f64, String> {
    if number.is_finite() { Ok(number) } else { Err(format!("{number} is no time")) }
}

pub(crate) fn known_kind(kind: &str, openmetrics: bool) -> Result<(), String> {
    let known: &[&str] = if openmetrics {
        &["unknown", "gauge", "counter", "stateset", "info", "histogram", "gaugehistogram", "summary"]
    } else {
        &["untyped", "gauge", "counter", "histogram", "summary"]
    };
    if known.contains(&kind) { Ok(()) } else { Err(format!("unknown type {kind:?}")) }
}

/// What samples of a type have behind the family's name.
fn suffixes(kind: &str, openmetrics: bool) -> &'static [&'static str] {
    match (kind, openmetrics) {
        ("counter", true) => &["_total", "_created"],
        ("info", true) => &["_info"],
        ("histogram", true) => &["_bucket", "_sum", "_count", "_created"],
        ("histogram", false) => &["_bucket", "_sum", "_count"],
        ("gaugehistogram", true) => &["_bucket", "_gsum", "_gcount"],
        ("summary", true) => &["", "_sum", "_count", "_created"],
        ("summary", false) => &["", "_sum", "_count"],
        _ => &[""],
    }
}

/// The names a family lays claim to.
pub(crate) fn names(family: &Family, openmetrics: bool) -> HashSet<String> {
    let mut names: HashSet<String> = suffixes(family.kind(), openmetrics)
        .iter()
        .map(|suffix| format!("{}{suffix}", family.name))
        .collect();
    names.insert(family.name.clone());
    names
}

/// Whether a sample of this name is one of the family's.
pub(crate) fn belongs(family: &Family, sample: &str, openmetrics: bool) -> bool {
    let own = suffixes(family.kind(), openmetrics);
    sample.strip_prefix(&*family.name).is_some_and(|suffix| own.contains(&suffix))
}

pub(crate) fn check(family: &Family, openmetrics: bool) -> Result<(), String> {
    let kind = family.kind();
    if matches!(kind, "info" | "stateset") && family.unit.as_deref().is_some_and(|unit| !unit.is_empty()) {
        return Err(format!("{kind} with a unit"));
    }
    for sample in &family.samples {
        if !belongs(family, &sample.name, openmetrics) {
            return Err(format!("{} is not of type {kind}", sample.name));
        }
        if openmetrics {
            check_sample(family, sample)?;
        }
    }
    if openmetrics {
        check_times(family)?;
        check_grouping(family)?;
    }
    check_unique(family)?;
    if matches!(kind, "histogram" | "gaugehistogram") {
        check_histograms(family, openmetrics)?;
    }
    Ok(())
}

fn check_sample(family: &Family, sample: &Sample) -> Result<(), String> {
    let suffix = sample.name.strip_prefix(&*family.name).unwrap_or("");
    let kind = family.kind();
    let exemplar =
        matches!((kind, suffix), ("counter", "_total") | ("histogram" | "gaugehistogram", "_bucket"));
    let counts = matches!(
        (kind, suffix),
        ("histogram", "_bucket" | "_count")
            | ("gaugehistogram", "_bucket" | "_gcount")
            | ("summary", "_count")
    );
    let value = sample.value;
    let refused = match (kind, suffix) {
        _ if sample.has_exemplar && !exemplar => Some("an exemplar where none may be"),
        _ if counts && (value.is_nan() || value < 0.0 || value.fract() != 0.0) => Some("not a count"),
        ("counter" | "histogram" | "summary", "_total" | "_sum") if value.is_nan() || value < 0.0 => {
            Some("a falling sum")
        }
        ("gaugehistogram", "_gsum") if value.is_nan() => Some("no sum"),
        ("info", _) if value != 1.0 => Some("an info that is not 1"),
        ("stateset", _) if value != 0.0 && value != 1.0 => Some("a state that is neither 0 nor 1"),
        ("stateset", _) if sample.label(&family.name).is_none() => Some("a state set without its label"),
        ("summary", "") => match sample.label("quantile").map(number) {
            Some(Ok(quantile)) if (0.0..=1.0).contains(&quantile) && (value.is_nan() || value >= 0.0) => None,
            _ => Some("a bad quantile"),
        },
        ("histogram" | "gaugehistogram", "_bucket") => match sample.label("le") {
            Some(le) if canonical(le) => None,
            _ => Some("a bad bound"),
        },
        _ => None,
    };
    refused.map_or(Ok(()), |why| Err(format!("{}: {why}", sample.name)))
}

/// Bounds have one text each: `1.0`, never `1`.
fn canonical(bound: &str) -> bool {
    bound == "+Inf"
        || bound == "-Inf"
        || number(bound).is_ok_and(f64::is_finite) && bound.contains(['.', 'e'])
}

fn check_unique(family: &Family) -> Result<(), String> {
    let mut seen = HashSet::new();
    for sample in family.samples.iter().filter(|sample| sample.timestamp.is_none()) {
        if !seen.insert((&sample.name, sample.labels_without(""))) {
            return Err(format!("{} twice", sample.name));
        }
    }
    Ok(())
}

/// Samples of a series go forward in time, and have all a time or none.
fn check_times(family: &Family) -> Result<(), String> {
    let mut last: HashMap<_, Option<f64>> = HashMap::new();
    for sample in &family.samples {
        let Some(before) = last.insert((&sample.name, sample.labels_without("")), sample.timestamp) else {
            continue;
        };
        match (before, sample.timestamp) {
            (Some(before), Some(now)) if before < now => {}
            _ => return Err(format!("{}: times do not go forward", sample.name)),
        }
    }
    Ok(())
}

/// All samples of one metric stand together.
fn check_grouping(family: &Family) -> Result<(), String> {
    let apart = match family.kind() {
        "histogram" | "gaugehistogram" => "le",
        "summary" => "quantile",
        "stateset" => &family.name,
        _ => return Ok(()),
    };
    let mut seen = HashSet::new();
    let mut current = None;
    for sample in &family.samples {
        let labels = sample.labels_without(apart);
        if current.as_ref() != Some(&labels) {
            if !seen.insert(labels.clone()) {
                return Err(format!("{} stands apart from its metric", sample.name));
            }
            current = Some(labels);
        }
    }
    Ok(())
}

fn check_histograms(family: &Family, openmetrics: bool) -> Result<(), String> {
    let mut groups: HashMap<Vec<(String, String)>, Vec<&Sample>> = HashMap::new();
    for sample in &family.samples {
        groups.entry(sample.labels_without("le")).or_default().push(sample);
    }
    for samples in groups.values() {
        let part = |suffix: &str| {
            samples.iter().find(|s| s.name == format!("{}{suffix}", family.name)).map(|s| s.value)
        };
        let mut buckets = Vec::new();
        for sample in samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
            buckets.push((number(sample.label("le").ok_or("a bucket without bound")?)?, sample.value));
        }
        if buckets.windows(2).any(|pair| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1) {
            return Err("buckets do not rise".to_owned());
        }
        if let Some((bound, count)) = buckets.last() {
            let written = part("_count").or(part("_gcount"));
            if *bound != f64::INFINITY || written.is_some_and(|written| written != *count) {
                return Err("the last bucket is not the count".to_owned());
            }
        }
        let negative = buckets.first().is_some_and(|(bound, _)| *bound < 0.0);
        let gauge = family.kind() == "gaugehistogram";
        let (sum, count) = (part("_sum").or(part("_gsum")), part("_count").or(part("_gcount")));
        if openmetrics && (sum.is_some() != count.is_some() || (negative && !gauge && sum.is_some())) {
            return Err("sum and count do not fit".to_owned());
        }
        if gauge && !negative && sum.is_some_and(|sum| sum < 0.0) {
            return Err("a negative sum of positive buckets".to_owned());
        }
    }
    Ok(())
}
