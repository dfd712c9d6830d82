//! Requests of bounded size: points gathered under their metrics, then wrapped.

use std::ops::Range;

use super::PointKey;
use super::series::{Catalog, MetricForm};
use super::wire;

/// The largest request, in bytes: a quarter below the 4 MiB that gRPC servers take by default.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// Room for a point, in bytes, so that the buffer is not copied as it grows: measured at 130 with five labels.
const BYTES_PER_POINT: usize = 160;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// One request.
pub(in crate::otlp) struct Chunk {
    /// An encoded `ExportMetricsServiceRequest`.
    pub(in crate::otlp) body: Vec<u8>,
    /// How many points it holds.
    pub(in crate::otlp) points: u64,
    /// Which samples they are; a histogram's point is several.
    pub(in crate::otlp) keys: Vec<PointKey>,
}

/// Points in the order they were given, cut where a request is full.
pub(super) struct Chunks {
    max_points: usize,
    full: Vec<Gathered>,
    open: Gathered,
    metric: u32,
    overhead: usize,
}

#[derive(Default)]
struct Gathered {
    points: Vec<u8>,
    /// Which piece of `points` belongs to which metric.
    segments: Vec<(u32, Range<usize>)>,
    keys: Vec<PointKey>,
    count: usize,
    /// What the metrics around the points will take.
    overhead: usize,
}

impl Chunks {
    pub(super) fn new(max_points: usize) -> Self {
        Self {
            max_points: max_points.max(1),
            full: Vec::new(),
            open: Gathered::default(),
            metric: u32::MAX,
            overhead: 0,
        }
    }

    /// Says whose points come next. A metric may come again.
    pub(super) fn begin_metric(&mut self, metric: u32, overhead: usize) {
        self.metric = metric;
        self.overhead = overhead;
    }

    /// Makes room for points to come.
    pub(super) fn expect(&mut self, points: usize) {
        self.open.points.reserve(points.min(self.max_points) * BYTES_PER_POINT);
        self.open.keys.reserve(points.min(self.max_points));
    }

    /// Takes a point.
    pub(super) fn point(&mut self, keys: &[PointKey], write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.open.points.len();
        write(&mut self.open.points);
        let same_metric = self.open.segments.last().is_some_and(|(metric, _)| *metric == self.metric);
        let added = if same_metric { 0 } else { self.overhead };
        let size = self.open.points.len() + self.open.overhead + added;
        if self.open.count > 0 && (self.open.count >= self.max_points || size > MAX_BYTES) {
            let point = self.open.points.split_off(begin);
            self.full.push(std::mem::take(&mut self.open));
            self.expect(self.max_points);
            self.open.points.extend_from_slice(&point);
        }
        self.open.take(self.metric, self.overhead, keys);
    }

    /// Wraps what was gathered.
    pub(super) fn finish(mut self, catalog: &Catalog) -> Vec<Chunk> {
        if self.open.count > 0 {
            self.full.push(self.open);
        }
        self.full.into_iter().map(|gathered| gathered.wrap(catalog)).collect()
    }
}

impl Gathered {
    /// Counts the point that was just written.
    fn take(&mut self, metric: u32, overhead: usize, keys: &[PointKey]) {
        let end = self.points.len();
        match self.segments.last_mut() {
            Some((current, range)) if *current == metric => range.end = end,
            last => {
                let begin = last.map_or(0, |(_, range)| range.end);
                self.segments.push((metric, begin..end));
                self.overhead += overhead;
            }
        }
        self.keys.extend_from_slice(keys);
        self.count += 1;
    }

    /// The request: resources, each with one scope and its metrics.
    fn wrap(self, catalog: &Catalog) -> Chunk {
        let mut body = Vec::with_capacity(self.points.len() + self.overhead);
        let mut metrics = Vec::with_capacity(self.points.len() + self.overhead);
        let mut resource = None;
        for (number, range) in &self.segments {
            let Some(info) = catalog.metric_info(*number) else { continue };
            if let Some(before) = resource.filter(|before| *before != info.resource) {
                close_resource(&mut body, catalog.resource_bytes(before), &mut metrics);
            }
            resource = Some(info.resource);
            write_metric(&mut metrics, &info.header, info.form, &self.points[range.clone()]);
        }
        if let Some(resource) = resource {
            close_resource(&mut body, catalog.resource_bytes(resource), &mut metrics);
        }
        Chunk { body, points: self.count as u64, keys: self.keys }
    }
}

/// A `Metric` as an entry of `ScopeMetrics.metrics`.
fn write_metric(out: &mut Vec<u8>, header: &[u8], form: MetricForm, points: &[u8]) {
    // Temporality and monotony: two bytes each.
    let (field, extra) = match form {
        MetricForm::Gauge => (5, 0),
        MetricForm::Sum => (7, 4),
        MetricForm::Histogram => (9, 2),
    };
    let data = points.len() + extra;
    wire::header(out, 2, header.len() + 1 + wire::varint_size(data) + data);
    out.extend_from_slice(header);
    wire::header(out, field, data);
    out.extend_from_slice(points);
    if form != MetricForm::Gauge {
        wire::uint(out, 2, CUMULATIVE);
    }
    if form == MetricForm::Sum {
        wire::uint(out, 3, 1);
    }
}

/// A `ResourceMetrics` around the metrics gathered since the last one.
fn close_resource(out: &mut Vec<u8>, resource: &[u8], metrics: &mut Vec<u8>) {
    let mut scope = Vec::new();
    wire::text(&mut scope, 1, "breakwatch");
    wire::text(&mut scope, 2, env!("CARGO_PKG_VERSION"));
    let scope_size = 1 + wire::varint_size(scope.len()) + scope.len() + metrics.len();
    let resource_size = 1 + wire::varint_size(resource.len()) + resource.len();
    wire::header(out, 1, resource_size + 1 + wire::varint_size(scope_size) + scope_size);
    wire::bytes(out, 1, resource);
    wire::header(out, 2, scope_size);
    wire::bytes(out, 1, &scope);
    out.append(metrics);
}
