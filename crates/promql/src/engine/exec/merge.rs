//! Series that have come to the same labels: one series if they never meet at a time, an error if they do.

use breakwatch_model::Labels;
use rustc_hash::FxHashMap;

use super::column::{Owned, is_absent};
use super::{Eval, Evaluator, Sink};
use crate::engine::error::QueryError;

impl Evaluator<'_> {
    /// Runs an operator that drops names. Where that can make two series the same, its series are collected
    /// and merged before they go on.
    pub(super) fn checking_unique(
        &self,
        unique: bool,
        sink: &mut Sink<'_>,
        run: &mut dyn FnMut(&mut Sink<'_>) -> Eval<()>,
    ) -> Eval<()> {
        if unique || self.options.delayed_name_removal {
            return run(sink);
        }
        let mut collected = Vec::new();
        run(&mut |column| {
            self.hold(column.values.len())?;
            collected.push(Owned {
                labels: column.meta.labels(),
                drop_name: column.meta.drop_name,
                values: column.values.to_vec(),
            });
            Ok(())
        })?;
        let merged = self.merge_same_labels(collected)?;
        self.emit_all(merged, sink)
    }

    /// Merges series of the same labels.
    pub(super) fn merge_same_labels(&self, series: Vec<Owned>) -> Eval<Vec<Owned>> {
        if series.len() < 2 {
            return Ok(series);
        }
        let mut places: FxHashMap<Labels, usize> = FxHashMap::default();
        places.reserve(series.len());
        let mut merged: Vec<Owned> = Vec::with_capacity(series.len());
        for owned in series {
            match places.entry(owned.labels.clone()) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(merged.len());
                    merged.push(owned);
                }
                std::collections::hash_map::Entry::Occupied(place) => {
                    let Some(target) = merged.get_mut(*place.get()) else { continue };
                    for (value, new) in target.values.iter_mut().zip(&owned.values) {
                        match (is_absent(*value), is_absent(*new)) {
                            (true, _) => *value = *new,
                            (false, true) => {}
                            (false, false) => return Err(QueryError::same_labels()),
                        }
                    }
                    self.release(owned.values.len());
                }
            }
        }
        Ok(merged)
    }

    /// Passes kept series on.
    pub(super) fn emit_all(&self, series: Vec<Owned>, sink: &mut Sink<'_>) -> Eval<()> {
        self.release_all(&series);
        for mut owned in series {
            sink(owned.column(self.options.delayed_name_removal))?;
        }
        Ok(())
    }
}
