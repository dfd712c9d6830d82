//! `topk`, `bottomk`, `limitk`, `limit_ratio`: aggregations that keep some of the series as they are.

use crate::ast::AggregateOp;
use crate::engine::error::QueryError;
use crate::engine::exec::column::{ABSENT, Grid, Owned, is_absent};
use crate::engine::exec::{Eval, Evaluator, Sink};
use crate::engine::plan::Aggregation;
use crate::number::go_shortest;
use crate::span::Span;

mod heap;
mod ratio;

use heap::Heap;

impl Evaluator<'_> {
    pub(super) fn ranked(
        &self,
        aggregation: &Aggregation,
        param: &[f64],
        _span: Span,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        if !self.check_param(aggregation, param)? {
            return Ok(());
        }
        let (_, mut groups) = self.members(aggregation, grid)?;
        let total: usize = groups.iter().map(Vec::len).sum();
        let mut ranking = Vec::new();
        for members in &mut groups {
            let mut chosen = vec![false; members.len() * grid.len()];
            for step in 0..grid.len() {
                let param = param.get(step).copied().unwrap_or(0.0);
                ranking.clear();
                choose(aggregation.op, param, total, members, step, &mut ranking);
                for index in &ranking {
                    if let Some(place) = chosen.get_mut(index * grid.len() + step) {
                        *place = true;
                    }
                }
            }
            for (index, owned) in members.iter_mut().enumerate() {
                let row = chosen.iter().skip(index * grid.len());
                for (value, chosen) in owned.values.iter_mut().zip(row) {
                    if !chosen {
                        *value = ABSENT;
                    }
                }
            }
            if grid.len() == 1 {
                put_in_order(members, &ranking);
            }
        }
        for members in groups {
            self.emit_all(members, sink)?;
        }
        Ok(())
    }

    /// Refuses parameters that mean nothing; `false` if no series will be kept.
    fn check_param(&self, aggregation: &Aggregation, param: &[f64]) -> Eval<bool> {
        let (mut low, mut high, mut nan) = (f64::INFINITY, f64::NEG_INFINITY, false);
        for value in param {
            nan |= value.is_nan();
            (low, high) = (low.min(*value), high.max(*value));
        }
        if aggregation.op == AggregateOp::LimitRatio {
            if !nan && low == 0.0 && high == 0.0 {
                return Ok(false);
            }
            if nan {
                return Err(QueryError::execution("Ratio value is NaN"));
            }
            for (value, cap) in [(high, 1.0), (low, -1.0)] {
                if value.abs() > 1.0 && value.signum() == cap {
                    let (got, cap) = (go_shortest(value), go_shortest(cap));
                    let text = format!("ratio value should be between -1 and 1, got {got}, capping to {cap}");
                    self.warn(text, aggregation.param_span);
                }
            }
            return Ok(true);
        }
        if !nan && high < 1.0 {
            return Ok(false);
        }
        if nan {
            return Err(QueryError::execution("Parameter value is NaN"));
        }
        // The bounds of a 64-bit integer.
        if low <= -(2f64.powi(63)) {
            return Err(QueryError::execution(format!("Scalar value {} underflows int64", go_shortest(low))));
        }
        if high >= 2f64.powi(63) {
            return Err(QueryError::execution(format!("Scalar value {} overflows int64", go_shortest(high))));
        }
        Ok(true)
    }
}

/// The numbers of the members to keep at one time, best first.
fn choose(op: AggregateOp, param: f64, total: usize, members: &[Owned], step: usize, out: &mut Vec<usize>) {
    let present = members.iter().enumerate().filter_map(|(index, owned)| {
        let value = owned.values.get(step).copied()?;
        (!is_absent(value)).then_some((index, value))
    });
    if op == AggregateOp::LimitRatio {
        let ratio = param.clamp(-1.0, 1.0);
        let kept =
            |index: &usize| members.get(*index).is_some_and(|owned| ratio::keeps(ratio, &owned.labels));
        out.extend(present.map(|(index, _)| index).filter(kept));
        return;
    }
    // More than there are series is all of them.
    let wanted = if param < 1.0 { 0 } else { (param as usize).min(total) };
    if wanted == 0 {
        return;
    }
    match op {
        AggregateOp::LimitK => out.extend(present.map(|(index, _)| index).take(wanted)),
        _ => {
            let mut heap = Heap::new(op == AggregateOp::TopK, wanted);
            present.for_each(|(index, value)| heap.offer(value, index));
            heap.drain_best_first(out);
        }
    }
}

/// Puts the kept members first, in their order.
fn put_in_order(members: &mut Vec<Owned>, ranking: &[usize]) {
    let mut places: Vec<Option<Owned>> = std::mem::take(members).into_iter().map(Some).collect();
    members.extend(ranking.iter().filter_map(|index| places.get_mut(*index).and_then(Option::take)));
}
