//! The generated structs as the oracle: what is written decodes to what was meant, and is what prost would
//! have written.

use breakwatch_model::{Labels, Metadata, MetricKind, Sample, Timestamp, stale_nan};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    HistogramDataPoint, Metric, NumberDataPoint, metric::Data, number_data_point::Value,
};
use prost::Message as _;

use super::*;

const RESOURCE: [(&str, &str); 3] =
    [("service.name", "breakwatch"), ("service.instance.id", "uuid-1"), ("host.name", "h1")];

fn encoder(max_points: usize) -> Encoder {
    Encoder::new(RESOURCE.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(), max_points)
}

fn series(
    id: u64,
    name: &str,
    kind: MetricKind,
    labels: &[(&str, &str)],
    samples: &[(i64, f64)],
) -> ExportSeries {
    let unit = if name.contains("seconds") { "seconds" } else { "" };
    ExportSeries {
        id,
        labels: Labels::from_pairs(labels.iter().copied().chain([("__name__", name)])),
        meta: Metadata { kind, unit: unit.into(), help: format!("Help of {name}.").into() },
        created_at: Timestamp(500),
        samples: samples.iter().map(|(t, v)| Sample::new(Timestamp(*t), *v)).collect(),
    }
}

fn decode(chunk: &Chunk) -> ExportMetricsServiceRequest {
    let request = ExportMetricsServiceRequest::decode(&*chunk.body).expect("decodes");
    assert_eq!(request.encode_to_vec(), chunk.body, "byte for byte what prost writes");
    request
}

/// Every metric of a request with its resource's attributes.
fn metrics(request: &ExportMetricsServiceRequest) -> Vec<(Vec<(String, String)>, Metric)> {
    let mut found = Vec::new();
    for resource in &request.resource_metrics {
        let attributes = pairs(&resource.resource.as_ref().expect("a resource").attributes);
        for scope in &resource.scope_metrics {
            assert_eq!(scope.scope.as_ref().map(|scope| &*scope.name), Some("breakwatch"));
            found.extend(scope.metrics.iter().map(|metric| (attributes.clone(), metric.clone())));
        }
    }
    found
}

fn pairs(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
}

fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref() {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(Data::Sum(sum)) => &sum.data_points,
        other => panic!("{other:?}"),
    }
}

fn histograms(metric: &Metric) -> &[HistogramDataPoint] {
    match metric.data.as_ref() {
        Some(Data::Histogram(histogram)) => &histogram.data_points,
        other => panic!("{other:?}"),
    }
}

fn one(chunks: &[Chunk]) -> Vec<(Vec<(String, String)>, Metric)> {
    assert_eq!(chunks.len(), 1);
    metrics(&decode(&chunks[0]))
}

#[test]
fn gauges_and_sums_carry_their_own_times() {
    let batch = SampleBatch {
        series: vec![
            series(
                1,
                "probe_duration_seconds",
                MetricKind::Gauge,
                &[("check", "a"), ("x", "é\"")],
                &[(1000, 0.5), (2000, 0.25)],
            ),
            series(
                2,
                "calls_total",
                MetricKind::Counter,
                &[("job", "bw"), ("instance", "h:1")],
                &[(1000, 7.0)],
            ),
            series(3, "odd", MetricKind::Unknown, &[], &[(1000, f64::NAN)]),
            series(4, "counter_without_suffix", MetricKind::Counter, &[], &[(1000, 1.0)]),
        ],
    };
    let found = one(&encoder(8192).encode(&batch, &FxHashSet::default()));
    let names: Vec<&str> = found.iter().map(|(_, metric)| &*metric.name).collect();
    assert_eq!(names, ["counter_without_suffix", "odd", "probe_duration_seconds", "calls_total"]);
    let (resource, metric) = &found[2];
    assert_eq!(
        resource.iter().map(|(n, v)| (&**n, &**v)).collect::<Vec<_>>(),
        [("service.name", "breakwatch"), ("service.instance.id", "uuid-1"), ("host.name", "h1")]
    );
    assert_eq!((&*metric.unit, &*metric.description), ("s", "Help of probe_duration_seconds."));
    let points = numbers(metric);
    assert_eq!(
        pairs(&points[0].attributes),
        [("check".to_owned(), "a".to_owned()), ("x".to_owned(), "é\"".to_owned())]
    );
    assert_eq!(
        points.iter().map(|p| (p.start_time_unix_nano, p.time_unix_nano, p.value)).collect::<Vec<_>>(),
        [(0, 1_000_000_000, Some(Value::AsDouble(0.5))), (0, 2_000_000_000, Some(Value::AsDouble(0.25)))]
    );
    let (resource, metric) = &found[3];
    assert_eq!(resource[0], ("service.name".to_owned(), "bw".to_owned()), "the job");
    assert_eq!(resource[1], ("service.instance.id".to_owned(), "h:1".to_owned()), "the instance");
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    let point = &sum.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.attributes.len()), (500_000_000, 0));
    assert!(matches!(found[0].1.data, Some(Data::Gauge(_))), "a receiver would rename it as a sum");
    assert!(matches!(numbers(&found[1].1)[0].value, Some(Value::AsDouble(v)) if v.is_nan()));
}

#[test]
fn a_staleness_marker_is_no_recorded_value() {
    let batch = SampleBatch {
        series: vec![series(1, "up", MetricKind::Gauge, &[], &[(1000, 1.0), (2000, stale_nan())])],
    };
    let found = one(&encoder(8192).encode(&batch, &FxHashSet::default()));
    let points = numbers(&found[0].1);
    assert_eq!((points[0].flags, points[1].flags), (0, 1));
    assert_eq!((points[1].value, points[1].time_unix_nano), (None, 2_000_000_000));
}

#[test]
fn a_reset_counter_starts_anew_and_sending_again_changes_nothing() {
    let samples = [(1000, 5.0), (2000, 9.0), (3000, 2.0), (4000, stale_nan()), (5000, 1.0)];
    let batch = SampleBatch { series: vec![series(1, "c_total", MetricKind::Counter, &[], &samples)] };
    let mut encoder = encoder(8192);
    let mut starts = || -> Vec<u64> {
        let found = one(&encoder.encode(&batch, &FxHashSet::default()));
        numbers(&found[0].1).iter().map(|point| point.start_time_unix_nano / 1_000_000).collect()
    };
    assert_eq!(starts(), [500, 500, 2000, 2000, 3000]);
    // The second time every start is at most the point's own time, and none lies before the series.
    let again = starts();
    assert!(again.iter().zip(samples).all(|(start, (t, _))| (500..=t as u64).contains(start)), "{again:?}");
}

fn histogram(first_id: u64, labels: &[(&str, &str)], times: &[i64]) -> Vec<ExportSeries> {
    let part = |id, name: &str, le: Option<&str>, v: f64| {
        let mut labels = labels.to_vec();
        labels.extend(le.map(|le| ("le", le)));
        let samples: Vec<(i64, f64)> = times.iter().map(|t| (*t, v * *t as f64)).collect();
        series(first_id + id, name, MetricKind::Histogram, &labels, &samples)
    };
    vec![
        part(0, "d_seconds_count", None, 6.0),
        part(1, "d_seconds_bucket", Some("+Inf"), 6.0),
        part(2, "d_seconds_bucket", Some("0.5"), 1.0),
        part(3, "d_seconds_bucket", Some("2"), 4.0),
        part(4, "d_seconds_sum", None, 0.5),
    ]
}

#[test]
fn histograms_leave_whole() {
    let mut all = histogram(10, &[("name", "a")], &[1, 2]);
    all.extend(histogram(20, &[("name", "b")], &[1]));
    let found = one(&encoder(8192).encode(&SampleBatch { series: all }, &FxHashSet::default()));
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].1.name, &*found[0].1.unit), ("d_seconds", "s"));
    let points = histograms(&found[0].1);
    assert_eq!(points.len(), 3);
    let point = &points[1];
    assert_eq!((point.count, point.sum, &*point.bucket_counts), (12, Some(1.0), &[2, 6, 4][..]));
    assert_eq!((&*point.explicit_bounds, point.time_unix_nano), (&[0.5, 2.0][..], 2_000_000));
    assert_eq!(pairs(&point.attributes), [("name".to_owned(), "a".to_owned())]);
    assert_eq!(point.start_time_unix_nano, 1_000_000, "never after the point itself");
}

#[test]
fn parts_that_stand_alone_leave_as_gauges_and_nothing_is_lost() {
    let mut all = histogram(10, &[], &[1, 2]);
    all[3].samples.truncate(1);
    let mut encoder = encoder(8192);
    let found = one(&encoder.encode(&SampleBatch { series: all }, &FxHashSet::default()));
    let shown: Vec<(String, usize)> = found
        .iter()
        .map(|(_, metric)| match metric.data.as_ref() {
            Some(Data::Histogram(histogram)) => (metric.name.clone(), histogram.data_points.len()),
            _ => (format!("gauge {}", metric.name), numbers(metric).len()),
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("gauge d_seconds_bucket".to_owned(), 2),
            ("gauge d_seconds_count".to_owned(), 1),
            ("gauge d_seconds_sum".to_owned(), 1),
            ("d_seconds".to_owned(), 1),
        ]
    );
    // One part of a known histogram by itself.
    let lonely = SampleBatch { series: histogram(10, &[], &[3]).split_off(4) };
    let found = one(&encoder.encode(&lonely, &FxHashSet::default()));
    assert_eq!(numbers(&found[0].1).len(), 1);
}

#[test]
fn an_ended_histogram_is_one_point_without_value() {
    let mut all = histogram(10, &[], &[1]);
    for part in &mut all {
        part.samples = vec![Sample::stale(Timestamp(7))];
    }
    let found = one(&encoder(8192).encode(&SampleBatch { series: all }, &FxHashSet::default()));
    let points = histograms(&found[0].1);
    assert_eq!((points.len(), points[0].flags, points[0].count, points[0].sum), (1, 1, 0, None));
}

#[test]
fn requests_are_bounded_and_accepted_points_are_left_out() {
    let mut all = Vec::new();
    for id in 0..5000u64 {
        let name = format!("metric_{}_seconds", id % 50);
        let id_text = id.to_string();
        let job = if id % 3 == 0 { "a" } else { "b" };
        all.push(series(
            id,
            &name,
            MetricKind::Gauge,
            &[("id", &id_text), ("job", job)],
            &[(1, id as f64), (2, 0.0)],
        ));
    }
    all.extend(histogram(9000, &[], &[1, 2, 3]));
    let batch = SampleBatch { series: all };
    let mut encoder = encoder(1000);
    let chunks = encoder.encode(&batch, &FxHashSet::default());
    assert_eq!(chunks.len(), 11);
    let mut seen = FxHashSet::default();
    for chunk in &chunks {
        let request = decode(chunk);
        let points: usize = metrics(&request)
            .iter()
            .map(|(_, metric)| match &metric.data {
                Some(Data::Histogram(h)) => h.data_points.len(),
                _ => numbers(metric).len(),
            })
            .sum();
        assert!(points <= 1000 && points as u64 == chunk.points);
        assert!(chunk.keys.iter().all(|key| seen.insert(*key)), "no sample twice");
    }
    assert_eq!(seen.len(), 10_000 + 15);
    let accepted: FxHashSet<PointKey> =
        chunks[..10].iter().flat_map(|chunk| chunk.keys.iter().copied()).collect();
    let rest = encoder.encode(&batch, &accepted);
    assert_eq!(
        rest.iter().flat_map(|chunk| &chunk.keys).collect::<Vec<_>>(),
        chunks[10].keys.iter().collect::<Vec<_>>()
    );
}

#[test]
fn a_request_stays_below_what_a_server_takes() {
    let long = "x".repeat(2000);
    let all = (0..4000).map(|id| {
        let id_text = id.to_string();
        series(id, &format!("m{id}"), MetricKind::Gauge, &[("id", &id_text), ("long", &long)], &[(1, 1.0)])
    });
    let chunks = encoder(8192).encode(&SampleBatch { series: all.collect() }, &FxHashSet::default());
    assert!(chunks.len() >= 3);
    assert!(chunks.iter().all(|chunk| chunk.body.len() < 3 * 1024 * 1024));
    assert_eq!(chunks.iter().map(|chunk| chunk.points).sum::<u64>(), 4000);
    chunks.iter().for_each(|chunk| drop(decode(chunk)));
}

#[test]
fn what_no_longer_comes_is_forgotten_and_can_come_back() {
    let mut encoder = encoder(8192);
    let whole = SampleBatch { series: histogram(10, &[], &[1]) };
    let other = SampleBatch { series: vec![series(1, "up", MetricKind::Gauge, &[], &[(1, 1.0)])] };
    encoder.encode(&whole, &FxHashSet::default());
    for _ in 0..600 {
        encoder.encode(&other, &FxHashSet::default());
    }
    let found = one(&encoder.encode(&whole, &FxHashSet::default()));
    assert_eq!(histograms(&found[0].1).len(), 1, "whole again");
}
