//! Left spines of operators, one operator after the other.

use super::arithmetic::{compare, compute};
use super::column::{ABSENT, Column, Grid, Owned, is_absent, present};
use super::{Eval, Evaluator, Sink};
use crate::ast::BinaryOp;
use crate::engine::plan::{Chain, ChainStart, Link, Scalar, Vector, drops_names};

/// An operator whose other operand is a scalar.
struct ScalarOp {
    op: BinaryOp,
    scalar: Operand,
    /// Whether the scalar stands on the left.
    swapped: bool,
    return_bool: bool,
}

/// A scalar operand. A long chain may have thousands, so constants take no column each.
enum Operand {
    Const(f64),
    Column(Vec<f64>),
}

impl Evaluator<'_> {
    pub(super) fn chain(&self, chain: &Chain, grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        let (first, mut pending) = self.chain_start(&chain.first, grid)?;
        // Everything up to the last match of two vectors is collected; after it series flow again.
        let matched = chain.links.iter().rposition(|link| matches!(link, Link::Vector { .. }));
        let (collected, flowing) = chain.links.split_at(matched.map_or(0, |last| last + 1));
        let mut left: Option<Vec<Owned>> = None;
        for link in collected {
            match link {
                Link::Scalar { op, rhs, return_bool } => {
                    pending.push(self.scalar_op(*op, rhs, false, *return_bool, grid)?);
                }
                Link::Vector { op, rhs, matching, return_bool } => {
                    let lhs = match left.take() {
                        Some(series) => self.apply_kept(series, &pending)?,
                        None => self.apply_collect(first, &pending, grid)?,
                    };
                    self.forget(&mut pending);
                    let rhs = self.collect(rhs, grid)?;
                    left = Some(self.join(*op, matching, *return_bool, lhs, rhs, grid)?);
                }
            }
        }
        for link in flowing {
            if let Link::Scalar { op, rhs, return_bool } = link {
                pending.push(self.scalar_op(*op, rhs, false, *return_bool, grid)?);
            }
        }
        match left {
            Some(series) => {
                let series = self.apply_kept(series, &pending)?;
                self.emit_all(series, sink)?;
            }
            None => self.apply(first, &pending, grid, sink)?,
        }
        self.forget(&mut pending);
        Ok(())
    }

    fn chain_start<'p>(&self, first: &'p ChainStart, grid: &Grid) -> Eval<(&'p Vector, Vec<ScalarOp>)> {
        Ok(match first {
            ChainStart::Vector(vector) => (vector, Vec::new()),
            ChainStart::ScalarFirst { scalar, op, vector, return_bool } => {
                (vector, vec![self.scalar_op(*op, scalar, true, *return_bool, grid)?])
            }
        })
    }

    fn scalar_op(
        &self,
        op: BinaryOp,
        scalar: &Scalar,
        swapped: bool,
        return_bool: bool,
        grid: &Grid,
    ) -> Eval<ScalarOp> {
        let scalar = if let Scalar::Const(value) = scalar {
            Operand::Const(*value)
        } else {
            self.hold(grid.len())?;
            Operand::Column(self.scalar(scalar, grid)?)
        };
        Ok(ScalarOp { op, scalar, swapped, return_bool })
    }

    fn forget(&self, pending: &mut Vec<ScalarOp>) {
        for op in pending.drain(..) {
            if let Operand::Column(column) = op.scalar {
                self.release(column.len());
            }
        }
    }

    /// Applies operators to each series as it comes.
    fn apply(&self, vector: &Vector, ops: &[ScalarOp], grid: &Grid, sink: &mut Sink<'_>) -> Eval<()> {
        let drops = ops.iter().any(|op| drops_names(op.op, op.return_bool));
        self.checking_unique(!drops || vector.unique, sink, &mut |sink| {
            self.vector(vector, grid, &mut |column| {
                if !apply_all(ops, column.values) {
                    return Ok(());
                }
                let meta = if drops { column.meta.dropped() } else { column.meta };
                sink(Column { meta, values: column.values })
            })
        })
    }

    fn apply_collect(&self, vector: &Vector, ops: &[ScalarOp], grid: &Grid) -> Eval<Vec<Owned>> {
        let mut collected = Vec::new();
        self.apply(vector, ops, grid, &mut |column| {
            if column.values.iter().any(|value| !is_absent(*value)) {
                self.hold(column.values.len())?;
                let (labels, drop_name) = (column.meta.labels(), column.meta.drop_name);
                collected.push(Owned { labels, drop_name, values: column.values.to_vec() });
            }
            Ok(())
        })?;
        Ok(collected)
    }

    /// Applies operators to series that are kept.
    fn apply_kept(&self, mut series: Vec<Owned>, ops: &[ScalarOp]) -> Eval<Vec<Owned>> {
        if ops.is_empty() {
            return Ok(series);
        }
        let drops = ops.iter().any(|op| drops_names(op.op, op.return_bool));
        series.retain_mut(|owned| {
            let kept = apply_all(ops, &mut owned.values);
            if !kept {
                self.release(owned.values.len());
            }
            kept
        });
        if !drops {
            return Ok(series);
        }
        let delayed = self.options.delayed_name_removal;
        for owned in &mut series {
            let meta = owned.column(delayed).meta.dropped();
            (owned.labels, owned.drop_name) = (meta.labels(), meta.drop_name);
        }
        if delayed { Ok(series) } else { self.merge_same_labels(series) }
    }
}

/// Applies operators in order; `false` if no value is left.
fn apply_all(ops: &[ScalarOp], values: &mut [f64]) -> bool {
    let mut any = true;
    for op in ops {
        any = apply_one(op, values);
        if !any {
            break;
        }
    }
    any
}

fn apply_one(op: &ScalarOp, values: &mut [f64]) -> bool {
    match &op.scalar {
        Operand::Const(scalar) => apply_each(op, values, std::iter::repeat(scalar)),
        Operand::Column(scalars) => apply_each(op, values, scalars.iter()),
    }
}

fn apply_each<'s>(op: &ScalarOp, values: &mut [f64], scalars: impl Iterator<Item = &'s f64>) -> bool {
    let mut any = false;
    for (value, scalar) in values.iter_mut().zip(scalars) {
        if is_absent(*value) {
            continue;
        }
        let (lhs, rhs) = if op.swapped { (*scalar, *value) } else { (*value, *scalar) };
        if !op.op.is_comparison() {
            *value = present(compute(op.op, lhs, rhs));
        } else if op.return_bool {
            *value = f64::from(u8::from(compare(op.op, lhs, rhs)));
        } else if !compare(op.op, lhs, rhs) {
            // A comparison keeps the vector's value, on whichever side it stands.
            *value = ABSENT;
            continue;
        }
        any = true;
    }
    any
}
