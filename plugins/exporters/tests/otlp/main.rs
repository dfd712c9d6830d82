//! The exporter against real receivers on loopback: good, down, slow, refusing, half-way, and by TLS.

#![allow(clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod faults;
mod good;
mod receiver;
mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use breakwatch_exporters::EXPORTERS;
use breakwatch_model::{Labels, Metadata, MetricKind, Sample, Timestamp};
use breakwatch_plugin_api::{
    ComponentId, Diagnostics, ExportSeries, Exporter, ExporterContext, Key, Node, NodeKind, Place,
    SampleBatch,
};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};

use receiver::{Protocol, Received};

/// Builds an exporter from dotted settings.
fn exporter(protocol: Protocol, settings: &[(&str, String)]) -> Result<Box<dyn Exporter>, String> {
    let place = Place { file: "t.yml".into(), line: 1, column: 1, path: "".into() };
    let scalar = |text: &str| Node {
        place: place.clone(),
        kind: NodeKind::Scalar { text: text.to_owned(), quoted: false },
        sensitive: false,
    };
    let key = |name: &str| Key { name: name.into(), place: place.clone() };
    let mut groups: BTreeMap<String, Vec<(Key, Node)>> = BTreeMap::new();
    let mut entries = Vec::new();
    for (name, text) in settings {
        match name.split_once('.') {
            Some((group, name)) => {
                groups.entry(group.to_owned()).or_default().push((key(name), scalar(text)));
            }
            None => entries.push((key(name), scalar(text))),
        }
    }
    for (group, inner) in groups {
        entries.push((key(&group), Node { kind: NodeKind::Map(inner), ..Node::empty_map(place.clone()) }));
    }
    let node = Node { kind: NodeKind::Map(entries), ..Node::empty_map(place.clone()) };
    let kind = if protocol == Protocol::Grpc { "otlp" } else { "otlp_http" };
    let context = ExporterContext {
        id: ComponentId::parse(kind).expect("a good id"),
        base_dir: PathBuf::from("."),
        resource: vec![("service.name".to_owned(), "breakwatch".to_owned())],
    };
    let entry = EXPORTERS.iter().find(|entry| entry.key == kind).expect("in the table");
    let diagnostics = Diagnostics::new();
    let exporter = (entry.parse)(&node, &context, &diagnostics);
    let found: Vec<String> = diagnostics.into_sorted().iter().map(|d| d.message.clone()).collect();
    exporter.ok_or_else(|| found.join("; "))
}

/// One that sends to a port of this machine, with a few more settings.
fn to(protocol: Protocol, port: u16, more: &[(&str, String)]) -> Box<dyn Exporter> {
    let mut settings = vec![("endpoint", format!("http://127.0.0.1:{port}"))];
    settings.extend(more.iter().cloned());
    exporter(protocol, &settings).expect("good settings")
}

/// `count` gauges with a sample each, and a counter with two.
fn batch(count: u64) -> SampleBatch {
    let series = |id: u64, name: &str, kind, samples: &[(i64, f64)]| ExportSeries {
        id,
        labels: Labels::from_pairs([("__name__", name.to_owned()), ("check", format!("http/{id}"))]),
        meta: Metadata { kind, unit: "".into(), help: "Help.".into() },
        created_at: Timestamp(1),
        samples: samples.iter().map(|(t, v)| Sample::new(Timestamp(*t), *v)).collect(),
    };
    let mut all: Vec<ExportSeries> = (0..count)
        .map(|id| series(id, "probe_success", MetricKind::Gauge, &[(1000 + id as i64, id as f64)]))
        .collect();
    all.push(series(count, "runs_total", MetricKind::Counter, &[(1000, 1.0), (2000, 2.0)]));
    SampleBatch { series: all }
}

/// `name check time value` of every point of a batch.
fn sent(batch: &SampleBatch) -> Vec<String> {
    let mut points: Vec<String> = batch
        .series
        .iter()
        .flat_map(|series| series.samples.iter().map(move |sample| (series, sample)))
        .map(|(series, sample)| {
            let labels = &series.labels;
            format!("{} {} {} {}", labels.metric_name(), labels.value("check"), sample.t.0, sample.v)
        })
        .collect();
    points.sort();
    points
}

/// The same of every point that came.
fn came(received: &[Received]) -> Vec<String> {
    let mut points = Vec::new();
    let resources = received.iter().flat_map(|received| &received.request.resource_metrics);
    for metric in resources.flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics) {
        let data = match metric.data.as_ref().expect("data") {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => &sum.data_points,
            other => panic!("{other:?}"),
        };
        for point in data {
            let Some(Value::AsDouble(value)) = point.value else { panic!("{point:?}") };
            let check = format!("{:?}", point.attributes[0].value);
            let check = check.split('"').nth(1).unwrap_or("").to_owned();
            points.push(format!("{} {check} {} {value}", metric.name, point.time_unix_nano / 1_000_000));
        }
    }
    points.sort();
    points
}

/// For tests that share an exporter between tasks.
fn shared(exporter: Box<dyn Exporter>) -> Arc<dyn Exporter> {
    Arc::from(exporter)
}
