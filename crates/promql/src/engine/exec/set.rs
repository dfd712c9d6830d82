//! `and`, `or`, `unless`: series by whether the other side has any with the same labels.

use super::column::{ABSENT, Grid, Owned, is_absent};
use super::signature::{Chosen, Numbering};
use super::{Eval, Evaluator};
use crate::ast::{BinaryOp, VectorMatching};

impl Evaluator<'_> {
    pub(super) fn set_operation(
        &self,
        op: BinaryOp,
        matching: &VectorMatching,
        mut lhs: Vec<Owned>,
        mut rhs: Vec<Owned>,
        grid: &Grid,
    ) -> Eval<Vec<Owned>> {
        let mut labels = matching.labels.clone();
        labels.sort_unstable();
        let mut numbering = Numbering::new(Chosen::new(&labels, !matching.on));
        let delayed = self.options.delayed_name_removal;
        let number =
            |owned: &mut Owned, numbering: &mut Numbering<'_>| numbering.number(&owned.column(delayed).meta);
        let left: Vec<usize> = lhs.iter_mut().map(|owned| number(owned, &mut numbering)).collect();
        let right: Vec<usize> = rhs.iter_mut().map(|owned| number(owned, &mut numbering)).collect();
        let groups = numbering.len();
        self.hold(groups * grid.len())?;
        if op == BinaryOp::Or {
            let present = presence(&lhs, &left, groups, grid);
            keep(&mut rhs, &right, &present, grid, false);
            lhs.append(&mut rhs);
            self.release(groups * grid.len());
            return self.merge_same_labels(lhs);
        }
        let present = presence(&rhs, &right, groups, grid);
        keep(&mut lhs, &left, &present, grid, op == BinaryOp::And);
        self.release(groups * grid.len());
        self.release_all(&rhs);
        Ok(lhs)
    }
}

/// For each group and time, whether a series has a value.
fn presence(series: &[Owned], numbers: &[usize], groups: usize, grid: &Grid) -> Vec<bool> {
    let mut present = vec![false; groups * grid.len()];
    for (owned, number) in series.iter().zip(numbers) {
        let row = present.iter_mut().skip(number * grid.len());
        for (present, value) in row.zip(&owned.values) {
            *present |= !is_absent(*value);
        }
    }
    present
}

/// Keeps values where the presence of their group is as wanted.
fn keep(series: &mut Vec<Owned>, numbers: &[usize], present: &[bool], grid: &Grid, wanted: bool) {
    let mut numbers = numbers.iter();
    series.retain_mut(|owned| {
        let Some(number) = numbers.next() else { return false };
        let row = present.iter().skip(number * grid.len());
        let mut any = false;
        for (value, present) in owned.values.iter_mut().zip(row) {
            if *present != wanted {
                *value = ABSENT;
            }
            any |= !is_absent(*value);
        }
        any
    });
}
