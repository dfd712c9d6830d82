//! Golden output, and random families through the strict reader.

use breakwatch_exporters::text::{write_openmetrics, write_text};
use breakwatch_model::{Labels, MetricFamily, MetricKind, Point, Suffix, stale_nan};

use crate::reader;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().map(|(name, value)| (*name, *value)))
}

/// Families of every kind, some of one name, with awkward texts and numbers.
pub(crate) fn sample_families() -> Vec<MetricFamily> {
    let mut up = MetricFamily::gauge("probe_success", "", "Whether the check's target works.");
    up.push(labels(&[("check", "http/b"), ("type", "http")]), 0.0);
    let mut up_too = MetricFamily::gauge("probe_success", "", "Whether the check's target works.");
    up_too.push(labels(&[("check", "http/a"), ("target", "C:\\x \"q\"\nend")]), 1.0);
    up_too.push(labels(&[("check", "http/b"), ("type", "http")]), 1.0);
    let mut calls =
        MetricFamily::counter("breakwatch_breaker_calls_total", "", "Calls by \"outcome\".\nTwo lines \\.");
    calls.push(labels(&[("name", "http/a"), ("outcome", "success")]), 12345678.0);
    let mut seconds = MetricFamily::counter("process_cpu_seconds_total", "seconds", "Processor time.");
    seconds.push(Labels::empty(), 0.25);
    let mut duration =
        MetricFamily::new("call_duration_seconds", MetricKind::Histogram, "seconds", "How long calls take.");
    duration.push_histogram(&labels(&[("name", "b")]), &[0.005, 1.0, 1e6], &[1, 2, 0, 1], 1e6 + 3.0);
    duration.push_histogram(&labels(&[("name", "a")]), &[0.005, 1.0, 1e6], &[0, 0, 0, 0], 0.0);
    let mut info = MetricFamily::new("breakwatch_build_info", MetricKind::Info, "", "What was built.");
    info.push(labels(&[("version", "0.1.0")]), 1.0);
    let mut state = MetricFamily::new("breakwatch_breaker_state", MetricKind::StateSet, "", "The state.");
    state.push(labels(&[("name", "a"), ("state", "open")]), 1.0);
    let mut ratio = MetricFamily::gauge("memory_used_ratio", "ratio", "Share in use.");
    ratio.push(Labels::empty(), 0.1 + 0.2);
    let mut odd = MetricFamily::new("odd:value", MetricKind::Unknown, "", "");
    odd.push(Labels::empty(), f64::NAN);
    let nothing = MetricFamily::gauge("nothing_here", "", "No points.");
    vec![up, calls, duration, up_too, seconds, info, state, ratio, odd, nothing]
}

fn golden(name: &str, found: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).expect("writable");
    }
    let expected = std::fs::read(&path).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(found), String::from_utf8_lossy(&expected), "{name}");
}

#[test]
fn output_is_as_expected_to_the_byte() {
    golden("sample.txt", &write_text(&sample_families()));
    golden("sample.om", &write_openmetrics(&sample_families()));
}

#[test]
fn both_formats_hold_the_same_series() {
    let families = sample_families();
    let text = String::from_utf8(write_text(&families)).expect("UTF-8");
    let metrics = String::from_utf8(write_openmetrics(&families)).expect("UTF-8");
    let text = reader::text(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let metrics = reader::openmetrics(&metrics).unwrap_or_else(|e| panic!("{e}\n{metrics}"));
    let normal = |families: &[reader::Family]| -> Vec<(String, u64)> {
        // `le="1"` and `le="1.0"` are one bound.
        let mut series: Vec<(String, u64)> = reader::series(families)
            .into_iter()
            .map(|(s, v)| (s.replace(".0\"", "\"").replace("1000000\"", "1e+06\""), v.to_bits()))
            .collect();
        series.sort();
        series
    };
    assert_eq!(normal(&text), normal(&metrics));
    assert_eq!(text.len(), 8, "one family per name, none without points");
    let unit = |name: &str| metrics.iter().find(|f| f.name == name).and_then(|f| f.unit.clone());
    assert_eq!(unit("process_cpu_seconds").as_deref(), Some("seconds"));
    assert_eq!(unit("memory_used_ratio").as_deref(), Some("ratio"));
}

#[test]
fn what_no_reader_takes_is_left_out() {
    let point = |suffix, pairs: &[(&str, &str)], value| Point { suffix, labels: labels(pairs), value };
    let mut broken = MetricFamily::new("broken", MetricKind::Histogram, "", "No last bucket.");
    broken.points.push(point(Suffix::Bucket, &[("le", "1")], 1.0));
    broken.points.push(point(Suffix::Count, &[], 1.0));
    let mut falling = MetricFamily::new("falling", MetricKind::Histogram, "", "Buckets that fall.");
    falling.points.push(point(Suffix::Bucket, &[("le", "1")], 5.0));
    falling.points.push(point(Suffix::Bucket, &[("le", "+Inf")], 1.0));
    falling.points.push(point(Suffix::Count, &[], 1.0));
    let clash =
        MetricFamily::gauge("good_count", "", "Named as a histogram's part.").with(Labels::empty(), 1.0);
    let mut good = MetricFamily::new("good", MetricKind::Histogram, "", "With a negative bound.");
    good.push_histogram(&Labels::empty(), &[-1.0], &[1, 1], -4.0);
    let other_kind = MetricFamily::counter("kind_total", "", "First.").with(Labels::empty(), 1.0);
    let wrong_kind = MetricFamily::gauge("kind_total", "", "Second.").with(labels(&[("a", "b")]), 2.0);
    let bad = MetricFamily::counter("bad_total", "", "").with(Labels::empty(), -1.0);
    let names = MetricFamily::gauge("9 bad-näme", "", "x").with(labels(&[("a.b", "c")]), 2.0);
    let stem =
        MetricFamily::gauge("kind", "", "Shares its name with the counter.").with(Labels::empty(), 3.0);
    let families = [broken, falling, clash, good, other_kind, wrong_kind, bad, names, stem];

    let text = String::from_utf8(write_text(&families)).expect("UTF-8");
    let read = reader::text(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let found: Vec<&str> = read.iter().map(|family| &*family.name).collect();
    assert_eq!(found, ["_9_bad_n_me", "bad_total", "good", "kind", "kind_total"]);
    assert!(text.contains("_9_bad_n_me{a_b=\"c\"} 2\n"), "{text}");

    let metrics = String::from_utf8(write_openmetrics(&families)).expect("UTF-8");
    let read = reader::openmetrics(&metrics).unwrap_or_else(|e| panic!("{e}\n{metrics}"));
    let found: Vec<&str> = read.iter().map(|family| &*family.name).collect();
    assert_eq!(found, ["_9_bad_n_me", "bad_total", "good", "kind"]);
    assert!(!metrics.contains("good_sum"), "a sum that can fall has no place in OpenMetrics\n{metrics}");
}

#[test]
fn random_families_are_always_readable() {
    const NAMES: [&str; 9] =
        ["a", "a_total", "a_info", "a_seconds", "a_seconds_total", "a_sum", "b_count", "b", "a:b"];
    const VALUES: [f64; 9] = [0.0, 1.0, -1.0, 0.5, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 7.0];
    let kinds = [
        MetricKind::Gauge,
        MetricKind::Counter,
        MetricKind::Histogram,
        MetricKind::Summary,
        MetricKind::Info,
        MetricKind::StateSet,
        MetricKind::Unknown,
    ];
    let mut rng = fastrand::Rng::with_seed(42);
    for round in 0..20_000 {
        let mut families = Vec::new();
        for _ in 0..rng.usize(0..6) {
            let name = NAMES[rng.usize(0..NAMES.len())];
            let unit = if rng.bool() { "seconds" } else { "" };
            let mut family = MetricFamily::new(name, kinds[rng.usize(0..kinds.len())], unit, "h\\ \"\n");
            for _ in 0..rng.usize(0..4) {
                let value = if rng.u8(..) == 0 { stale_nan() } else { VALUES[rng.usize(0..VALUES.len())] };
                let own = labels(&[("x", ["", "1", "\"\\\n", "é"][rng.usize(0..4)])]);
                match family.meta.kind {
                    MetricKind::Histogram if rng.bool() => {
                        family.push_histogram(&own, &[0.1, 2.0], &[rng.u64(0..3), 1, 2], value);
                    }
                    MetricKind::Summary if rng.bool() => {
                        let quantile = own.with("quantile", ["0.5", "0.99"][rng.usize(0..2)]);
                        family.points.push(Point {
                            suffix: Suffix::None,
                            labels: quantile,
                            value: value.abs(),
                        });
                        family.points.push(Point { suffix: Suffix::Sum, labels: own.clone(), value });
                        family.points.push(Point { suffix: Suffix::Count, labels: own, value: 3.0 });
                    }
                    MetricKind::Histogram | MetricKind::Summary => {}
                    _ => {
                        family.push(own, value);
                    }
                }
            }
            families.push(family);
        }
        let text = String::from_utf8(write_text(&families)).expect("UTF-8");
        reader::text(&text).unwrap_or_else(|e| panic!("round {round}: {e}\n{text}"));
        let metrics = String::from_utf8(write_openmetrics(&families)).expect("UTF-8");
        reader::openmetrics(&metrics).unwrap_or_else(|e| panic!("round {round}: {e}\n{metrics}"));
    }
}
