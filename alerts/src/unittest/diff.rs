//! Differences between what was expected and what came, in lines: `-` for expected and missing, `+` for the rest.

use breakwatch_model::Labels;

/// Compares alerts as label sets with annotations.
pub(super) fn compare_alerts(expected: &[(Labels, Labels)], got: &[(Labels, Labels)]) -> Option<String> {
    let show = |(labels, annotations): &(Labels, Labels)| format!("{labels} annotations {annotations}");
    let (mut missing, mut extra) = (Vec::new(), got.to_vec());
    for alert in expected {
        match extra.iter().position(|got| got == alert) {
            Some(at) => drop(extra.swap_remove(at)),
            None => missing.push(alert.clone()),
        }
    }
    lines(missing.iter().map(show), extra.iter().map(show))
}

/// Compares samples. `fuzzy` lets neighbouring floats count as equal.
pub(super) fn compare_samples(
    expected: Vec<(Labels, f64)>,
    got: Vec<(Labels, f64)>,
    fuzzy: bool,
) -> Option<String> {
    let show = |(labels, value): &(Labels, f64)| format!("{labels} {value}");
    let (mut missing, mut extra) = (Vec::new(), got);
    for sample in expected {
        let same = |got: &(Labels, f64)| got.0 == sample.0 && same_value(got.1, sample.1, fuzzy);
        match extra.iter().position(same) {
            Some(at) => drop(extra.swap_remove(at)),
            None => missing.push(sample),
        }
    }
    lines(missing.iter().map(show), extra.iter().map(show))
}

/// As promtool compares: NaN equals nothing, and with `fuzzy` the next float in either direction is as good.
fn same_value(a: f64, b: f64, fuzzy: bool) -> bool {
    a == b || (fuzzy && (a.next_up() == b || a.next_down() == b))
}

fn lines(missing: impl Iterator<Item = String>, extra: impl Iterator<Item = String>) -> Option<String> {
    let (mut missing, mut extra): (Vec<String>, Vec<String>) = (missing.collect(), extra.collect());
    if missing.is_empty() && extra.is_empty() {
        return None;
    }
    missing.sort();
    extra.sort();
    let missing = missing.iter().map(|line| format!("  - {line}"));
    let all: Vec<String> = missing.chain(extra.iter().map(|line| format!("  + {line}"))).collect();
    Some(all.join("\n"))
}
