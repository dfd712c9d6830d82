//! Instant vectors: which operator handles which kind.

use breakwatch_model::Labels;

use super::column::{Column, Grid, is_absent};
use super::meta::Meta;
use super::scalar::seconds;
use super::{Eval, Evaluator, Sink};
use crate::engine::plan::{Vector, VectorKind};

impl Evaluator<'_> {
    /// Evaluates a vector at each time of the grid, series by series.
    pub(super) fn vector(&self, vector: &Vector, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        // The columns an operator works with; what it keeps is counted where it is kept.
        self.hold(grid.len())?;
        let evaluated = self.repeated(vector, grid, sink);
        self.release(grid.len());
        evaluated
    }

    fn repeated(&self, vector: &Vector, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        if !vector.invariant || grid.len() == 1 {
            return self.kind(vector, grid, sink);
        }
        // The same at all times: evaluated once, then repeated.
        let mut repeated = vec![0.0; grid.len()];
        self.kind(vector, &grid.first(), &mut |column| {
            repeated.fill(column.values.first().copied().unwrap_or(f64::NAN));
            sink(Column { meta: column.meta, values: &mut repeated })
        })
    }

    fn kind(&self, vector: &Vector, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        match &vector.kind {
            VectorKind::Select(select) => self.select(select, grid, sink),
            VectorKind::SampleTimes(select) => self.sample_times(select, grid, sink),
            VectorKind::EvaluationTimes(input) => self.evaluation_times(input, grid, sink),
            VectorKind::RangeCall(call) => self.range_call(call, vector.unique, grid, sink),
            VectorKind::AbsentOverTime { source, labels } => {
                self.absent_over_time(source, labels, grid, sink)
            }
            VectorKind::Absent { input, labels } => self.absent(input, labels, grid, sink),
            VectorKind::Map { function, args, input } => self.map(*function, args, input, grid, sink),
            VectorKind::Nothing(input) => self.vector(input, grid, &mut |_| Ok(())),
            VectorKind::Chain(chain) => self.chain(chain, grid, sink),
            VectorKind::Aggregate(aggregation) => self.aggregate(aggregation, vector.span, grid, sink),
            VectorKind::CountValues(count) => self.count_values(count, grid, sink),
            VectorKind::FromScalar(scalar) => {
                let mut values = self.scalar(scalar, grid)?;
                sink(self.unlabelled(&Labels::empty(), &mut values))
            }
            VectorKind::DateNow(function) => {
                let time = |step| super::date::date(*function, grid.time(step).div_euclid(1000));
                let mut values: Vec<f64> = (0..grid.len()).map(time).collect();
                sink(self.unlabelled(&Labels::empty(), &mut values))
            }
            VectorKind::Sort { descending, input } => self.sort(*descending, input, vector.span, grid, sink),
            VectorKind::SortByLabel { descending, labels, input } => {
                self.sort_by_label(*descending, labels, input, vector.span, grid, sink)
            }
            VectorKind::LabelReplace(replace) => self.label_replace(replace, grid, sink),
            VectorKind::LabelJoin { destination, separator, sources, input } => {
                self.label_join(destination, separator, sources, input, grid, sink)
            }
            VectorKind::Histogram(call) => self.histogram(call, grid, sink),
            VectorKind::Info(call) => self.info(call, grid, sink),
        }
    }

    /// A column of computed labels, whose name has nothing to drop.
    pub(super) fn unlabelled<'c>(&self, labels: &'c Labels, values: &'c mut [f64]) -> Column<'c> {
        let delayed = self.options.delayed_name_removal;
        Column { meta: Meta { labels, hidden: false, drop_name: false, delayed }, values }
    }

    /// `timestamp` of what is not a selector: such samples have the evaluation time.
    fn evaluation_times(&self, input: &Vector, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        self.dropping_names(input, grid, sink, &mut |values| {
            for (step, value) in values.iter_mut().enumerate() {
                if !is_absent(*value) {
                    *value = seconds(grid.time(step));
                }
            }
        })
    }

    /// Changes each column of `input` and passes it on without its name.
    pub(super) fn dropping_names(
        &self,
        input: &Vector,
        grid: &Grid,
        sink: &mut Sink<'_>,
        change: &mut dyn FnMut(&mut [f64]),
    ) -> Eval<()> {
        self.checking_unique(input.unique, sink, &mut |sink| {
            self.vector(input, grid, &mut |column| {
                change(column.values);
                sink(Column { meta: column.meta.dropped(), values: column.values })
            })
        })
    }
}
