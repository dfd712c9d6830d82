//! `count_values`: how many series have each value.

use breakwatch_model::Labels;
use rustc_hash::FxHashMap;

use crate::engine::exec::column::{ABSENT, Column, Grid, is_absent};
use crate::engine::exec::meta::Meta;
use crate::engine::exec::signature::Chosen;
use crate::engine::exec::{Eval, Evaluator, Sink};
use crate::engine::plan::CountValues;
use crate::number::go_shortest_fixed;

impl Evaluator<'_> {
    pub(in crate::engine::exec) fn count_values(
        &self,
        count: &CountValues,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Eval<()> {
        let chosen = Chosen::new(&count.grouping.labels, count.grouping.without);
        let mut places: FxHashMap<Labels, usize> = FxHashMap::default();
        let mut counts: Vec<(Labels, Vec<f64>)> = Vec::new();
        self.vector(&count.input, grid, &mut |column| {
            let labels = column.meta.labels();
            // A series often keeps its value for many steps; its group is looked up when the value changes.
            let mut last: Option<(u64, usize)> = None;
            for (step, value) in column.values.iter().enumerate() {
                if is_absent(*value) {
                    continue;
                }
                let place = match last {
                    Some((bits, place)) if bits == value.to_bits() => place,
                    _ => {
                        let with_value = labels.with(count.label.as_str(), go_shortest_fixed(*value));
                        let meta =
                            Meta { labels: &with_value, hidden: false, drop_name: false, delayed: false };
                        let group = chosen.of(&meta);
                        match places.get(&group) {
                            Some(place) => *place,
                            None => {
                                self.hold(grid.len())?;
                                places.insert(group.clone(), counts.len());
                                counts.push((group, vec![ABSENT; grid.len()]));
                                counts.len() - 1
                            }
                        }
                    }
                };
                last = Some((value.to_bits(), place));
                if let Some(count) = counts.get_mut(place).and_then(|(_, row)| row.get_mut(step)) {
                    *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
                }
            }
            Ok(())
        })?;
        self.release(counts.len() * grid.len());
        for (labels, mut values) in counts {
            let Column { meta, values } = self.unlabelled(&labels, &mut values);
            sink(Column { meta, values })?;
        }
        Ok(())
    }
}
