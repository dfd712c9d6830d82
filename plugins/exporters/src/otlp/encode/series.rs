//! What series look like in OTLP, made once for each.

use std::sync::Arc;

use breakwatch_model::{Labels, METRIC_NAME, Sample, Timestamp};
use breakwatch_plugin_api::ExportSeries;
use rustc_hash::FxHashMap;

use super::names::{Part, histogram_part, is_sum, unit};
use super::{nanos, wire};

/// Batches after which a series that no longer comes is forgotten. It is described again if it comes back.
const KEEP_BATCHES: u64 = 256;

/// The attributes' field in a `NumberDataPoint`.
const NUMBER_ATTRIBUTES: u32 = 7;
/// The attributes' field in a `HistogramDataPoint`.
const HISTOGRAM_ATTRIBUTES: u32 = 9;

/// The flag of a point that says its series has ended (`DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`).
pub(super) const NO_RECORDED_VALUE: u64 = 1;

/// What kind of points a metric holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum MetricForm {
    Gauge,
    Sum,
    Histogram,
}

/// How a series leaves.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Role {
    Gauge,
    Sum,
    /// A part of a histogram; alone it leaves as a gauge.
    Part {
        group: u32,
        part: Part,
    },
}

/// A metric of one resource.
pub(super) struct MetricInfo {
    pub(super) resource: u32,
    name: String,
    pub(super) form: MetricForm,
    /// `name`, `description` and `unit`, encoded.
    pub(super) header: Vec<u8>,
}

/// A known series.
struct SeriesInfo {
    /// The metric it leaves under when it leaves by itself.
    metric: u32,
    role: Role,
    attributes: Box<[u8]>,
    start: Start,
    used: u64,
}

/// The histogram some series are parts of.
pub(super) struct GroupInfo {
    pub(super) metric: u32,
    pub(super) attributes: Arc<[u8]>,
    /// How many parts it has, as far as is known.
    pub(super) parts: usize,
    start: Start,
    used: u64,
}

/// When a cumulative value began to count.
#[derive(Clone, Copy)]
struct Start {
    since: Timestamp,
    last: Option<Sample>,
}

impl Start {
    /// The start time of a sample. A value that falls was reset after the sample before it.
    fn at(&mut self, sample: Sample) -> Timestamp {
        if let Some(last) = self.last {
            if sample.t <= last.t {
                // Sent again, or late: nothing is learnt from it.
                return self.since.min(sample.t);
            }
            if sample.v < last.v {
                self.since = last.t;
            }
        }
        if !sample.v.is_nan() {
            self.last = Some(sample);
        }
        self.since = self.since.min(sample.t);
        self.since
    }
}

/// A number point ready to be written.
pub(super) struct NumberPoint<'c> {
    /// Start time in milliseconds, of a sum.
    pub(super) start: Option<i64>,
    pub(super) sample: Sample,
    pub(super) attributes: &'c [u8],
}

impl NumberPoint<'_> {
    /// Appends the point as an entry of its metric's `data_points`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let stale = self.sample.is_stale();
        let starts = if self.start.is_some() { wire::FIXED64_SIZE } else { 0 };
        let value = if stale { 2 } else { wire::FIXED64_SIZE };
        wire::header(out, 1, starts + wire::FIXED64_SIZE + value + self.attributes.len());
        if let Some(start) = self.start {
            wire::fixed64(out, 2, nanos(start));
        }
        wire::fixed64(out, 3, nanos(self.sample.t.0));
        if !stale {
            wire::double(out, 4, self.sample.v);
        }
        out.extend_from_slice(self.attributes);
        if stale {
            wire::uint(out, 8, NO_RECORDED_VALUE);
        }
    }
}

/// Everything that is remembered between batches.
pub(super) struct Catalog {
    attributes: Vec<(String, String)>,
    resources: Vec<Vec<u8>>,
    resource_index: FxHashMap<(String, String), u32>,
    metrics: Vec<MetricInfo>,
    metric_index: FxHashMap<(u32, MetricForm, String), u32>,
    series: FxHashMap<u64, SeriesInfo>,
    groups: FxHashMap<u32, GroupInfo>,
    group_index: FxHashMap<(u32, Labels), u32>,
    next_group: u32,
    batch: u64,
}

impl Catalog {
    pub(super) fn new(attributes: Vec<(String, String)>) -> Self {
        Self {
            attributes,
            resources: Vec::new(),
            resource_index: FxHashMap::default(),
            metrics: Vec::new(),
            metric_index: FxHashMap::default(),
            series: FxHashMap::default(),
            groups: FxHashMap::default(),
            group_index: FxHashMap::default(),
            next_group: 0,
            batch: 0,
        }
    }

    /// Counts batches, and now and then forgets what no longer comes.
    pub(super) fn begin_batch(&mut self) {
        self.batch += 1;
        if self.batch.is_multiple_of(KEEP_BATCHES) {
            let oldest = self.batch - KEEP_BATCHES;
            self.series.retain(|_, series| {
                let kept = series.used > oldest;
                if let Role::Part { group, .. } = series.role
                    && !kept
                    && let Some(group) = self.groups.get_mut(&group)
                {
                    group.parts -= 1;
                }
                kept
            });
            self.groups.retain(|_, group| group.used > oldest);
            self.group_index.retain(|_, group| self.groups.contains_key(group));
        }
    }

    /// Under which metric and how a series leaves; learns it if it is new.
    pub(super) fn series(&mut self, series: &ExportSeries) -> (u32, Role) {
        let batch = self.batch;
        let known = self.series.get_mut(&series.id).map(|info| {
            info.used = batch;
            (info.metric, info.role)
        });
        let (metric, role) = known.unwrap_or_else(|| {
            let info = self.describe(series);
            let learnt = (info.metric, info.role);
            self.series.insert(series.id, info);
            learnt
        });
        if let Role::Part { group, .. } = role
            && let Some(group) = self.groups.get_mut(&group)
        {
            group.used = batch;
        }
        (metric, role)
    }

    fn describe(&mut self, series: &ExportSeries) -> SeriesInfo {
        let labels = &series.labels;
        let name = labels.metric_name();
        let resource = self.resource(labels.value("job"), labels.value("instance"));
        let own = labels.filtered(|name| !matches!(name, METRIC_NAME | "job" | "instance"));
        let start = Start { since: series.created_at, last: None };
        let part = histogram_part(name, own.value("le"), &series.meta);
        let role = match part {
            Some((base, part)) => {
                let metric = self.metric(resource, MetricForm::Histogram, base, series);
                Role::Part { group: self.group(metric, own.without("le"), start), part }
            }
            None if is_sum(name, &series.meta) => Role::Sum,
            None => Role::Gauge,
        };
        let form = if role == Role::Sum { MetricForm::Sum } else { MetricForm::Gauge };
        let mut attributes = Vec::new();
        wire::attributes(&mut attributes, NUMBER_ATTRIBUTES, own.iter());
        SeriesInfo {
            metric: self.metric(resource, form, name, series),
            role,
            attributes: attributes.into(),
            start,
            used: self.batch,
        }
    }

    /// The resource of a job and an instance.
    fn resource(&mut self, job: &str, instance: &str) -> u32 {
        let key = (job.to_owned(), instance.to_owned());
        if let Some(known) = self.resource_index.get(&key) {
            return *known;
        }
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for (name, value) in [("service.name", job), ("service.instance.id", instance)] {
            let given = self.attributes.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v);
            pairs.push((name, if value.is_empty() { given } else { value }));
        }
        let is_named = |name: &str| matches!(name, "service.name" | "service.instance.id");
        pairs.extend(self.attributes.iter().filter(|(n, _)| !is_named(n)).map(|(n, v)| (&**n, &**v)));
        pairs.retain(|(_, value)| !value.is_empty());
        let mut encoded = Vec::new();
        wire::attributes(&mut encoded, 1, pairs);
        let number = u32::try_from(self.resources.len()).unwrap_or(u32::MAX);
        self.resources.push(encoded);
        self.resource_index.insert(key, number);
        number
    }

    fn metric(&mut self, resource: u32, form: MetricForm, name: &str, series: &ExportSeries) -> u32 {
        let key = (resource, form, name.to_owned());
        if let Some(known) = self.metric_index.get(&key) {
            return *known;
        }
        let mut header = Vec::new();
        wire::text(&mut header, 1, name);
        wire::text(&mut header, 2, &series.meta.help);
        wire::text(&mut header, 3, unit(name, &series.meta));
        let number = u32::try_from(self.metrics.len()).unwrap_or(u32::MAX);
        self.metrics.push(MetricInfo { resource, name: name.to_owned(), form, header });
        self.metric_index.insert(key, number);
        number
    }

    fn group(&mut self, metric: u32, labels: Labels, start: Start) -> u32 {
        if let Some(number) = self.group_index.get(&(metric, labels.clone())) {
            if let Some(group) = self.groups.get_mut(number) {
                group.parts += 1;
            }
            return *number;
        }
        let mut attributes = Vec::new();
        wire::attributes(&mut attributes, HISTOGRAM_ATTRIBUTES, labels.iter());
        let number = self.next_group;
        self.next_group = self.next_group.wrapping_add(1);
        let group = GroupInfo { metric, attributes: attributes.into(), parts: 1, start, used: self.batch };
        self.groups.insert(number, group);
        self.group_index.insert((metric, labels), number);
        number
    }

    /// Puts metrics of one resource together, sorted by name.
    pub(super) fn sort(&self, metrics: &mut [u32]) {
        let key = |number: &u32| self.metrics.get(*number as usize).map(|m| (m.resource, &*m.name, m.form));
        metrics.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
    }

    /// Bytes a metric costs in a request besides its points, at most.
    pub(super) fn overhead(&self, metric: u32) -> usize {
        // Tags, lengths, the temporality, and a resource of its own.
        let Some(info) = self.metric_info(metric) else { return 0 };
        info.header.len() + self.resource_bytes(info.resource).len() + 96
    }

    pub(super) fn metric_info(&self, metric: u32) -> Option<&MetricInfo> {
        self.metrics.get(metric as usize)
    }

    pub(super) fn resource_bytes(&self, resource: u32) -> &[u8] {
        self.resources.get(resource as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn group_info(&self, group: u32) -> Option<&GroupInfo> {
        self.groups.get(&group)
    }

    /// A sample as a point. Only sums have a start time.
    pub(super) fn number_point(&mut self, series: &ExportSeries, sample: Sample) -> Option<NumberPoint<'_>> {
        let info = self.series.get_mut(&series.id)?;
        let start = (info.role == Role::Sum).then(|| info.start.at(sample).0);
        Some(NumberPoint { start, sample, attributes: &info.attributes })
    }

    /// The start time of a histogram whose count at a time is this.
    pub(super) fn histogram_start(&mut self, group: u32, count: Sample) -> i64 {
        self.groups.get_mut(&group).map_or(count.t, |group| group.start.at(count)).0
    }
}
