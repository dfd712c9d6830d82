//! What the writers have in common: families put together, sorted, and freed of what a reader would refuse.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use breakwatch_model::{Labels, Metadata, MetricFamily, MetricKind, Point, Suffix};

/// A family with all of its points, from whatever checks they came.
pub(super) struct Family<'f> {
    pub(super) name: &'f str,
    pub(super) meta: &'f Metadata,
    pub(super) content: Content<'f>,
}

pub(super) enum Content<'f> {
    /// One point a series, sorted by labels.
    Plain(Vec<&'f Point>),
    /// Histograms by their labels.
    Histograms(Vec<Histogram<'f>>),
    /// Summaries by their labels.
    Summaries(Vec<Summary<'f>>),
}

/// One histogram: buckets by bound, the last one `+Inf`.
pub(super) struct Histogram<'f> {
    pub(super) labels: &'f Labels,
    pub(super) buckets: Vec<(f64, &'f Labels, f64)>,
    pub(super) sum: Option<f64>,
    pub(super) count: f64,
}

/// One summary.
#[derive(Default)]
pub(super) struct Summary<'f> {
    pub(super) quantiles: Vec<&'f Point>,
    pub(super) sum: Option<&'f Point>,
    pub(super) count: Option<&'f Point>,
}

/// Families sorted by name, those of one name put together. Of two kinds under one name the first is kept; a
/// family that would share a line's name with a histogram's parts is left out; empty families too.
pub(super) fn collect<'f>(families: impl IntoIterator<Item = &'f MetricFamily>) -> (Vec<Family<'f>>, usize) {
    let mut by_name: BTreeMap<&str, (&Metadata, Vec<&[Point]>)> = BTreeMap::new();
    for family in families {
        let entry = by_name.entry(&family.name).or_insert_with(|| (&family.meta, Vec::new()));
        if entry.0.kind == family.meta.kind {
            entry.1.push(&family.points);
        }
    }
    let parts: BTreeSet<String> =
        by_name.iter().flat_map(|(name, (meta, _))| part_names(name, meta.kind)).collect();
    let mut total = 0;
    let mut collected = Vec::with_capacity(by_name.len());
    for (name, (meta, lists)) in by_name {
        if parts.contains(name) {
            continue;
        }
        total += lists.iter().map(|points| points.len()).sum::<usize>();
        let points = lists.into_iter().flatten();
        let content = match meta.kind {
            MetricKind::Histogram => Content::Histograms(histograms(points)),
            MetricKind::Summary => Content::Summaries(summaries(points)),
            _ => Content::Plain(plain(points)),
        };
        if !content.is_empty() {
            collected.push(Family { name, meta, content });
        }
    }
    (collected, total)
}

impl Content<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Plain(points) => points.is_empty(),
            Self::Histograms(histograms) => histograms.is_empty(),
            Self::Summaries(summaries) => summaries.is_empty(),
        }
    }
}

/// The names of lines a family of several series writes besides its own.
fn part_names(name: &str, kind: MetricKind) -> Vec<String> {
    let suffixes: &[Suffix] = match kind {
        MetricKind::Histogram => &[Suffix::Bucket, Suffix::Sum, Suffix::Count],
        MetricKind::Summary => &[Suffix::Sum, Suffix::Count],
        _ => &[],
    };
    suffixes.iter().map(|suffix| format!("{name}{}", suffix.as_str())).collect()
}

/// Points of one series each, sorted; of a series given twice the first stays.
fn plain<'f>(points: impl Iterator<Item = &'f Point>) -> Vec<&'f Point> {
    let mut points: Vec<&Point> = points.filter(|point| point.suffix == Suffix::None).collect();
    points.sort_by(|a, b| a.labels.cmp(&b.labels));
    points.dedup_by(|later, first| later.labels == first.labels);
    points
}

#[derive(Default)]
struct Parts<'f> {
    buckets: Vec<(f64, &'f Labels, f64)>,
    sum: Option<&'f Point>,
    count: Option<&'f Point>,
}

/// Histograms by their labels without `le`. One without a `+Inf` bucket, with buckets that fall or a count
/// that differs is left out.
fn histograms<'f>(points: impl Iterator<Item = &'f Point>) -> Vec<Histogram<'f>> {
    let mut groups: BTreeMap<Labels, Parts<'f>> = BTreeMap::new();
    for point in points {
        match point.suffix {
            Suffix::None => {}
            Suffix::Sum => {
                groups.entry(point.labels.clone()).or_default().sum.get_or_insert(point);
            }
            Suffix::Count => {
                groups.entry(point.labels.clone()).or_default().count.get_or_insert(point);
            }
            Suffix::Bucket => {
                let Ok(bound) = point.labels.value("le").parse::<f64>() else { continue };
                let group = groups.entry(point.labels.without("le")).or_default();
                group.buckets.push((bound, &point.labels, point.value));
            }
        }
    }
    groups.into_values().filter_map(histogram).collect()
}

fn histogram(mut parts: Parts<'_>) -> Option<Histogram<'_>> {
    parts.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    parts.buckets.dedup_by(|later, first| later.0 == first.0);
    let count = parts.count?;
    let (bound, _, last) = *parts.buckets.last()?;
    let rising = parts.buckets.windows(2).all(|pair| pair[0].2 <= pair[1].2);
    let good = bound == f64::INFINITY && last == count.value && rising && parts.buckets[0].2 >= 0.0;
    good.then(|| Histogram {
        labels: &count.labels,
        sum: parts.sum.map(|sum| sum.value),
        count: count.value,
        buckets: parts.buckets,
    })
}

/// Summaries by their labels without `quantile`.
fn summaries<'f>(points: impl Iterator<Item = &'f Point>) -> Vec<Summary<'f>> {
    let mut groups: BTreeMap<Labels, Summary<'f>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for point in points {
        match point.suffix {
            Suffix::None if seen.insert(&point.labels) => {
                groups.entry(point.labels.without("quantile")).or_default().quantiles.push(point);
            }
            Suffix::Sum => {
                groups.entry(point.labels.clone()).or_default().sum.get_or_insert(point);
            }
            Suffix::Count => {
                groups.entry(point.labels.clone()).or_default().count.get_or_insert(point);
            }
            Suffix::None | Suffix::Bucket => {}
        }
    }
    groups.into_values().collect()
}
