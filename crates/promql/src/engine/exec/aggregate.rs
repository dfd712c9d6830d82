//! Aggregations. Those that fold values (`sum`, `max` …) add each column to its group's row and drop it;
//! those that choose or rank series must see them all.

mod count_values;
mod fold;
mod ranked;

use breakwatch_model::Labels;

use super::column::{Column, Grid, Owned, is_absent};
use super::meta::Meta;
use super::signature::{Chosen, Numbering};
use super::{Eval, Evaluator, Sink, quantile};
use crate::ast::AggregateOp;
use crate::engine::plan::Aggregation;
use crate::span::Span;
use fold::Fold;

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &self,
        aggregation: &Aggregation,
        span: Span,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let param = aggregation.param.as_ref().map(|param| self.scalar(param, grid)).transpose()?;
        let param = param.unwrap_or_default();
        match aggregation.op {
            AggregateOp::Sum => self.fold::<fold::Sum>(aggregation, grid, sink),
            AggregateOp::Avg => self.fold::<fold::Avg>(aggregation, grid, sink),
            AggregateOp::Count => self.fold::<fold::Count>(aggregation, grid, sink),
            AggregateOp::Group => self.fold::<fold::Group>(aggregation, grid, sink),
            AggregateOp::Min => self.fold::<fold::Min>(aggregation, grid, sink),
            AggregateOp::Max => self.fold::<fold::Max>(aggregation, grid, sink),
            AggregateOp::Stddev => self.fold::<fold::Stddev>(aggregation, grid, sink),
            AggregateOp::Stdvar => self.fold::<fold::Stdvar>(aggregation, grid, sink),
            AggregateOp::Quantile => self.quantiles(aggregation, &param, grid, sink),
            AggregateOp::TopK | AggregateOp::BottomK | AggregateOp::LimitK | AggregateOp::LimitRatio => {
                self.ranked(aggregation, &param, span, grid, sink)
            }
            // Compiled to a kind of its own.
            AggregateOp::CountValues => Ok(()),
        }
    }

    /// Folds each group's values at each time into one.
    fn fold<F: Fold>(&self, aggregation: &Aggregation, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        let grouping = &aggregation.grouping;
        let mut groups = Groups::new(Chosen::new(&grouping.labels, grouping.without));
        let mut rows: Vec<F> = Vec::new();
        self.vector(&aggregation.input, grid, &mut |column| {
            let number = groups.number(&column.meta);
            if number == rows.len() {
                self.hold(grid.len() * F::HELD)?;
                rows.push(F::new(grid.len()));
            }
            if let Some(row) = rows.get_mut(number) {
                row.add(column.values);
            }
            Ok(())
        })?;
        self.release(rows.len() * grid.len() * F::HELD);
        let series = rows.into_iter().map(Fold::finish);
        self.emit_groups(groups, series, sink)
    }

    /// Passes on one series per group, leaving out groups without a value.
    fn emit_groups(
        &self,
        groups: Groups<'_>,
        series: impl Iterator<Item = Vec<f64>>,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let delayed = self.options.delayed_name_removal;
        for ((labels, drop_name), mut values) in groups.into_labels().into_iter().zip(series) {
            if values.iter().any(|value| !is_absent(*value)) {
                let meta = Meta { labels: &labels, hidden: false, drop_name, delayed };
                sink(Column { meta, values: &mut values })?;
            }
        }
        Ok(())
    }

    fn quantiles(
        &self,
        aggregation: &Aggregation,
        param: &[f64],
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in param {
            if value.is_nan() {
                self.check_quantile(f64::NAN, aggregation.param_span);
            }
            (low, high) = (low.min(*value), high.max(*value));
        }
        for bound in [high, low].into_iter().filter(|bound| bound.is_finite() || param.contains(bound)) {
            self.check_quantile(bound, aggregation.param_span);
        }
        let (groups, members) = self.members(aggregation, grid)?;
        let mut scratch = Vec::new();
        let series: Vec<Vec<f64>> = members
            .iter()
            .map(|members| {
                let at = |step: usize| {
                    scratch.clear();
                    let values = members.iter().filter_map(|owned: &Owned| owned.values.get(step).copied());
                    scratch.extend(values.filter(|value| !is_absent(*value)));
                    if scratch.is_empty() {
                        return super::column::ABSENT;
                    }
                    let wanted = param.get(step).copied().unwrap_or(f64::NAN);
                    super::column::present(quantile::quantile(wanted, &mut scratch))
                };
                (0..grid.len()).map(at).collect()
            })
            .collect();
        members.iter().for_each(|members| self.release_all(members));
        self.emit_groups(groups, series.into_iter(), sink)
    }

    /// All series by group.
    fn members<'g>(&self, aggregation: &'g Aggregation, grid: &Grid) -> Eval<(Groups<'g>, Vec<Vec<Owned>>)> {
        let grouping = &aggregation.grouping;
        let mut groups = Groups::new(Chosen::new(&grouping.labels, grouping.without));
        let mut members: Vec<Vec<Owned>> = Vec::new();
        self.vector(&aggregation.input, grid, &mut |column| {
            let number = groups.number(&column.meta);
            if number == members.len() {
                members.push(Vec::new());
            }
            self.hold(column.values.len())?;
            let (labels, drop_name) = (column.meta.labels(), column.meta.drop_name);
            if let Some(members) = members.get_mut(number) {
                members.push(Owned { labels, drop_name, values: column.values.to_vec() });
            }
            Ok(())
        })?;
        Ok((groups, members))
    }
}

/// The groups met so far.
struct Groups<'l> {
    numbering: Numbering<'l>,
    /// Whether any series of the group has a name to be dropped at the end.
    drop_name: Vec<bool>,
}

impl<'l> Groups<'l> {
    fn new(chosen: Chosen<'l>) -> Self {
        Self { numbering: Numbering::new(chosen), drop_name: Vec::new() }
    }

    fn number(&mut self, meta: &Meta<'_>) -> usize {
        let number = self.numbering.number(meta);
        match self.drop_name.get_mut(number) {
            Some(drop_name) => *drop_name |= meta.drop_name,
            None => self.drop_name.push(meta.drop_name),
        }
        number
    }

    fn into_labels(self) -> Vec<(Labels, bool)> {
        self.numbering.into_labels().into_iter().zip(self.drop_name).collect()
    }
}
