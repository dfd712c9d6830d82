//! Operators between two vectors: each element finds its partner by the labels that both sides share.
//!
//! Which series match depends on labels alone, so partners are found once; whether both have a value is looked
//! at per evaluation time, and so are the rules against several partners.

use breakwatch_model::Labels;
use rustc_hash::FxHashMap;

use super::arithmetic::{compare, compute};
use super::column::{ABSENT, Grid, Owned, is_absent, present};
use super::meta::without_metadata;
use super::signature::{Chosen, Numbering};
use super::{Eval, Evaluator};
use crate::ast::{BinaryOp, Cardinality, VectorMatching};
use crate::engine::error::QueryError;
use crate::engine::plan::is_metadata_label;
use crate::quote::quote;

/// What an operator does, with its sides put so that each element of the *many* side has at most one partner
/// on the *one* side.
struct Operation<'m> {
    op: BinaryOp,
    matching: &'m VectorMatching,
    return_bool: bool,
    /// Whether the one side is the left one (`group_right`).
    swapped: bool,
    delayed: bool,
}

/// The series of both sides that share their matching labels.
#[derive(Default)]
struct Group {
    labels: Labels,
    many: Vec<Side>,
    one: Vec<Side>,
}

/// A series of one side.
struct Side {
    owned: Owned,
    /// Whether it stands for series that are missing (`fill`).
    filled: bool,
}

impl Evaluator<'_> {
    pub(super) fn join(
        &self,
        op: BinaryOp,
        matching: &VectorMatching,
        return_bool: bool,
        lhs: Vec<Owned>,
        rhs: Vec<Owned>,
        grid: &Grid,
    ) -> Eval<Vec<Owned>> {
        self.check()?;
        if op.is_set() {
            return self.set_operation(op, matching, lhs, rhs, grid);
        }
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let delayed = self.options.delayed_name_removal;
        let operation = Operation { op, matching, return_bool, swapped, delayed };
        let held: usize = lhs.iter().chain(&rhs).map(|owned| owned.values.len()).sum();
        let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
        let many_at = presence(&many, grid);
        let groups = self.group(matching, many, one);
        let mut results = Vec::new();
        let mut ambiguous = matching.cardinality != Cardinality::OneToOne;
        for mut group in groups {
            operation.fill(&mut group, grid);
            operation.check_one_side(&group, &many_at, grid)?;
            ambiguous |= group.many.len() > 1 || group.one.len() > 1;
            operation.run(group, grid, &mut results)?;
        }
        self.release(held);
        self.hold(results.iter().map(|owned: &Owned| owned.values.len()).sum())?;
        if ambiguous { self.merge_same_labels(results) } else { Ok(results) }
    }

    fn group(&self, matching: &VectorMatching, many: Vec<Owned>, one: Vec<Owned>) -> Vec<Group> {
        let mut labels = matching.labels.clone();
        labels.sort_unstable();
        let mut numbering = Numbering::new(Chosen::new(&labels, !matching.on));
        let mut groups: Vec<Group> = Vec::new();
        let delayed = self.options.delayed_name_removal;
        let mut add = |mut owned: Owned, is_many: bool| {
            let number = numbering.number(&owned.column(delayed).meta);
            if number >= groups.len() {
                groups.resize_with(number + 1, Group::default);
            }
            let Some(group) = groups.get_mut(number) else { return };
            let side = Side { owned, filled: false };
            if is_many { group.many.push(side) } else { group.one.push(side) }
        };
        many.into_iter().for_each(|owned| add(owned, true));
        one.into_iter().for_each(|owned| add(owned, false));
        for (group, labels) in groups.iter_mut().zip(numbering.into_labels()) {
            group.labels = labels;
        }
        groups
    }
}

/// At which times any of the series has a value.
fn presence(series: &[Owned], grid: &Grid) -> Vec<bool> {
    let mut present = vec![false; grid.len()];
    for owned in series {
        for (present, value) in present.iter_mut().zip(&owned.values) {
            *present |= !is_absent(*value);
        }
    }
    present
}

fn any_at(sides: &[Side], step: usize) -> bool {
    sides.iter().any(|side| side.owned.values.get(step).is_some_and(|value| !is_absent(*value)))
}

impl Operation<'_> {
    /// Adds stand-ins for missing partners.
    fn fill(&self, group: &mut Group, grid: &Grid) {
        let (left, right) = (self.matching.fill_left, self.matching.fill_right);
        let (many_fill, one_fill) = if self.swapped { (right, left) } else { (left, right) };
        let stand_in = |missing: &[Side], other: &[Side], fill: f64| {
            let value = |step| {
                if !any_at(missing, step) && any_at(other, step) { present(fill) } else { ABSENT }
            };
            let values: Vec<f64> = (0..grid.len()).map(value).collect();
            let labels = without_metadata(&group.labels);
            let any = values.iter().any(|value| !is_absent(*value));
            any.then_some(Side { owned: Owned { labels, drop_name: false, values }, filled: true })
        };
        let one = one_fill.and_then(|fill| stand_in(&group.one, &group.many, fill));
        let many = many_fill.and_then(|fill| stand_in(&group.many, &group.one, fill));
        group.one.extend(one);
        group.many.extend(many);
    }

    /// The one side may have only one value per group and time, at least where the other side has any at all.
    fn check_one_side(&self, group: &Group, many_at: &[bool], grid: &Grid) -> Eval<()> {
        if group.one.len() < 2 {
            return Ok(());
        }
        let filled = self.matching.fill_left.is_some() || self.matching.fill_right.is_some();
        for step in 0..grid.len() {
            let mut first: Option<&Side> = None;
            if !filled && !many_at.get(step).copied().unwrap_or(false) {
                continue;
            }
            for side in &group.one {
                if side.owned.values.get(step).is_none_or(|value| is_absent(*value)) {
                    continue;
                }
                let Some(earlier) = first.replace(side) else { continue };
                let (labels, hand) = (braces(&group.labels), if self.swapped { "left" } else { "right" });
                let mut pair = [braces(&earlier.owned.labels), braces(&side.owned.labels)];
                pair.sort_unstable();
                let pair = pair.join(", ");
                return Err(QueryError::execution(format!(
                    "found duplicate series for the match group {labels} on the {hand} hand-side of the operation: \
                     [{pair}];many-to-many matching not allowed: matching labels must be unique on one side"
                )));
            }
        }
        Ok(())
    }

    fn run(&self, group: Group, grid: &Grid, results: &mut Vec<Owned>) -> Eval<()> {
        let Group { many, one, .. } = group;
        if many.is_empty() || one.is_empty() {
            return Ok(());
        }
        let simple = many.len() == 1 && one.len() == 1;
        let mut taken = Taken::default();
        for mut many in many {
            for (index, one_side) in one.iter().enumerate() {
                if many.filled && one_side.filled {
                    continue;
                }
                let labels = self.result_labels(&many.owned.labels, &one_side.owned.labels);
                if !simple {
                    self.check_unique(&mut taken, &many.owned, &one_side.owned, &labels, grid)?;
                }
                // The last partner's result takes the place of the values themselves.
                let last = index + 1 == one.len();
                let values = &mut many.owned.values;
                let mut values = if last { std::mem::take(values) } else { values.clone() };
                if self.compute(&mut values, &one_side.owned.values) {
                    results.push(Owned { labels, drop_name: self.return_bool && self.delayed, values });
                }
            }
        }
        Ok(())
    }

    /// Replaces the values of the many side by the results; `false` if there is none.
    fn compute(&self, many: &mut [f64], one: &[f64]) -> bool {
        let mut any = false;
        for (value, partner) in many.iter_mut().zip(one) {
            if is_absent(*value) || is_absent(*partner) {
                *value = ABSENT;
                continue;
            }
            let (lhs, rhs) = if self.swapped { (*partner, *value) } else { (*value, *partner) };
            *value = if !self.op.is_comparison() {
                present(compute(self.op, lhs, rhs))
            } else if self.return_bool {
                f64::from(u8::from(compare(self.op, lhs, rhs)))
            } else if compare(self.op, lhs, rhs) {
                lhs
            } else {
                ABSENT
            };
            any |= !is_absent(*value);
        }
        any
    }

    /// Refuses a second match for what may match once.
    fn check_unique(
        &self,
        taken: &mut Taken,
        many: &Owned,
        one: &Owned,
        labels: &Labels,
        grid: &Grid,
    ) -> Eval<()> {
        let one_to_one = self.matching.cardinality == Cardinality::OneToOne;
        let key = if one_to_one { Labels::empty() } else { labels.clone() };
        let steps = taken.0.entry(key).or_insert_with(|| vec![false; grid.len()]);
        for ((taken, value), partner) in steps.iter_mut().zip(&many.values).zip(&one.values) {
            if is_absent(*value) || is_absent(*partner) {
                continue;
            }
            if std::mem::replace(taken, true) {
                return Err(QueryError::execution(if one_to_one {
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                } else {
                    "multiple matches for labels: grouping labels must ensure unique matches"
                }));
            }
        }
        Ok(())
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let changes_metric = !self.op.is_comparison() || (self.return_bool && !self.delayed);
        let one_to_one = self.matching.cardinality == Cardinality::OneToOne;
        let keep = |name: &str| {
            let listed = self.matching.labels.iter().any(|label| label == name);
            let matched = !one_to_one || listed == self.matching.on;
            matched && !(changes_metric && is_metadata_label(name))
        };
        let kept = many.filtered(keep);
        if self.matching.include.is_empty() {
            return kept;
        }
        let mut builder = kept.to_builder();
        for label in &self.matching.include {
            // An empty value removes the label.
            builder.set(label.as_str(), one.value(label));
        }
        builder.build()
    }
}

/// The times at which a result with these labels exists.
#[derive(Default)]
struct Taken(FxHashMap<Labels, Vec<bool>>);

/// Labels as Prometheus prints a label set: `{__name__="up", job="a"}`.
fn braces(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}
