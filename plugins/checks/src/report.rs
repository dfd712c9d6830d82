//! Gauges that are there from the start of a run and are filled in as the run goes on, so that a run that is cut
//! off at its deadline leaves what it knew, and a series does not come and go with its target's mood.

use breakwatch_model::{Labels, MetricFamily};
use breakwatch_plugin_api::Recorder;

/// A gauge without labels: name, unit, help.
pub(crate) type Gauge = (&'static str, &'static str, &'static str);

/// Puts every gauge into the record with the value 0.
pub(crate) fn declare(rec: &mut Recorder, gauges: &[Gauge]) {
    for (name, unit, help) in gauges {
        rec.gauge(name, unit, help, 0.0);
    }
}

/// Sets a declared gauge.
pub(crate) fn set(rec: &mut Recorder, name: &str, value: f64) {
    let family = rec.families.iter_mut().find(|family| &*family.name == name);
    if let Some(point) = family.and_then(|family| family.points.first_mut()) {
        point.value = value;
    }
}

/// Sets a gauge, adding it if it is not there yet.
pub(crate) fn upsert(rec: &mut Recorder, (name, unit, help): Gauge, value: f64) {
    if !rec.families.iter().any(|family| &*family.name == name) {
        rec.gauge(name, unit, help, value);
    }
    set(rec, name, value);
}

/// Adds a fact, or replaces it: a run that goes over several hops keeps the last one's.
pub(crate) fn fact(rec: &mut Recorder, name: &str, value: impl AsRef<str>) {
    rec.evidence.0.retain(|(known, _)| known != name);
    rec.fact(name, value);
}

/// Adds an information family, or replaces it: facts as labels, value 1.
pub(crate) fn info<const N: usize>(
    rec: &mut Recorder,
    name: &'static str,
    help: &str,
    facts: [(&'static str, &str); N],
) {
    let labels = Labels::from_pairs(facts);
    let family = MetricFamily::gauge(name, "", help).with(labels, 1.0);
    match rec.families.iter_mut().find(|known| known.name == family.name) {
        Some(known) => *known = family,
        None => rec.family(family),
    }
}

/// A text fit for a message or a label: control characters become spaces, runs of space become one, and what is
/// longer than `limit` bytes is cut at a character's edge and marked so.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if out.len() + word.len() >= limit {
            let room = limit.saturating_sub(out.len() + 1);
            let end = (0..=room.min(word.len())).rev().find(|end| word.is_char_boundary(*end)).unwrap_or(0);
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&word[..end]);
            out.push('…');
            return out;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cleaned_and_cut() {
        assert_eq!(clean(" a\u{0}b\r\n\tc\u{1b}[31m ", 100), "a b c [31m");
        assert_eq!(clean("äöü", 4), "ä…");
        assert_eq!(clean("", 4), "");
        assert!(clean(&"x".repeat(100), 10).starts_with("xxxxxxxxx"));
    }

    #[test]
    fn a_declared_gauge_is_set_in_place() {
        let mut rec = Recorder::default();
        declare(&mut rec, &[("a", "", "A."), ("b", "", "B.")]);
        set(&mut rec, "b", 2.0);
        set(&mut rec, "unknown", 3.0);
        let values: Vec<f64> = rec.families.iter().map(|family| family.points[0].value).collect();
        assert_eq!(values, [0.0, 2.0]);
    }
}
