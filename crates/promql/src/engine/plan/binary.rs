//! Operators: a left spine, which may be as long as the query, becomes a flat chain.

use super::compile::{Compiled, Compiler, Part, unchecked};
use super::{Chain, ChainStart, Link, Plan, Scalar, Vector, VectorKind};
use crate::ast::{Binary, BinaryOp, Expr};
use crate::engine::exec::arithmetic;

impl Compiler {
    pub(super) fn binary(&mut self, binary: &Binary) -> Compiled<Part> {
        let mut spine = vec![binary];
        let mut leaf: &Expr = &binary.lhs;
        while let Expr::Binary(below) = leaf {
            spine.push(below);
            leaf = &below.lhs;
        }
        let mut left = self.expr(leaf)?;
        for operator in spine.into_iter().rev() {
            let right = self.expr(&operator.rhs)?;
            let invariant = left.invariant && right.invariant;
            let plan = match (left.plan, right.plan) {
                (Plan::Scalar(lhs), Plan::Scalar(rhs)) => Plan::Scalar(scalars(operator.op, lhs, rhs)),
                (Plan::Vector(lhs), Plan::Scalar(rhs)) => {
                    let link = Link::Scalar { op: operator.op, rhs, return_bool: operator.return_bool };
                    Plan::Vector(extend(lhs, link, invariant, operator))
                }
                (Plan::Vector(lhs), Plan::Vector(rhs)) => {
                    let (op, return_bool) = (operator.op, operator.return_bool);
                    let matching = operator.matching.clone();
                    let link = Link::Vector { op, rhs, matching, return_bool };
                    Plan::Vector(extend(lhs, link, invariant, operator))
                }
                (Plan::Scalar(scalar), Plan::Vector(vector)) => {
                    let (op, return_bool) = (operator.op, operator.return_bool);
                    let unique = vector.unique || drops_names(op, return_bool);
                    let first = ChainStart::ScalarFirst { scalar, op, vector, return_bool };
                    let kind = VectorKind::Chain(Box::new(Chain { first, links: Vec::new() }));
                    Plan::Vector(Vector { kind, invariant, unique, span: operator.span })
                }
                _ => return Err(unchecked(&operator.rhs)),
            };
            left = Part { plan, invariant };
        }
        Ok(left)
    }
}

/// Whether the result is no longer the metric on the left.
pub(in crate::engine) const fn drops_names(op: BinaryOp, return_bool: bool) -> bool {
    return_bool || !(op.is_comparison() || op.is_set())
}

fn scalars(op: BinaryOp, lhs: Scalar, rhs: Scalar) -> Scalar {
    match (lhs, rhs) {
        (Scalar::Const(lhs), Scalar::Const(rhs)) => Scalar::Const(arithmetic::scalar(op, lhs, rhs)),
        (Scalar::Chain { first, mut links }, rhs) => {
            links.push((op, rhs));
            Scalar::Chain { first, links }
        }
        (lhs, rhs) => Scalar::Chain { first: Box::new(lhs), links: vec![(op, rhs)] },
    }
}

/// Adds a link to the chain on the left, or starts one. A part that is the same at all times stays whole, so
/// that it is still evaluated once.
fn extend(lhs: Vector, link: Link, invariant: bool, operator: &Binary) -> Vector {
    let unique = match &link {
        Link::Scalar { op, return_bool, .. } => lhs.unique || drops_names(*op, *return_bool),
        Link::Vector { op: BinaryOp::And | BinaryOp::Unless, .. } => lhs.unique,
        Link::Vector { op, return_bool, .. } => drops_names(*op, *return_bool),
    };
    let chain = match lhs.kind {
        VectorKind::Chain(mut chain) if lhs.invariant == invariant => {
            chain.links.push(link);
            chain
        }
        kind => {
            let first = ChainStart::Vector(Vector { kind, ..lhs });
            Box::new(Chain { first, links: vec![link] })
        }
    };
    Vector { kind: VectorKind::Chain(chain), invariant, unique, span: operator.span }
}
