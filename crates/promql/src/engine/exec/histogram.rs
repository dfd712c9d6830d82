//! Classic histograms: buckets as series that differ in `le`.

mod buckets;

use breakwatch_model::{Labels, METRIC_NAME};

use super::column::{ABSENT, Column, Grid, is_absent, present};
use super::meta::Meta;
use super::signature::{Chosen, Numbering};
use super::{Eval, Evaluator, Sink};
use crate::engine::plan::{HistogramCall, HistogramKind};
use crate::number::{go_shortest, parse_float};
use crate::quote::quote;
use crate::span::Span;
use buckets::{Bucket, Monotonic};

const BUCKET_LABEL: &str = "le";

/// The buckets of one histogram, by bound.
struct Histogram {
    labels: Labels,
    drop_name: bool,
    name: String,
    buckets: Vec<(f64, Vec<f64>)>,
}

impl Histogram {
    /// The buckets that have a value at a time.
    fn at(&self, step: usize, out: &mut Vec<Bucket>) {
        out.clear();
        for (bound, values) in &self.buckets {
            if let Some(count) = values.get(step).copied().filter(|value| !is_absent(*value)) {
                out.push(Bucket { bound: *bound, count });
            }
        }
    }
}

impl Evaluator<'_> {
    pub(super) fn histogram(&self, call: &HistogramCall, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        // Different metrics may have the same labels otherwise, whatever the input's names are fixed to.
        let unique = call.input.unique && !matches!(call.kind, HistogramKind::Quantiles(..));
        self.checking_unique(unique, sink, &mut |sink| match &call.kind {
            HistogramKind::Quantile(quantile, span) => {
                let quantiles = self.scalar(quantile, grid)?;
                let histograms = self.histograms(call, grid)?;
                self.quantile_of_each(&histograms, &quantiles, *span, call.input.span, None, grid, sink)?;
                self.release_histograms(&histograms);
                Ok(())
            }
            HistogramKind::Quantiles(label, quantiles) => {
                let mut columns = Vec::with_capacity(quantiles.len());
                for (quantile, span) in quantiles {
                    columns.push((self.scalar(quantile, grid)?, *span));
                }
                let histograms = self.histograms(call, grid)?;
                for (quantiles, span) in &columns {
                    let label = Some(label.as_str());
                    self.quantile_of_each(&histograms, quantiles, *span, call.input.span, label, grid, sink)?;
                }
                self.release_histograms(&histograms);
                Ok(())
            }
            HistogramKind::Fraction(lower, upper) => {
                let (lower, upper) = (self.scalar(lower, grid)?, self.scalar(upper, grid)?);
                let histograms = self.histograms(call, grid)?;
                self.fraction_of_each(&histograms, &lower, &upper, grid, sink)?;
                self.release_histograms(&histograms);
                Ok(())
            }
        })
    }

    /// The input's series by histogram.
    fn histograms(&self, call: &HistogramCall, grid: &Grid) -> Eval<Vec<Histogram>> {
        // The name counts: `Chosen` leaves it out of "all but", so it is compared on its own.
        let without = [BUCKET_LABEL.to_owned()];
        let mut numbering = Numbering::new(Chosen::new(&without, true));
        let mut histograms: Vec<Histogram> = Vec::new();
        let mut places = rustc_hash::FxHashMap::default();
        self.vector(&call.input, grid, &mut |column| {
            let (meta, bound_text) = (column.meta, column.meta.value(BUCKET_LABEL));
            let name = meta.value(METRIC_NAME);
            let Some(bound) = parse_float(bound_text) else {
                let named = if meta.delayed { name } else { "" };
                self.bad_bound(bound_text, named, call.input.span);
                return Ok(());
            };
            let key = (numbering.number(&meta), name.to_owned());
            let place = *places.entry(key).or_insert_with(|| {
                let labels = meta.labels().without(BUCKET_LABEL);
                let drop_name = meta.drop_name;
                histograms.push(Histogram { labels, drop_name, name: name.to_owned(), buckets: Vec::new() });
                histograms.len() - 1
            });
            self.hold(column.values.len())?;
            if let Some(histogram) = histograms.get_mut(place) {
                histogram.buckets.push((bound, column.values.to_vec()));
            }
            Ok(())
        })?;
        for histogram in &mut histograms {
            histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        let _ = grid;
        Ok(histograms)
    }

    fn bad_bound(&self, bound: &str, name: &str, span: Span) {
        let mut text = format!("bucket label \"le\" is missing or has a malformed value of {}", quote(bound));
        if !name.is_empty() {
            text.push_str(&format!(" for metric name {}", quote(name)));
        }
        self.warn(text, span);
    }

    fn release_histograms(&self, histograms: &[Histogram]) {
        let buckets = histograms.iter().flat_map(|histogram| &histogram.buckets);
        self.release(buckets.map(|(_, values)| values.len()).sum());
    }

    #[expect(clippy::too_many_arguments, reason = "histograms and quantiles, each with its place and time")]
    fn quantile_of_each(
        &self,
        histograms: &[Histogram],
        quantiles: &[f64],
        quantile_span: Span,
        input_span: Span,
        label: Option<&str>,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        quantiles.iter().for_each(|quantile| self.check_quantile(*quantile, quantile_span));
        let (mut buckets, mut values) = (Vec::new(), vec![ABSENT; grid.len()]);
        for histogram in histograms {
            let mut fixed: Option<Monotonic> = None;
            for (step, (value, quantile)) in values.iter_mut().zip(quantiles).enumerate() {
                histogram.at(step, &mut buckets);
                if buckets.is_empty() {
                    *value = ABSENT;
                    continue;
                }
                let (result, forced) = buckets::quantile(*quantile, &mut buckets);
                *value = present(result);
                if let Some(forced) = forced {
                    fixed.get_or_insert_default().widen(&forced, grid.time(step));
                }
            }
            if let Some(fixed) = fixed {
                let name = if self.options.delayed_name_removal { histogram.name.as_str() } else { "" };
                self.inform(fixed.describe(name), input_span);
            }
            self.emit_histogram(histogram, label.zip(quantiles.first()), &mut values, sink)?;
        }
        Ok(())
    }

    fn fraction_of_each(
        &self,
        histograms: &[Histogram],
        lower: &[f64],
        upper: &[f64],
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let (mut buckets, mut values) = (Vec::new(), vec![ABSENT; grid.len()]);
        for histogram in histograms {
            for (step, ((value, lower), upper)) in values.iter_mut().zip(lower).zip(upper).enumerate() {
                histogram.at(step, &mut buckets);
                *value = if buckets.is_empty() {
                    ABSENT
                } else {
                    present(buckets::fraction(*lower, *upper, &mut buckets))
                };
            }
            self.emit_histogram(histogram, None, &mut values, sink)?;
        }
        Ok(())
    }

    fn emit_histogram(
        &self,
        histogram: &Histogram,
        quantile: Option<(&str, &f64)>,
        values: &mut [f64],
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let labels = match quantile {
            Some((label, value)) => histogram.labels.with(label, open_metrics_float(*value)),
            None => histogram.labels.clone(),
        };
        let delayed = self.options.delayed_name_removal;
        let meta = Meta { labels: &labels, hidden: false, drop_name: histogram.drop_name, delayed };
        sink(Column { meta: meta.dropped(), values })
    }
}

/// A number as OpenMetrics writes it in labels: whole numbers with `.0`.
fn open_metrics_float(value: f64) -> String {
    let text = go_shortest(value);
    if value.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}
